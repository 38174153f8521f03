/** `sub`: what it prints in which form, what it says of missed messages, how it ends, and what it leaves. */

import assert from "node:assert/strict";
import { Channel, parseStruct, Segment, SemaphoreSet } from "../../../mod.ts";
import type { AnyStructLayout, Fields, StructLayout } from "../../../src/layout/layout.ts";
import { RECORD } from "../../../src/topic/descriptor.ts";
import { type Publisher, Topic } from "../../../src/topic/mod.ts";
import { ringOffset } from "../../../src/topic/shape.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  assertFailed,
  cliInShell,
  fullPipe,
  objectsAt,
  PIPE_TOOLS,
  runHere,
  until,
} from "../command_line.ts";
import { runAsNobody } from "../segment_bytes.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };
const PIPE = { tools: ["deno", "sh", ...PIPE_TOOLS], files: true };

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A topic that goes when the test is over, and a publisher that has published `texts`. */
function used(
  ...texts: readonly string[]
): { readonly topic: Topic; readonly publisher: Publisher; readonly key: number } & Disposable {
  const key = freshKey();
  const topic = Topic.openOrCreate({ key, lanes: 2, laneCapacity: 4096 });
  const publisher = topic.publisher();
  for (const text of texts) publisher.publish(bytesOf(text));
  return { topic, publisher, key, [Symbol.dispose]: () => topic.close() };
}

const sub = (key: number, ...args: readonly string[]): Promise<Ended> =>
  runHere("sub", `--key=${key}`, ...args);

/** Waits until it has subscribed, and gives its segment's id. */
async function subscribed(peer: Peer): Promise<number> {
  const [, id] = await peer.stderr(/^subscribed at .* segment (\d+), /m);
  return Number(id);
}

Deno.test("sub --history: the newest messages as lines and as JSON, and what it says of itself", async () => {
  using value = used("one", "two", "three");
  const { key, topic, publisher } = value;
  const { code, stdout, stderr } = await sub(key, "--history=2", "--count=2");
  assert.deepEqual([code, stdout], [0, "two\nthree\n"]);
  assert.equal(
    stderr,
    `subscribed at key ${key} (0x${
      key.toString(16)
    }), segment ${topic.id}, 2 lanes of 4K, mode 0600\n` +
      `2 received; segment ${topic.id} kept: other processes are attached\n`,
  );
  publisher.publish(new Uint8Array([0xff]), { tag: 7 });
  const json = await sub(key, "--history=all", "--count=4", "--json", "-q");
  assert.equal(json.stderr, "");
  assert.deepEqual(json.stdout.trimEnd().split("\n").slice(2), [
    '{"lane":0,"number":3,"tag":0,"missed":0,"length":5,"text":"three"}',
    '{"lane":0,"number":4,"tag":7,"missed":0,"length":1,"bytes":"/w=="}',
  ]);
});

Deno.test("sub --struct: structs as JSON; another struct is refused, and its field named", async () => {
  const key = freshKey();
  const text = "double x; char name[8];";
  using topic = Topic.of(parseStruct(text) as AnyStructLayout as StructLayout<Fields>, { key });
  topic.publisher().publish({ x: 1.5, name: "äö" });
  const args = ["--history=1", "--count=1", "-q"] as const;
  const lines = await sub(key, ...args, "--struct", text);
  assert.deepEqual([lines.stdout, lines.stderr], ['{"x":1.5,"name":"äö"}\n', ""]);
  const json = await sub(key, ...args, "--struct", text, "--json", "--read-only");
  assert.equal(
    json.stdout,
    '{"lane":0,"number":1,"tag":0,"missed":0,"value":{"x":1.5,"name":"äö"}}\n',
  );
  assertFailed(
    await sub(key, ...args, "--struct", "float x; char name[8];"),
    /EFORMAT[^\n]*first field that differs is x:f32@0 here/,
  );
});

