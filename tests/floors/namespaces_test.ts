/**
 * Peers in different pid and user namespaces, as two containers that share an IPC namespace: they exclude and
 * wake each other, the kernel frees what a killed one held, no message names a process that it cannot know,
 * and a user that is not mapped is not trusted.
 */

import assert from "node:assert/strict";
import { Channel, Latest, MailboxClient, MailboxServer, Mutex, Topic } from "../../mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { type Needs, testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, withLocalImports } from "../support/peer.ts";

guardAgainstLeaks();

const NEEDS: Needs = { tools: ["deno", "unshare"], root: true, namespace: true };

/** Starts a program in a pid namespace of its own, with the IPC namespace of this process. */
function inside(program: string, ...keys: readonly number[]): Peer {
  const source = `const keys = [${keys.join(", ")}];\n${program}`;
  const deno = [Deno.execPath(), "eval", "--ext=ts", withLocalImports(source)];
  return Peer.start("unshare", ["--pid", "--fork", "--kill-child", ...deno]);
}

const REPORT = `const report = async (action) => {
  try { console.log("done " + await action()); } catch (error) { console.log(error.message); }
};`;

testWith(
  NEEDS,
  "roles: a holder in another pid namespace has no number, and is not taken for dead",
  async () => {
    const keys = Array.from({ length: 5 }, freshKey);
    const [mailbox, channel, latest, topic, mutex] = keys as [
      number,
      number,
      number,
      number,
      number,
    ];
    using _server = MailboxServer.open({ key: mailbox });
    using ours = Channel.openOrCreate({ key: channel, lanes: 1, laneCapacity: 4096 });
    using _consumer = ours.consumer();
    using _producer = ours.producer();
    using value = Latest.openOrCreate({ key: latest, size: 8 });
    using _writer = value.writer();
    using messages = Topic.openOrCreate({ key: topic, lanes: 1, laneCapacity: 4096 });
    using _publisher = messages.publisher();
    const lock = Mutex.openOrCreate({ key: mutex });
    try {
      using _lock = lock.tryLock();
      await using peer = inside(
        `
      import { Channel, Latest, MailboxServer, Mutex, Topic } from "@sysv/shm";
      ${REPORT}
      const [mailbox, channel, latest, topic, mutex] = keys;
      await report(() => MailboxServer.open({ key: mailbox }));
      using open = Channel.open(channel);
      await report(() => open.consumer());
      await report(() => open.producer());
      await report(() => open.consumerPid);
      using value = Latest.open(latest);
      await report(() => value.writer());
      using messages = Topic.open(topic);
      await report(() => messages.publisher());
      const lock = Mutex.openOrCreate({ key: mutex });
      await report(() => lock.lock({ timeout: 10 }));
    `,
        ...keys,
      );
      const { stdout, stderr } = await peer.ended();
      assert.equal(stderr, "");
      const lines = stdout.trim().split("\n");
      const other = "a process of another pid namespace";
      assert.match(lines[0]!, new RegExp(`EBUSY.*; ${other} is its server: `));
      assert.match(lines[1]!, new RegExp(`EBUSY.*; ${other} is it already$`));
      assert.match(lines[2]!, new RegExp(`EBUSY.*all 1 lanes are taken, by ${other}; `));
      assert.equal(lines[3], "done 0");
      assert.match(lines[4]!, new RegExp(`EBUSY.*; ${other} is it already$`));
      assert.match(lines[5]!, new RegExp(`EBUSY.*all 1 lanes are taken, by ${other}; `));
      assert.match(lines[6]!, new RegExp(`ETIMEDOUT.*; ${other} holds it$`));
    } finally {
      lock.remove();
    }
  },
);

