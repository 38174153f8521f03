/** `channel`: what it shows of channels, that reading changes nothing for their users, and what it removes. */

import assert from "node:assert/strict";
import {
  Channel,
  listSemaphoreSets,
  MailboxServer,
  Segment,
  SemaphoreSet,
  statSegment,
} from "../../../mod.ts";
import { findSegment, setSegmentPermissions } from "../../../src/sysv/mod.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NOBODY } from "../../support/other_user.ts";
import { freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { assertFailed, objectsAt, run, runHere, until } from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };

/** A channel of two lanes of 4K with two messages of three bytes, and both its roles in use. */
function used(key: number): { readonly channel: Channel } & Disposable {
  const channel = Channel.openOrCreate({ key, lanes: 2, laneCapacity: 4096 });
  const producer = channel.producer();
  channel.consumer();
  producer.sendBatch([new Uint8Array(3), new Uint8Array(3)]);
  return {
    channel,
    [Symbol.dispose]: () => {
      channel.remove();
      channel.close();
    },
  };
}

/** The row of a table for a segment. */
function rowOf(stdout: string, id: number): string | undefined {
  return stdout.split("\n").find((line) => line.split(/ +/)[1] === `${id}`);
}

Deno.test("channel ls: channels and nothing else, as a table and as JSON", async () => {
  const key = freshKey();
  using segment = Segment.create({ key: freshKey(), size: 2 * 4096 });
  segment.remove();
  using _mailbox = MailboxServer.open({ key: freshKey() });
  using inUse = used(key);
  const { id } = inUse.channel;
  const { code, stdout, stderr } = await runHere("channel", "ls");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    /^KEY +ID OWNER +LANES CAPACITY DEPTH BYTES PRODUCERS CONSUMER\n/,
  );
  assert.match(
    rowOf(stdout, id)!,
    new RegExp(`^${hexKey(key)} +${id} \\S+ +2 +4K +2 +32 +1 +${Deno.pid}$`),
  );
  const listed: { id: number }[] = JSON.parse((await runHere("channel", "ls", "--json")).stdout);
  assert.partialDeepStrictEqual(listed.find((each) => each.id === id), {
    ...{ size: 256 + 2 * (256 + 4096), nattch: 1, lanes: 2, laneCapacity: 4096, messageSize: null },
    ...{
      typeHash: null,
      maxMessage: 2040,
      depth: 2,
      bytes: 32,
      messages: 2,
      fullWaits: 0,
      producers: 1,
    },
    consumer: Deno.pid,
  });
  assert(!listed.some((each) => each.id === segment.id));
  const chosen = await runHere(
    "channel",
    "ls",
    "--columns=id,laneCapacity",
    "--bytes",
    "--sort=ID",
  );
  assert.match(chosen.stdout, new RegExp(`^ *ID CAPACITY\n(.*\n)* *${id} +4096\n`));
});

Deno.test("channel stat: lane by lane; unused lanes are counted", async () => {
  const key = freshKey();
  using inUse = used(key);
  const { id } = inUse.channel;
  const { code, stdout, stderr } = await runHere("channel", "stat", `${key}`);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    new RegExp(
      `^channel +segment ${id}, 8960 bytes \\(8\\.8K\\); semaphore set \\d+\nkey +${key} `,
    ),
  );
  assert.match(stdout, /\nlanes +2 of 4096 bytes \(4K\)\nmessages +of at most 2040 bytes \(2K\)\n/);
  assert.match(stdout, /\nwaiting +2, 32 bytes in all\never +2\nfull +0 waits for room\n/);
  assert.match(stdout, new RegExp(`\nproducers +1: pid ${Deno.pid}\nconsumer +pid ${Deno.pid}\n`));
  assert.match(stdout, /\nLANE DEPTH BYTES MESSAGES FULLWAITS OPENED CLOSED +PID ALIVE\n/);
  assert.match(
    stdout,
    new RegExp(`\n +0 +2 +32 +2 +0 +1 +0 +${Deno.pid} yes\n1 lane was never used\n$`),
  );
  const facts = JSON.parse((await runHere("channel", "stat", "--json", `id:${id}`)).stdout);
  assert.deepEqual(facts.perLane, [
    {
      ...{ lane: 0, depth: 2, bytes: 32, messages: 2, fullWaits: 0, opened: 1, closed: 0 },
      ...{ pid: Deno.pid, alive: true },
    },
    {
      ...{ lane: 1, depth: 0, bytes: 0, messages: 0, fullWaits: 0, opened: 0, closed: 0 },
      ...{ pid: null, alive: false },
    },
  ]);
  assert.equal(facts.keyHex, hexKey(key));
});

