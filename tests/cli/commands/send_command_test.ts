/**
 * `cli.ts send` as a process, with nothing but `--allow-ffi`: what it makes of arguments, lines and
 * bytes, how it waits, and what it leaves when it ends in whatever way.
 */

import assert from "node:assert/strict";
import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel, type Consumer, listChannels, listSegments, removeSegment } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliInShellOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { cliInShell, objectsAt, random, run, STARTED, toEnd, until } from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };

/** Lanes so small that a few messages fill one; a message has at most 24 bytes. */
const SMALL = { laneCapacity: 64, lanes: 2 } as const;
const SMALL_OPTIONS = ["--capacity=64", "--lanes=2"] as const;

/** A safety net only. */
const NET_MS = 60_000;

/** Starts a sender at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("send", `--key=${key}`, ...args);

/** All that comes until everybody who sent is gone, as [text, tag]. */
async function receiveAll(consumer: Consumer): Promise<[string, number][]> {
  const received: [string, number][] = [];
  for await (const { bytes, tag } of consumer.messages({ until: "closed", timeout: NET_MS })) {
    received.push([new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), tag]);
  }
  return received;
}

/** What is in the channel, without waiting. */
function rest(key: number): string[] {
  using channel = Channel.open(key);
  using consumer = channel.consumer();
  const texts: string[] = [];
  consumer.drain((bytes) => texts.push(new TextDecoder().decode(bytes)));
  return texts;
}

/** One way of running it: what it is given, what arrives, what is said. */
interface Row {
  readonly args?: readonly string[];
  readonly input?: string | Uint8Array;
  readonly texts: readonly string[];
  readonly tag?: number;
  /** What is wrong with what was not sent, one line each. */
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
  "--binary: lines are nothing to it": { args: ["-b"], input: "a\nb\r\n", texts: ["a\nb\r\n"] },
  "--binary --block": {
    args: ["--binary", "--block=4"],
    input: "0123456789",
    texts: ["0123", "4567", "89"],
  },
};

for (
  const [name, { args = [], input = "", texts, tag = 0, refused = [] }] of Object.entries(ROWS)
) {
  testWith(CLI, `send: ${name}`, async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, ...(args.includes(SMALL_ROW[0]!) ? SMALL : {}) });
    using consumer = channel.consumer();
    await using sender = start(key, ...args);
    const receiving = receiveAll(consumer);
    if (input !== "") await sender.write(input);
    await sender.endInput();
    const { code, stdout, stderr } = await sender.ended();
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
  "send: where all messages have one size, blocks are filled and all else refused",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, messageSize: 4 });
    using consumer = channel.consumer();
    await using sender = start(key, "--binary");
    for (const part of ["012", "34567890123", "456"]) await sender.write(part);
    const binary = await toEnd(sender);
    const rest = "and each message 4: not sent\n";
    assert.deepEqual([binary.code, binary.stderr], [
      1,
      `error: the last block has 1 bytes, ${rest}`,
    ]);
    const texts = await run("send", `--key=${key}`, "--", "four", "three");
    assert.deepEqual([texts.code, texts.stderr], [1, `error: argument 2 has 5 bytes, ${rest}`]);
    const wrong = await run("send", `--key=${key}`, "--binary", "--block=5");
    assert.match(
      wrong.stderr,
      /^error: option --block: all messages of this channel have 4 bytes\n/,
    );
    assert.deepEqual(
      (await receiveAll(consumer)).map(([text]) => text),
      ["0123", "4567", "8901", "2345", "four"],
    );
  },
);

testWith(
  CLI,
  "send: a line is there as soon as it is, and the last one without newline",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key });
    using consumer = channel.consumer();
    await using sender = start(key);
    const next = async (): Promise<string> =>
      new TextDecoder().decode((await consumer.receive({ timeout: NET_MS })).bytes);
    for (const text of ["one", "two", "three"]) {
      await sender.write(`${text}\nlast`.slice(0, text === "three" ? undefined : -4));
      assert.equal(await next(), text);
    }
    await sender.endInput();
    assert.equal(await next(), "last");
    consumer.ack();
    assert.equal((await sender.ended()).code, 0);
  },
);