testWith(
  NEEDS,
  "messages: go between pid namespaces, and a killed peer frees what it held",
  async () => {
    const [mailbox, channel] = [freshKey(), freshKey()];
    using ours = Channel.openOrCreate({ key: channel, lanes: 1, laneCapacity: 4096 });
    using producer = ours.producer();
    using client = MailboxClient.open({ key: mailbox });
    await using peer = inside(
      `
    import { Channel, MailboxServer } from "@sysv/shm";
    using server = MailboxServer.open({ key: keys[0] });
    using channel = Channel.open(keys[1]);
    using consumer = channel.consumer();
    console.log("ready");
    const { text, sender } = await server.receive();
    console.log(text, sender);
    server.ack();
    console.log((await consumer.receive()).text);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `,
      mailbox,
      channel,
    );
    assert.equal(await peer.line(), "ready");
    await client.send("hello");
    assert.equal(await peer.line(), "hello null");
    await producer.send(new TextEncoder().encode("one"));
    assert.equal(await peer.line(), "one");
    // This side sees the other one's number
    assert(ours.consumerPid! > 0);
    assert.throws(() => ours.consumer(), {
      code: "EBUSY",
      message: /; process \d+ is it already$/,
    });
    peer.kill("SIGKILL");
    await peer.ended();
    using consumer = ours.consumer();
    // It was not acknowledged
    assert.equal(consumer.tryReceive()?.text, "one");
    consumer.ack();
    using server = MailboxServer.open({ key: mailbox });
    assert.equal(server.tryReceive(), undefined);
  },
);

const SHM_PEER = `${PROJECT}examples/python/shm_peer.py`;
const PRODUCER = new CProgram(new URL("../../c/examples/channel_producer.c", import.meta.url));

testWith(
  { ...NEEDS, tools: [...NEEDS.tools!, ...C_NEEDS.tools], files: true },
  "shm_channel.h: names no process of another pid namespace by a number",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    using _producer = channel.producer();
    await using c = PRODUCER.startUnder(["unshare", "--pid", "--fork"], key);
    await c.endInput();
    const { code, stderr } = await c.ended();
    assert.match(stderr, /all 1 lanes are taken, by a process without an id here, key/);
    assert.equal(code, 1);
  },
);

testWith(
  { tools: [...NEEDS.tools!, ...C_NEEDS.tools, "python3"], files: true, root: true },
  "trust: where a user namespace maps no user, an object is this user's only by its mode",
  async () => {
    const key = freshKey();
    const own = freshKey();
    using _channel = Channel.openOrCreate({ key, mode: 0o666, lanes: 1, laneCapacity: 4096 });
    // There this user and the owner have the same id, that of all users who are not mapped
    await using c = PRODUCER.startUnder(["unshare", "--user"], key);
    await c.endInput();
    const { code, stderr } = await c.ended();
    assert.match(stderr, /user 65534 created its segment and user 65534 owns it/);
    assert.equal(code, 1);
    using owned = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
    for (const [at, refuses] of [[key, true], [owned.key, false]] as const) {
      const python = ["python3", SHM_PEER, "produce", "--key", `${at}`, "hello"];
      await using producer = Peer.start("unshare", ["--user", ...python]);
      const ended = await producer.ended();
      const refusal = /the segment belongs to another user \(owner 65534, creator 65534\)/;
      assert.deepEqual(
        [refusal.test(ended.stderr), ended.code],
        [refuses, refuses ? 1 : 0],
        ended.stderr,
      );
    }
    using consumer = owned.consumer();
    assert.equal(consumer.tryReceive()?.text, "hello");
    consumer.ack();
    const program = `
      import { Channel, Segment } from "@sysv/shm";
      ${REPORT}
      await report(() => Channel.open(${key}));
      await report(() => Channel.open(${key}, { trust: true }).close());
      const segment = Segment.create({ key: ${own}, size: 64 });
      await report(() => Segment.open(${own}).id === segment.id);
      segment.remove();
    `;
    const deno = [Deno.execPath(), "eval", "--ext=ts", withLocalImports(program)];
    await using peer = Peer.start("unshare", ["--user", ...deno]);
    const ended = await peer.ended();
    assert.equal(ended.stderr, "");
    assert.match(
      ended.stdout,
      /^cannot use the .*EUNTRUSTED.*uid 65534 .*not mapped; pass trust.*\ndone in use\ndone true\n$/,
    );
  },
);
