/** `send`: what it sends of arguments, lines and bytes, how it waits, and what it leaves however it ends. */

import assert from "node:assert/strict";
import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel, type Consumer, listChannels, removeSegment } from "../../../mod.ts";
import { findSegment } from "../../../src/sysv/mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliInShellOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  assertFailed,
  cliInShell,
  HERE,
  objectsAt,
  random,
  runHere,
  runHereWith,
  toEnd,
  until,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };

/** Lanes so small that four messages fill one; a message has at most 24 bytes. */
const SMALL = { laneCapacity: 64, lanes: 2 } as const;
const SMALL_OPTIONS = ["--capacity=64", "--lanes=2"] as const;
const SIX = ["1", "2", "3", "4", "5", "6"] as const;

/** A safety net only. */
const NET_MS = 60_000;

/** Starts a sender at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("send", `--key=${key}`, ...args);

/** Runs a sender at `key` in this process. */
const send = (key: number, ...args: readonly string[]): Promise<Ended> =>
  runHere("send", `--key=${key}`, ...args);

const decode = (bytes: Uint8Array): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** All messages until every sender is gone, as [text, tag]. */
async function receiveAll(consumer: Consumer): Promise<[string, number][]> {
  const received: [string, number][] = [];
  for await (const { bytes, tag } of consumer.messages({ until: "closed", timeout: NET_MS })) {
    received.push([decode(bytes), tag]);
  }
  return received;
}

/** As {@linkcode receiveAll}, the texts only. */
async function receiveTexts(consumer: Consumer): Promise<string[]> {
  return (await receiveAll(consumer)).map(([text]) => text);
}

/** The messages that are in the channel, without waiting. */
function rest(key: number): string[] {
  using channel = Channel.open(key);
  using consumer = channel.consumer();
  const texts: string[] = [];
  consumer.drain((bytes) => texts.push(new TextDecoder().decode(bytes)));
  return texts;
}

/** One way of running it: what it is given, what arrives, what it prints. */
interface Row {
  readonly args?: readonly string[];
  readonly input?: string | Uint8Array;
  readonly texts: readonly string[];
  readonly tag?: number;
  /** Why something was not sent, one line each. */
  readonly refused?: readonly string[];
}

const AT_MOST = "and a message at most 24";
const SMALL_ROW = [...SMALL_OPTIONS];

const ROWS: Readonly<Record<string, Row>> = {
  "arguments": { args: ["hello", "", "äöü €\n"], texts: ["hello", "", "äöü €\n"] },
  "options between the arguments": { args: ["a", "-q", "b"], texts: ["a", "b"] },
  "dashes after --": { args: ["--", "--key=5", "-", "--"], texts: ["--key=5", "-", "--"] },
  "arguments, and not the lines of stdin": { args: ["a"], input: "b\n", texts: ["a"] },
  "lines": { input: "one\n\ntwo\r\n\ufefflast", texts: ["one", "", "two", "\ufefflast"] },
  "no line": { input: "", texts: [] },
  "a NUL is a byte": { input: "a\0b\n", texts: ["a\0b"] },
  "a tag": { args: ["--tag=4294967295", "a", "b"], texts: ["a", "b"], tag: 0xffffffff },
  "an argument that is too long": {
    args: [...SMALL_ROW, "x".repeat(24), "x".repeat(25), "b"],
    texts: ["x".repeat(24), "b"],
    refused: [`argument 2 has 25 bytes, ${AT_MOST}`],
  },
  "a line that is too long": {
    args: SMALL_ROW,
    input: `a\n${"x".repeat(5000)}\n${"y".repeat(24)}\r\n`,
    texts: ["a", "y".repeat(24)],
    refused: [`line 2 has 5000 bytes, ${AT_MOST}`],
  },
  "more than the lane holds": {
    args: SMALL_ROW,
    input: Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join(""),
    texts: Array.from({ length: 500 }, (_, i) => `line ${i}`),
  },
  "--binary: no byte": { args: ["--binary"], input: "", texts: [] },
  "--binary: lines are not split": { args: ["-b"], input: "a\nb\r\n", texts: ["a\nb\r\n"] },
  "--binary --block": {
    args: ["--binary", "--block=4"],
    input: "0123456789",
    texts: ["0123", "4567", "89"],
  },
};