testWith(
  CLI,
  "send: with nobody there the messages stay, and where to find them is said",
  async () => {
    const key = freshKey();
    const { code, stdout, stderr } = await run("send", `--key=${key}`, "a", "b");
    const id = listSegments().find((stat) => stat.key === key)!.id;
    assert.equal(
      stderr,
      `segment ${id} stays until its messages are received: ${STARTED} recv --key ${key}\n`,
    );
    assert.deepEqual([code, stdout], [0, ""]);
    assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
    assert.deepEqual(await run("send", "-q", `--key=${key}`, "c"), {
      code: 0,
      signal: null,
      stdout: "",
      stderr: "",
    });
    assert.deepEqual(rest(key), ["a", "b", "c"]);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(SHELL, "send </dev/null: nothing to send, nothing left", async () => {
  const key = freshKey();
  for (const args of [[], ["--binary"]]) {
    const sender = cliInShell('exec "$@" </dev/null', "send", `--key=${key}`, ...args);
    assert.deepEqual(await sender.ended(), { code: 0, signal: null, stdout: "", stderr: "" });
    assert.deepEqual(objectsAt(key), []);
  }
});

testWith(SHELL, "send: an input that cannot be read is one line of error", async () => {
  const key = freshKey();
  for (const args of [[], ["--binary"]]) {
    const ended = await cliInShell('exec "$@" </', "send", `--key=${key}`, ...args).ended();
    assert.match(ended.stderr, /^error: cannot read standard input: Is a directory.*\n$/);
    assert.equal(ended.code, 1);
    assert.deepEqual(objectsAt(key), []);
  }
});

testWith(CLI, "send: no room in time is 1; what was sent before is sent", async () => {
  const key = freshKey();
  const texts = ["a", "b", "c", "d", "e", "f"];
  const { code, stderr } = await run(
    ...["send", `--key=${key}`, ...SMALL_OPTIONS, "--quiet", "--timeout=50ms", ...texts],
  );
  assert.match(stderr, /^error: [^\n]*ETIMEDOUT[^\n]*\n$/);
  assert.equal(code, 1);
  const sent = rest(key);
  assert.deepEqual(sent, texts.slice(0, sent.length));
  assert.equal(sent.length, 4);
});

testWith(CLI, "send: a full lane waits for somebody who receives, and says so once", async () => {
  const key = freshKey();
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  await using sender = start(key, ...SMALL_OPTIONS, ...texts);
  await sender.stderr(/waiting\n/);
  using channel = Channel.open(key);
  using consumer = channel.consumer();
  const received = await receiveAll(consumer);
  assert.deepEqual(received.map(([text]) => text), texts);
  const { code, stderr } = await toEnd(sender);
  assert.equal(code, 0);
  assert.equal(
    stderr,
    `the lane is full, and no process receives at key ${formatKey(key)}: waiting\n`,
  );
});

testWith(CLI, "send --no-consumer error: fails where it is full and nobody receives", async () => {
  const key = freshKey();
  const texts = ["a", "b", "c", "d", "e", "f"];
  const args = ["send", `--key=${key}`, ...SMALL_OPTIONS, "-q", "--no-consumer=error"];
  const refused = await run(...args, ...texts);
  assert.match(refused.stderr, /^error: [^\n]*EPIPE[^\n]*--no-consumer[^\n]*\n$/);
  assert.deepEqual([refused.code, refused.stdout], [1, ""]);
  assert.deepEqual(rest(key), ["a", "b", "c", "d"]);
  using channel = Channel.openOrCreate({ key, ...SMALL });
  using consumer = channel.consumer();
  const [sent, received] = await Promise.all([run(...args, ...texts), receiveAll(consumer)]);
  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  assert.deepEqual(received.map(([text]) => text), texts);
});

testWith(
  CLI,
  "send: a channel that is otherwise, one without a free lane, a block too large",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 64 });
    const rows: readonly (readonly [string[], number, RegExp])[] = [
      [
        ["--capacity=128", "a"],
        1,
        /^error: [^\n]*EFORMAT[^\n]* 64 there, 128[^\n]*--capacity[^\n]*\n$/,
      ],
      [["--lanes=2", "a"], 1, /^error: [^\n]*EFORMAT[^\n]* 1 there, 2[^\n]*--lanes[^\n]*\n$/],
      [
        ["--binary", "--block=25"],
        2,
        /^error: option --block: 25 bytes [^\n]* 24: [^\n]*\ntry: .*\n$/,
      ],
    ];
    for (const [args, code, message] of rows) {
      const ended = await run("send", `--key=${key}`, ...args);
      assert.match(ended.stderr, message);
      assert.deepEqual([ended.code, ended.stdout], [code, ""]);
    }
    using _producer = channel.producer();
    const { code, stderr } = await run("send", `--key=${key}`, "a");
    assert.match(stderr, new RegExp(`^error: [^\n]*EBUSY[^\n]*${Deno.pid}[^\n]*\n$`));
    assert.equal(code, 1);
  },
);

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  testWith(
    CLI,
    `send: ${signal} while it waits, for input or for room; what was sent is sent`,
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
      await using full = start(key, "1", "2", "3", "4", "5", "6");
      await until(() => channel.stats().lanes.some(({ fullWaits }) => fullWaits > 0));
      full.kill(signal);
      const { code: fullCode, stderr } = await full.ended();
      assert.deepEqual([fullCode, stderr], [code, `ended by ${signal}: 4 messages sent\n`]);
      // The lanes are free, and nothing is in them but what was sent
      assert(channel.stats().lanes.every(({ alive }) => !alive));
      assert.deepEqual((await receiveAll(consumer)).map(([text]) => text), ["1", "2", "3", "4"]);
    },
  );
}