Deno.test("channel ls, stat: reading does not join the channel", async () => {
  const key = freshKey();
  const channel = Channel.openOrCreate({ key });
  const set = SemaphoreSet.open(key);
  const before = set.values();
  for (const args of [["ls"], ["stat", `${key}`]]) await runHere("channel", ...args);
  assert.deepEqual(set.values(), before);
  assert.equal(channel.close(), "removed");
});

Deno.test("channel stat: no channel, and one that was overwritten, are errors", async () => {
  assertFailed(await runHere("channel", "stat", `${freshKey()}`), /no segment has key /);
  using segment = Segment.create({ key: freshKey(), size: 100 });
  segment.remove();
  const name = `id:${segment.id}`;
  assertFailed(await runHere("channel", "stat", name), /EFORMAT[^\n]*not a channel/);
  assertFailed(await runHere("channel", "discard", "--lane=0", name), /not a channel/);
  using inUse = used(freshKey());
  {
    using memory = Segment.attach(inUse.channel.id);
    memory.write(new Uint8Array([9]), 4);
  }
  const broken = await runHere("channel", "stat", `id:${inUse.channel.id}`);
  assertFailed(broken, /EFORMAT[^\n]*version/);
  assert.equal((await runHere("channel", "ls")).code, 0);
});

Deno.test("channel rm: removes the segment and the set, and tells what is lost", async () => {
  const key = freshKey();
  await runHere("send", `--key=${key}`, "--quiet", "one", "two");
  const id = findSegment(key)!;
  const dry = await runHere("channel", "rm", "--dry-run", `${key}`);
  const text = `channel ${id} (key ${hexKey(key)}, 8 lanes of 1M, 2 messages unread)`;
  assert.equal(dry.stdout, `would remove ${text}\n`);
  const { code, stdout, stderr } = await runHere("channel", "rm", `${key}`);
  assert.deepEqual([code, stdout, stderr], [0, `removed ${text}\n`, ""]);
  assert.deepEqual(objectsAt(key), []);
  const again = await runHere("channel", "rm", `${key}`, "--json");
  assert.match(
    again.stderr,
    /^error: no channel has key [^\n]*`[^`]+cli.ts channel ls` lists[^\n]*\n$/,
  );
  assert.deepEqual(JSON.parse(again.stdout)[0].removed, false);
  assert.equal(again.code, 1);
});

testWith(CLI, "channel rm: keeps one in use without --force, and names its users", async () => {
  const key = freshKey();
  await using receiver = Peer.cli("recv", `--key=${key}`, "--quiet");
  await until(() => objectsAt(key).length === 2);
  {
    using channel = Channel.openOrCreate({ key });
    await until(() => channel.consumerPid !== undefined);
  }
  assertFailed(
    await runHere("channel", "rm", `${key}`),
    new RegExp(
      `^error: channel \\d+ [^\n]* it has 1 attach \\(process ${receiver.pid} receives\\): remove it ` +
        "all the same\\? There is no terminal to ask on: --force does without\n$",
    ),
  );
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  const forced = await runHere("channel", "rm", "--force", `${key}`);
  assert.match(
    forced.stdout,
    /^marked channel \d+ [^\n]* for removal: it goes when its attach does\n$/,
  );
  assert.equal(forced.code, 0);
  const { code, stderr } = await receiver.ended();
  assert.match(stderr, /^error: [^\n]*EIDRM[^\n]*\n$/);
  assert.equal(code, 1);
  assert.deepEqual(objectsAt(key), []);
});

testWith(ON_TERMINAL, "channel rm: asks on a terminal, and only y is yes", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  using inUse = used(key);
  for (
    const [answer, said] of [["n", /kept channel/], ["y", /marked channel .* for removal/]] as const
  ) {
    await using asking = cliOnTerminal(folder, "channel", "rm", `${key}`);
    await asking.stdout(new RegExp(`receives; process ${Deno.pid} sends\\): remove .*\\[y/N\\] `));
    await asking.write(`${answer}\n`);
    const { code, stdout } = await asking.ended();
    assert.match(stdout, said);
    assert.equal(code, 0);
  }
  assert.equal(statSegment(inUse.channel.id).markedForRemoval, true);
});

testWith(CLI, "channel rm --orphans: keeps unread messages, and what is in use", async () => {
  const key = freshKey();
  await run("send", `--key=${key}`, "--quiet", "unread");
  using inUse = used(freshKey());
  using segment = Segment.create({ key: freshKey(), size: 100 });
  try {
    const left = await runHere("channel", "rm", "--mine", "--orphans", "--yes");
    assert.equal(left.code, 0);
    assert.match(left.stderr, /^left alone: .* channel with 1 unread message; --force takes /m);
    assert.equal(objectsAt(key).length, 2);
    const { code, stdout } = await runHere("channel", "rm", "--mine", "--orphans", "--force");
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^removed channel \\d+ \\(key ${hexKey(key)}, .*\\)$`, "m"));
    assert.deepEqual(objectsAt(key), []);
    assert.deepEqual(
      [statSegment(inUse.channel.id).markedForRemoval, segment.stat().markedForRemoval],
      [false, false],
    );
    assert(listSemaphoreSets().some((set) => set.key === inUse.channel.key));
  } finally {
    segment.remove();
  }
});