for (
  const [name, { args = [], input = "", texts, tag = 0, refused = [] }] of Object.entries(ROWS)
) {
  Deno.test(`send: ${name}`, async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, ...(args.includes(SMALL_ROW[0]!) ? SMALL : {}) });
    using consumer = channel.consumer();
    const receiving = receiveAll(consumer);
    const { code, stdout, stderr } = await runHereWith(input, "send", `--key=${key}`, ...args);
    assert.deepEqual(await receiving, texts.map((text) => [text, tag]));
    assert.equal(stderr, refused.map((reason) => `error: ${reason}: not sent\n`).join(""));
    assert.deepEqual([code, stdout], [refused.length === 0 ? 0 : 1, ""]);
    consumer.close();
    channel.close();
    assert.deepEqual(objectsAt(key), []);
  });
}

testWith(
  CLI,
  "send: if all messages have one size, blocks are filled, others refused",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, messageSize: 4 });
    using consumer = channel.consumer();
    await using sender = start(key, "--binary");
    for (const part of ["012", "34567890123", "456"]) await sender.write(part);
    const rest = "and each message 4: not sent";
    assertFailed(
      await toEnd(sender),
      new RegExp(`^error: the last block has 1 bytes, ${rest}$`, "m"),
    );
    assertFailed(
      await send(key, "--", "four", "three"),
      new RegExp(`^error: argument 2 has 5 bytes, ${rest}$`, "m"),
    );
    const wrong = await send(key, "--binary", "--block=5");
    assert.match(
      wrong.stderr,
      /^error: option --block: all messages of this channel have 4 bytes\n/,
    );
    assert.deepEqual(await receiveTexts(consumer), ["0123", "4567", "8901", "2345", "four"]);
  },
);

testWith(CLI, "send: each line as soon as it comes, the last one without newline", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key });
  using consumer = channel.consumer();
  await using sender = start(key);
  const next = async (): Promise<string> =>
    decode((await consumer.receive({ timeout: NET_MS })).bytes);
  for (const text of ["one", "two", "three"]) {
    await sender.write(`${text}\nlast`.slice(0, text === "three" ? undefined : -4));
    assert.equal(await next(), text);
  }
  await sender.endInput();
  assert.equal(await next(), "last");
  consumer.ack();
  assert.equal((await sender.ended()).code, 0);
});

Deno.test("send: without a receiver the messages stay, and it tells how to receive them", async () => {
  const key = freshKey();
  const { code, stdout, stderr } = await send(key, "a", "b");
  const id = findSegment(key);
  assert.equal(
    stderr,
    `segment ${id} stays until its messages are received: ${HERE} recv --key ${key}\n`,
  );
  assert.deepEqual([code, stdout], [0, ""]);
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  assert.deepEqual(await send(key, "-q", "c"), { code: 0, signal: null, stdout: "", stderr: "" });
  assert.deepEqual(rest(key), ["a", "b", "c"]);
  assert.deepEqual(objectsAt(key), []);
});

testWith(SHELL, "send: an input that is empty or cannot be read", async () => {
  const key = freshKey();
  for (const args of [[], ["--binary"]]) {
    const sender = cliInShell('exec "$@" </dev/null', "send", `--key=${key}`, ...args);
    assert.deepEqual(await sender.ended(), { code: 0, signal: null, stdout: "", stderr: "" });
    assertFailed(
      await cliInShell('exec "$@" </', "send", `--key=${key}`, ...args).ended(),
      /cannot read standard input: Is a directory/,
    );
    assert.deepEqual(objectsAt(key), []);
  }
});