testWith(CLI, "send: killed, its lane is free at once and what it had sent is there", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, lanes: 1 });
  using consumer = channel.consumer();
  await using sender = start(key);
  await sender.write("one\ntwo\n");
  await until(() => channel.stats().lanes[0]!.depth === 2);
  sender.kill("SIGKILL");
  await sender.ended();
  const { code } = await run("send", `--key=${key}`, "three");
  assert.equal(code, 0);
  assert.deepEqual((await receiveAll(consumer)).map(([text]) => text), ["one", "two", "three"]);
});

testWith(
  CLI,
  "send: into a channel that was removed is a failure, and no advice to receive",
  async () => {
    const key = freshKey();
    await using sender = start(key);
    await sender.write("one\n");
    await until(() =>
      listChannels().some(({ segment, lanes }) => segment.key === key && lanes[0]!.depth === 1)
    );
    const { id } = listSegments().find((segment) => segment.key === key)!;
    removeSegment(id);
    await sender.endInput();
    const { code, stderr } = await sender.ended();
    assert.equal(
      stderr,
      `error: segment ${id} was removed: messages that were not received are lost\n`,
    );
    assert.equal(code, 1);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(
  CLI,
  "send: a channel removed underneath is one line of error, and nothing is left",
  async () => {
    const key = freshKey();
    await using sender = start(key, "--capacity=64", "--quiet");
    await sender.write("1\n2\n3\n4\n5\n6\n");
    await until(() => objectsAt(key).length === 2);
    {
      using channel = Channel.open(key, { timeout: 30_000 });
      await until(() => channel.stats().lanes[0]!.fullWaits > 0);
      channel.remove();
    }
    const { code, stderr } = await toEnd(sender);
    assert.match(stderr, /^error: [^\n]*EIDRM[^\n]*\n$/);
    assert.equal(code, 1);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(
  ON_TERMINAL,
  "send --binary: a line on the terminal tells how far it is, and what came of it",
  async () => {
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
  },
);

testWith(ON_TERMINAL, "send --binary: what else is said does not end up in the line", async () => {
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
  assert.equal((await receiveAll(next)).map(([text]) => text).join("").length > 90_000, true);
  assert.equal((await sender.ended()).code, 0);
});