testWith(PIPE, "sub: says how many messages it missed, on stderr and in JSON", async () => {
  using folder = new TestFolder();
  using value = used();
  const { path, pipe } = await fullPipe(folder);
  using closing = pipe;
  await using peer = cliInShell(
    `exec "$@" >'${path}'`,
    ...["sub", `--key=${value.key}`, "--json", "--count=2"],
  );
  await subscribed(peer);
  // It cannot write the first one, and so not read the others
  value.publisher.publish(bytesOf("first"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let i = 0; i < 1000; i++) value.publisher.publish(bytesOf(`message ${i}`));
  const read = new Uint8Array(1 << 20);
  let text = "";
  while (!text.includes("message")) {
    text += new TextDecoder().decode(read.subarray(0, (await closing.read(read))!));
  }
  const [first, second] = text.replaceAll("\0", "").trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual([first.text, first.missed], ["first", 0]);
  assert.equal(second.text, `message ${second.missed}`, "each missed message is counted");
  assert(second.missed > 0);
  const { code, stderr } = await peer.ended();
  assert.equal(code, 0);
  assert.match(
    stderr,
    new RegExp(
      `\nwarning: lane 0: ${second.missed} messages missed, overwritten before read\n2 rec`,
    ),
  );
});

testWith(CLI, "sub: each one gets every message, those of a killed publisher too", async () => {
  const key = freshKey();
  await using first = Peer.cli("sub", `--key=${key}`, "--count=3");
  await subscribed(first);
  await using second = Peer.cli("sub", `--key=${key}`, "--count=3", "--read-only");
  await subscribed(second);
  await using publisher = Peer.cli("pub", `--key=${key}`);
  await publisher.write("one\n");
  await Promise.all([first.stdout(/one/), second.stdout(/one/)]);
  publisher.kill("SIGKILL");
  await publisher.ended();
  assert.equal((await runHere("pub", `--key=${key}`, "two", "three")).code, 0);
  for (const peer of [second, first]) {
    const { code, stdout } = await peer.ended();
    assert.deepEqual([code, stdout], [0, "one\ntwo\nthree\n"]);
  }
  assert.deepEqual(objectsAt(key), [], "the last member removed it");
});

testWith(CLI, "sub: killed, it leaves nothing that holds up the next one", async () => {
  const key = freshKey();
  await using peer = Peer.cli("sub", `--key=${key}`);
  await subscribed(peer);
  peer.kill("SIGKILL");
  await peer.ended();
  assert.equal(objectsAt(key).length, 2);
  const { code } = await sub(key, "--timeout=10ms", "-q");
  assert.deepEqual([code, objectsAt(key)], [1, []]);
});

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;

for (const [signal, expected] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
  testWith(CLI, `sub: ${signal} gives 128 + n, and 0 only for Ctrl-C without --count`, async () => {
    for (const goal of [[], ["--count=9"]]) {
      using value = used();
      await using peer = Peer.cli("sub", `--key=${value.key}`, ...goal);
      const id = await subscribed(peer);
      value.publisher.publish(bytesOf("one"));
      await peer.stdout(/one/);
      peer.kill(signal);
      const { code, stderr } = await peer.ended();
      assert.equal(code, signal === "SIGINT" && goal.length === 0 ? 0 : expected);
      const end = `\nended by ${signal}; segment ${id} kept: other processes are attached\n`;
      assert(stderr.endsWith(end), stderr);
    }
  });
}

testWith(
  SHELL,
  "sub: ends with 0 when its reader has ended, and with 1 on a full disk",
  async () => {
    using value = used("one", "two");
    const args = ["sub", `--key=${value.key}`, "--history=all"];
    const script = '{ "$@"; echo "exit $?" >&2; } | exec <&-';
    const piped = await cliInShell(script, ...args).ended();
    assert.match(piped.stderr, /\nstdout was closed; segment \d+ kept: [^\n]*\nexit 0\n$/);
    const full = await cliInShell('exec "$@" >/dev/full', ...args).ended();
    assert.match(full.stderr, /\nerror: cannot write to standard output: No space left on device/);
    assert.equal(full.code, 1);
  },
);

Deno.test("sub --timeout: ends with 1 when no message comes; the topic goes with it", async () => {
  const key = freshKey();
  const { code, stdout, stderr } = await sub(key, "--timeout=20ms");
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /\nno message for 20 ms; segment \d+ removed\n$/);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("sub: the removal of the topic, and another object at its key, are errors", async () => {
  using value = used();
  const waiting = sub(value.key, "-q");
  await until(() => SemaphoreSet.open(value.key).values().at(-2) === 2);
  value.topic.remove();
  assertFailed(await waiting, /EIDRM/);
  using channel = Channel.openOrCreate({ key: freshKey() });
  for (const readOnly of [[], ["--read-only"]]) {
    assertFailed(await sub(channel.key, ...readOnly), /EFORMAT/);
  }
});

Deno.test("sub --read-only: leaves no trace, creates nothing, and does not keep the topic", async () => {
  const key = freshKey();
  assertFailed(
    await sub(key, "--read-only"),
    /ENOENT[^\n]*; start `[^`]+cli\.ts pub`, or leave --read-only out\n$/,
  );
  assert.deepEqual(objectsAt(key), []);
  using value = used("one");
  const before = SemaphoreSet.open(value.key).values();
  const { code, stdout, stderr } = await sub(
    ...[value.key, "--read-only", "--history=1", "--count=1"] as const,
  );
  assert.deepEqual([code, stdout], [0, "one\n"]);
  assert.match(stderr, /, mode 0600, only reading\n1 received; segment \d+ kept\n$/);
  assert.deepEqual(SemaphoreSet.open(value.key).values(), before);
  const waiting = sub(value.key, "--read-only", "-q");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(value.topic.close(), "removed");
  assertFailed(await waiting, /EIDRM/);
});

testWith({ ...CLI, root: true }, "sub: only reads what this user may not write to", async () => {
  for (const [mode, expected] of [[0o600, 1], [0o644, 0]] as const) {
    using topic = Topic.openOrCreate({ key: freshKey(), mode });
    topic.publisher().publish(bytesOf("public"));
    const { code, stdout, stderr } = await runAsNobody(
      ...["sub", `--key=${topic.key}`, "--history=1", "--count=1"],
    );
    assert.deepEqual([code, stdout], [expected, expected === 0 ? "public\n" : ""]);
    assert.match(stderr, /^this user may not write to the topic: only reading\n/);
    if (expected === 1) assert.match(stderr, /\nerror: [^\n]*EACCES[^\n]*\n$/);
  }
});

testWith(CLI, "sub: a lane that cannot be read is told once, and the others go on", async () => {
  using value = used();
  using other = value.topic.publisher();
  await using peer = Peer.cli("sub", `--key=${value.key}`, "--count=3");
  await subscribed(peer);
  for (const [n, text] of ["one", "two"].entries()) {
    // While it is stopped, the message that it has not read yet is overwritten
    peer.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 100));
    value.publisher.publish(new Uint8Array(8));
    spoil(value.topic, n * (RECORD.size + 8));
    peer.kill("SIGCONT");
    await peer.stderr(/^error: [^\n]*ECORRUPT[^\n]*lane 0[^\n]*$/m);
    other.publish(bytesOf(text));
    await peer.stdout(new RegExp(text));
  }
  other.publish(bytesOf("three"));
  const { code, stdout, stderr } = await peer.ended();
  assert.deepEqual([code, stdout], [1, "one\ntwo\nthree\n"]);
  assert.doesNotMatch(stderr, /discard/);
  assert.equal(stderr.match(/ECORRUPT/g)!.length, 1);
});

/** Overwrites the number of the message at this position of lane 0, as another program could. */
function spoil({ id, lanes, laneCapacity, messageSize }: Topic, position: number): void {
  using memory = Segment.attach(id);
  const ring = ringOffset({ lanes, laneCapacity, messageSize }, 0);
  memory.write(Uint8Array.of(0xff), ring + position + RECORD.fields.number.offset);
}

testWith(ON_TERMINAL, "sub: on a terminal, control characters are escapes", async () => {
  using folder = new TestFolder();
  using value = used("\x1b[31mred\x07");
  await using peer = cliOnTerminal(
    ...[folder, "sub", `--key=${value.key}`, "-q", "--history=1", "--count=1"] as const,
  );
  assert.deepEqual(appeared(await peer.ended()), ["\\x1b[31mred\\x07", ""]);
});