Deno.test("send --timeout: no room in time is an error; what was sent before is sent", async () => {
  const key = freshKey();
  assertFailed(await send(key, ...SMALL_OPTIONS, "--quiet", "--timeout=50ms", ...SIX), /ETIMEDOUT/);
  assert.deepEqual(rest(key), SIX.slice(0, 4));
});

Deno.test("send: a full lane waits for a receiver, and says so once", async () => {
  const key = freshKey();
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  const sending = send(key, ...SMALL_OPTIONS, ...texts);
  await until(() => objectsAt(key).length === 2);
  using channel = Channel.open(key);
  await until(() => channel.stats().lanes[0]!.fullWaits > 0);
  using consumer = channel.consumer();
  assert.deepEqual(await receiveTexts(consumer), texts);
  const { code, stderr } = await sending;
  assert.equal(code, 0);
  const full = `the lane is full, and no process receives at key ${formatKey(key)}: waiting\n`;
  assert.equal(stderr, full);
});

Deno.test("send --no-consumer error: fails if the lane is full and no process receives", async () => {
  const key = freshKey();
  const args = [...SMALL_OPTIONS, "-q", "--no-consumer=error", ...SIX];
  assertFailed(await send(key, ...args), /EPIPE[^\n]*--no-consumer/);
  assert.deepEqual(rest(key), SIX.slice(0, 4));
  using channel = Channel.openOrCreate({ key, ...SMALL });
  using consumer = channel.consumer();
  const [sent, received] = await Promise.all([send(key, ...args), receiveTexts(consumer)]);
  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  assert.deepEqual(received, SIX);
});

Deno.test("send: another capacity, too few lanes, a block too large, no free lane", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 64 });
  assertFailed(
    await send(key, "--capacity=128", "a"),
    /EFORMAT[^\n]* 64 there, 128[^\n]*--capacity/,
  );
  assertFailed(await send(key, "--lanes=2", "a"), /EFORMAT[^\n]* 1 there, 2[^\n]*--lanes/);
  const block = await send(key, "--binary", "--block=25");
  assert.match(block.stderr, /^error: option --block: 25 bytes [^\n]* 24: [^\n]*\ntry: .*\n$/);
  assert.deepEqual([block.code, block.stdout], [2, ""]);
  using _producer = channel.producer();
  assertFailed(await send(key, "a"), new RegExp(`EBUSY[^\n]*${Deno.pid}`));
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  testWith(
    CLI,
    `send: ${signal} ends the wait for input or room; what was sent is sent`,
    async () => {
      const key = freshKey();
      using channel = Channel.openOrCreate({ key, ...SMALL });
      using consumer = channel.consumer();
      for (const args of [[], ["--binary"]]) {
        await using sender = start(key, ...args);
        await sender.write("hello\n");
        await consumer.receive({ ack: "before", timeout: NET_MS });
        sender.kill(signal);
        const ended = await sender.ended();
        assert.deepEqual([ended.code, ended.signal], [code, null]);
        assert.equal(ended.stderr, `ended by ${signal}: 1 message sent\n`);
      }
      await using full = start(key, ...SIX);
      await until(() => channel.stats().lanes.some(({ fullWaits }) => fullWaits > 0));
      full.kill(signal);
      const { code: fullCode, stderr } = await full.ended();
      assert.deepEqual([fullCode, stderr], [code, `ended by ${signal}: 4 messages sent\n`]);
      // The lanes are free, and hold only what was sent
      assert(channel.stats().lanes.every(({ alive }) => !alive));
      assert.deepEqual(await receiveTexts(consumer), SIX.slice(0, 4));
    },
  );
}