testWith({ root: true }, "channel, send, recv --trust: another user's channel", async () => {
  const key = freshKey();
  await runHere("send", `--key=${key}`, "--quiet", "unread");
  const id = findSegment(key)!;
  setSegmentPermissions(id, { uid: NOBODY, mode: 0o660 });
  const { stdout } = await runHere("channel", "ls", "--columns=id,uid,depth");
  assert.match(stdout, new RegExp(`^ *${id} +${NOBODY} +1$`, "m"));
  assert.equal((await runHere("channel", "stat", `${key}`)).code, 0);
  const refusal = /EUNTRUSTED[^\n]*--trust/;
  assertFailed(await runHere("send", `--key=${key}`, "x"), refusal);
  assertFailed(await runHere("recv", `--key=${key}`, "--count=1"), refusal);
  const trusted = await runHere("recv", `--key=${key}`, "--trust", "--count=1");
  assert.match(
    trusted.stderr,
    new RegExp(`^warning: segment ${id} .* mode 0660: other users may`),
  );
  assert.deepEqual([trusted.code, trusted.stdout], [0, "unread\n"]);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("channel discard: drops the messages of the named lanes only", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, lanes: 3, laneCapacity: 4096 });
  const producers = [channel.producer(), channel.producer(), channel.producer()];
  for (const [lane, producer] of producers.entries()) producer.trySend(new Uint8Array(lane * 8));
  const { code, stdout, stderr } = await runHere(
    ...["channel", "discard", "--lane=2", "--lane", "0", "--lane=2", `id:${channel.id}`],
  );
  assert.equal(
    stdout,
    [[24, 2], [8, 0]].map(([bytes, lane]) =>
      `dropped ${bytes} bytes in lane ${lane} of channel ${channel.id} (key ${hexKey(key)})\n`
    ).join(""),
  );
  assert.deepEqual([code, stderr], [0, ""]);
  using consumer = channel.consumer();
  const left: number[] = [];
  consumer.drain((_, __, lane) => left.push(lane));
  assert.deepEqual(left, [1]);
  const beyond = await runHere("channel", "discard", "--lane=3", String(key));
  assert.match(beyond.stderr, /^error: option --lane: there are 3 lanes, and so no lane 3$/m);
  assert.deepEqual([beyond.code, beyond.stdout], [2, ""]);
  assertFailed(await runHere("channel", "discard", "--lane=0", String(key)), /EBUSY/);
});