testWith(CLI, "send: killed, its lane is free at once and holds what was sent", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, lanes: 1 });
  using consumer = channel.consumer();
  await using sender = start(key);
  await sender.write("one\ntwo\n");
  await until(() => channel.stats().lanes[0]!.depth === 2);
  sender.kill("SIGKILL");
  await sender.ended();
  assert.equal((await send(key, "three")).code, 0);
  assert.deepEqual(await receiveTexts(consumer), ["one", "two", "three"]);
});

testWith(CLI, "send: a channel that is removed is an error, at once or at its end", async () => {
  const key = freshKey();
  {
    await using sender = start(key);
    await sender.write("one\n");
    await until(() =>
      listChannels().some(({ segment, lanes }) => segment.key === key && lanes[0]!.depth === 1)
    );
    const id = findSegment(key)!;
    removeSegment(id);
    assertFailed(
      await toEnd(sender),
      new RegExp(
        `^error: segment ${id} was removed: messages that were not received are lost$`,
        "m",
      ),
    );
    assert.deepEqual(objectsAt(key), []);
  }
  await using sender = start(key, "--capacity=64", "--quiet");
  await sender.write(SIX.map((text) => `${text}\n`).join(""));
  await until(() => objectsAt(key).length === 2);
  {
    using channel = Channel.open(key, { timeout: 30_000 });
    await until(() => channel.stats().lanes[0]!.fullWaits > 0);
    channel.remove();
  }
  assertFailed(await toEnd(sender), /EIDRM/);
  assert.deepEqual(objectsAt(key), []);
});

testWith(ON_TERMINAL, "send --binary: the terminal shows the progress and the result", async () => {
  using folder = new TestFolder();
  const pick = random(5);
  const bytes = Uint8Array.from({ length: 3_000_000 }, () => pick(256));
  const path = `${folder.path}/input`;
  Deno.writeFileSync(path, bytes);
  const script = (options: string): string => `stty cols 60; exec "$@" ${options} <'${path}'`;
  for (const [options, talks] of [["", true], ["--quiet", false]] as const) {
    const key = freshKey();
    // A lane holds less than the file: it waits, and has time to say how far it is
    using channel = Channel.openOrCreate({ key, laneCapacity: 2 ** 20 });
    const args = ["send", `--key=${key}`, "--binary"];
    await using sender = cliInShellOnTerminal(folder, script(options), ...args);
    if (talks) await sender.stdout(/\d+% {2}\S+ of 2\.9M {2}\S+\/s {2}0:\d\d/);
    else {
      await until(() => channel.stats().lanes[0]!.fullWaits > 0);
      // Time enough to say something
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
    using consumer = channel.consumer();
    const parts: Uint8Array[] = [];
    for await (const part of consumer.messages({ until: "closed", timeout: NET_MS })) {
      parts.push(part.bytes);
    }
    assert.deepEqual(
      new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer()),
      bytes,
    );
    const { code, stdout } = await sender.ended();
    assert.equal(code, 0);
    const last = appeared({ stdout }).at(-2) ?? "";
    // deno-lint-ignore no-control-regex
    if (talks) assert.match(last, /\r\x1b\[Ksent 2\.9M in \d+\.\d s, \S+\/s$/);
    else assert.deepEqual(appeared({ stdout }), [""]);
  }
});

testWith(ON_TERMINAL, "send --binary: other output does not end up in the line", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, laneCapacity: 4096 });
  const consumer = channel.consumer();
  const path = folder.file("input", "x".repeat(100_000));
  const args = ["send", `--key=${key}`, "--binary"];
  await using sender = cliInShellOnTerminal(folder, `exec "$@" <'${path}'`, ...args);
  await sender.stdout(/\d+% /);
  consumer.drain(() => {}, { max: 1 });
  consumer.close();
  // deno-lint-ignore no-control-regex
  await sender.stdout(/\/s {2}0:\d\d\r\x1b\[Kthe lane is full, and no process receives [^\n]*\n/);
  using next = channel.consumer();
  assert((await receiveTexts(next)).join("").length > 90_000);
  assert.equal((await sender.ended()).code, 0);
});
