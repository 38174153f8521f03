/** `recv`: what it prints in which form, when it ends, and that a message that was not printed is not lost. */

import assert from "node:assert/strict";
import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel, listChannels, type Producer, Segment } from "../../../mod.ts";
import type { ChannelStat } from "../../../src/channel/channel_stat.ts";
import { ringOffset } from "../../../src/channel/shape.ts";
import { C_NEEDS, CProgram } from "../../support/c_program.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { cliInShellOnTerminal, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  cliInShell,
  fullPipe,
  interrupt,
  objectsAt,
  PIPE_TOOLS,
  random,
  readUntil,
  runHere,
  toEnd,
  until,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };
const PIPE = { tools: ["deno", "sh", ...PIPE_TOOLS], files: true };

/** Starts a receiver at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("recv", `--key=${key}`, ...args);

/** Runs a receiver at `key` in this process. */
const recv = (key: number, ...args: readonly string[]): Promise<Ended> =>
  runHere("recv", `--key=${key}`, ...args);

/** Waits until it receives, and gives its segment's id. */
async function receiving(receiver: Peer): Promise<number> {
  const [, id] = await receiver.stderr(/^receiving at .* segment (\d+), /m);
  return Number(id);
}

/** Leaves messages in the channel. */
function leave(key: number, ...messages: readonly (string | Uint8Array)[]): void {
  using channel = Channel.openOrCreate({ key });
  using producer = channel.producer();
  for (const message of messages) assert(put(producer, message));
}

function put(producer: Producer, message: string | Uint8Array, tag = 0): boolean {
  const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
  return producer.trySend(bytes, { tag });
}

/** Asserts what the next receiver prints, and that nothing is left after it. */
async function assertNext(key: number, printed: string): Promise<void> {
  const { code, stdout } = await recv(key, "--until-closed");
  assert.deepEqual([code, stdout], [0, printed]);
  assert.deepEqual(objectsAt(key), []);
}

testWith(CLI, "recv: messages on stdout unchanged, all else on stderr, nothing left", async () => {
  const key = freshKey();
  await using receiver = start(key);
  const id = await receiving(receiver);
  const texts = ["hello", "", "äöü € 😀", "two\nlines", "\x1b[31m\u202e in a pipe"];
  leave(key, ...texts, new Uint8Array([0xff]));
  await receiver.stdout(/in a pipe\n[^]*\n/);
  leave(key, "later");
  await receiver.stdout(/later\n/);
  const { code, stdout, stderr } = await interrupt(receiver);
  assert.equal(stdout, [...texts, "\ufffd", "later", ""].join("\n"));
  assert.equal(
    stderr,
    `receiving at key ${formatKey(key)}, segment ${id}, 8 lanes of 1M, mode 0600\n` +
      `ended by SIGINT; segment ${id} removed\n`,
  );
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("recv, send: find each other without --key", async () => {
  const [received, sent] = await Promise.all([
    runHere("recv", "--count=1", "--timeout=60s"),
    runHere("send", "--quiet", "hello"),
  ]);
  assert.match(received.stderr, /^receiving at key 2222 \(0x8ae\), /);
  assert.deepEqual([received.code, received.stdout, sent.code], [0, "hello\n", 0]);
});

Deno.test("recv --json: lane, number, tag, length, and text or base64; again with the same number", async () => {
  const key = freshKey();
  {
    using channel = Channel.openOrCreate({ key });
    using consumer = channel.consumer();
    using before = channel.producer();
    put(before, "received before", 7);
    put(before, "received, and put back", 7);
    consumer.tryReceive();
    consumer.tryReceive();
    consumer.nack();
    before.close();
    using one = channel.producer();
    using two = channel.producer();
    put(one, 'two\nlines, "quotes"', 7);
    put(two, new Uint8Array([0xff, 0xfe]), 0xffffffff);
  }
  const { code, stdout } = await recv(key, "--json", "--until-closed");
  assert.equal(
    stdout,
    '{"lane":0,"number":2,"tag":7,"length":22,"text":"received, and put back"}\n' +
      '{"lane":0,"number":3,"tag":7,"length":19,"text":"two\\nlines, \\"quotes\\""}\n' +
      '{"lane":1,"number":1,"tag":4294967295,"length":2,"bytes":"//4="}\n',
  );
  assert.equal(code, 0);
});

testWith(CLI, "recv --binary: the messages and nothing else, and it ends like a pipe", async () => {
  const key = freshKey();
  leave(key, "a", "\n", "", "b");
  const { code, stdout, stderr } = await recv(key, "--binary");
  assert.deepEqual([code, stdout], [0, "a\nb"]);
  assert.match(stderr, /\nall senders are gone; segment \d+ removed\n$/);
  await using follower = start(key, "--binary", "--follow");
  await receiving(follower);
  leave(key, "first");
  await follower.stdout(/first/);
  leave(key, "second");
  await follower.stdout(/second/);
  assert.deepEqual((await interrupt(follower)).code, 0);
});

Deno.test("recv: prints more than one write takes in pieces, all of it and in order", async () => {
  const key = freshKey();
  const texts = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(700_000 + i));
  {
    using channel = Channel.openOrCreate({ key, laneCapacity: 2 ** 23 });
    using producer = channel.producer();
    for (const text of texts) assert(put(producer, text));
  }
  const { code, stdout } = await recv(key, "--until-closed");
  assert.equal(code, 0);
  assert(stdout === texts.map((text) => `${text}\n`).join(""), "not what was sent");
});

Deno.test("recv --count: ends after so many, and leaves the rest", async () => {
  const key = freshKey();
  leave(key, "one", "two", "three");
  const { code, stdout, stderr } = await recv(key, "--count", "2");
  assert.deepEqual([code, stdout], [0, "one\ntwo\n"]);
  assert.match(stderr, /\n2 received; segment \d+ kept: it has unread messages\n$/);
  const short = await recv(key, "--count=2", "--until-closed");
  assert.deepEqual([short.code, short.stdout], [1, "three\n"]);
  assert.match(short.stderr, /\nall senders are gone; segment \d+ removed\n$/);
  assert.equal((await recv(key, "--until-closed", "--timeout=0")).code, 1);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "recv --binary: a signal before the senders are gone gives 128 + n", async () => {
  for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    const key = freshKey();
    await using receiver = start(key, "--binary");
    const id = await receiving(receiver);
    using channel = Channel.openOrCreate({ key });
    using producer = channel.producer();
    put(producer, "one");
    await receiver.stdout(/one/);
    receiver.kill(signal);
    const { code, stderr } = await receiver.ended();
    assert.equal(code, expected);
    const left = `ended by ${signal}; segment ${id} kept: other processes are attached\n`;
    assert(stderr.endsWith(left), stderr);
    assert.equal(channel.consumerPid, undefined);
  }
});

Deno.test("recv --keep: the channel stays, empty, for the next one", async () => {
  const key = freshKey();
  const kept = await recv(key, "--keep", "--timeout=0", "--lanes=2");
  const [, id] = /segment (\d+) kept\n$/.exec(kept.stderr)!;
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  const next = await recv(key, "--timeout=0");
  assert.match(next.stderr, new RegExp(`segment ${id}, 2 lanes of 1M, mode 0600\n`));
  assert.equal((await runHere("channel", "rm", `${key}`)).code, 0);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("recv --lanes, --capacity, --mode: those of the channel that it creates", async () => {
  const rows = [
    ["--lanes=256 --capacity=64 --mode=660", "256 lanes of 64, mode 0660"],
    ["--lanes=1 --capacity=64KiB", "1 lane of 64K, mode 0600"],
    ["--capacity=0x10000", "8 lanes of 64K, mode 0600"],
  ] as const;
  for (const [options, shape] of rows) {
    const { stderr } = await recv(freshKey(), "--timeout=0", ...options.split(" "));
    assert.match(stderr, new RegExp(`^receiving at [^\n]*, ${shape}\n`));
  }
});

testWith(CLI, "recv --until-closed: ends when the last sender is gone, killed or not", async () => {
  const key = freshKey();
  await using receiver = start(key, "--until-closed");
  await receiving(receiver);
  await using first = Peer.cli("send", `--key=${key}`);
  await using second = Peer.cli("send", `--key=${key}`);
  await first.write("one\n");
  await second.write("two\n");
  await receiver.stdout(/one\n[^]*\n|two\n[^]*\n/);
  assert.equal((await toEnd(first)).code, 0);
  await second.write("three\n");
  await receiver.stdout(/three\n/);
  second.kill("SIGKILL");
  const { code, stdout, stderr } = await receiver.ended();
  assert.deepEqual(stdout.split("\n").toSorted(), ["", "one", "three", "two"]);
  assert.match(
    stderr,
    /\nwarning: lane \d: its sender, [^\n]+\nall senders are gone; segment \d+ removed\n$/,
  );
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
});

testWith({ ...SHELL, files: true }, "recv, send --binary: 5 MB come out unchanged", async () => {
  using folder = new TestFolder();
  const pick = random(9);
  const bytes = Uint8Array.from({ length: 5_000_001 }, () => pick(256));
  const input = `${folder.path}/input`;
  Deno.writeFileSync(input, bytes);
  const rows: readonly (readonly [string, string[], string[]])[] = [
    [`exec "$@" <'${input}'`, [], []],
    [`cat '${input}' | exec "$@"`, ["--capacity=4K"], ["--capacity=4K", "--ack=before"]],
    [`exec "$@" <'${input}'`, ["--block=777"], ["--until-closed"]],
    [`exec "$@" <'${input}'`, ["--capacity=8M", "--block=3M"], ["--capacity=8M"]],
  ];
  for (const [i, [script, sendArgs, recvArgs]] of rows.entries()) {
    const key = freshKey();
    const copy = `${folder.path}/copy${i}`;
    const send = (): Peer => cliInShell(script, "send", `--key=${key}`, "--binary", ...sendArgs);
    const receive = (): Peer =>
      cliInShell(`exec "$@" >'${copy}'`, "recv", `--key=${key}`, "--binary", ...recvArgs);
    // Either of them may be the first
    for (const peer of i === 1 ? [send(), receive()] : [receive(), send()]) {
      await using started = peer;
      const { code, stderr } = await started.ended();
      assert.equal(code, 0, stderr);
    }
    const copied = Deno.readFileSync(copy);
    assert(
      copied.length === bytes.length && copied.every((byte, at) => byte === bytes[at]),
      `${i}`,
    );
    assert.deepEqual(objectsAt(key), []);
  }
});

testWith(CLI, "recv: a lane that is overwritten meanwhile is an error at the end", async () => {
  const key = freshKey();
  await using receiver = start(key, "--quiet");
  await until(() => objectsAt(key).length === 2);
  using channel = Channel.openOrCreate({ key });
  // Stopped earlier, it might hold the entry lock
  await until(() => channel.consumerPid !== undefined);
  receiver.kill("SIGSTOP");
  const [one, two] = [channel.producer(), channel.producer()];
  put(one!, "one");
  put(two!, "two");
  using memory = Segment.attach(channel.id);
  const { lanes, laneCapacity, messageSize } = channel;
  const ring = ringOffset({ lanes, laneCapacity, messageSize }, 1);
  memory.write(NO_LENGTH, ring);
  receiver.kill("SIGCONT");
  const { code, stdout, stderr } = await receiver.ended();
  assert.match(stderr, /^error: [^\n]*ECORRUPT[^\n]*lane 1: [^\n]*\n$/);
  assert.deepEqual([code, stdout], [1, "one\n"]);
  channel.remove();
});

/** A length that no message has. */
const NO_LENGTH = Uint8Array.of(255, 255, 255, 127);

for (const args of [[], ["--until-closed"]]) {
  const name = ["recv", ...args].join(" ");
  testWith(SHELL, `${name}: lanes that cannot be read are errors after the others`, async () => {
    const key = freshKey();
    const shape = { lanes: 5, laneCapacity: 4096, messageSize: 0 };
    using channel = Channel.openOrCreate({ key, ...shape });
    const producers = Array.from({ length: 5 }, () => channel.producer());
    for (const [lane, producer] of producers.entries()) {
      for (const part of ["a", "b"]) put(producer, `${lane}${part}`);
      producer.close();
    }
    using memory = Segment.attach(channel.id);
    for (const lane of [0, 3]) memory.write(NO_LENGTH, ringOffset(shape, lane));
    const { code, stdout, stderr } = await recv(key, "--quiet", ...args);
    assert.deepEqual(
      [code, stdout.split("\n").toSorted()],
      [1, ["", "1a", "1b", "2a", "2b", "4a", "4b"]],
    );
    const errors = stderr.trimEnd().split("\n");
    assert.equal(errors.length, 2, stderr);
    for (const error of errors) {
      const [, advice, lane] =
        /^error: .*ECORRUPT.* lane \d: .*; `(.* discard --lane (\d) id:\d+)` drops what is in that lane, and nothing else$/
          .exec(error)!;
      // The advice runs as printed, and nothing of the good lanes goes with it
      put(channel.producer(), `later in ${lane}`);
      assert.equal((await Peer.start("sh", ["-c", advice!]).ended()).code, 0);
    }
    assert.equal((await recv(key, "-q", "--count=1")).code, 0);
    channel.consumer().drain(() => {});
  });
}

testWith(CLI, "recv --binary: a sender that is killed is a warning, and exit code 1", async () => {
  const key = freshKey();
  await using receiver = start(key, "--binary");
  await receiving(receiver);
  await using sender = Peer.cli("send", `--key=${key}`, "--binary");
  await sender.write("half of it");
  await receiver.stdout(/half of it/);
  sender.kill("SIGKILL");
  const { code, stdout, stderr } = await receiver.ended();
  assert.deepEqual([code, stdout], [1, "half of it"]);
  const warning =
    `warning: lane 0: its sender, process ${sender.pid}, ended without closing the channel`;
  assert(stderr.split("\n").includes(warning), stderr);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "recv --follow: a sender killed before is a warning, and exit code 0", async () => {
  const key = freshKey();
  await using sender = Peer.cli("send", `--key=${key}`, "--binary");
  await sender.write("half of it");
  await until(() =>
    listChannels().some(({ segment, lanes }) => segment.key === key && lanes[0]!.depth === 1)
  );
  sender.kill("SIGKILL");
  await sender.ended();
  const first = await recv(key, "--binary", "--follow", "--count=1");
  assert.deepEqual([first.code, first.stdout], [0, "half of it"]);
  assert.match(first.stderr, /^warning: lane 0: its sender, /m);
});

const INTERRUPTED = [
  ["after", "SIGKILL", "in flight\n"],
  ["before", "SIGKILL", ""],
  ["before", "SIGINT", ""],
] as const;

for (const [ack, signal, again] of INTERRUPTED) {
  testWith(PIPE, `recv --ack=${ack}: ${signal} with a message in flight`, async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const { path, pipe } = await fullPipe(folder);
    using _closed = pipe;
    const script = `exec "$@" >'${path}'`;
    await using receiver = cliInShell(script, "recv", `--key=${key}`, `--ack=${ack}`);
    await receiving(receiver);
    leave(key, "in flight");
    if (ack === "before") {
      await until(() => listChannels().some((each) => isEmptyAt(each, key)));
    } // That it writes shows nowhere; were this too short, the test would prove less and still pass
    else await new Promise((resolve) => setTimeout(resolve, 300));
    receiver.kill(signal);
    if (signal === "SIGINT") await readUntil(pipe, "\0in flight\n");
    await receiver.ended();
    leave(key, "next");
    await assertNext(key, `${again}next\n`);
  });
}

function isEmptyAt({ segment, lanes }: ChannelStat, key: number): boolean {
  return segment.key === key && lanes[0]!.messages > 0 && lanes[0]!.depth === 0;
}

testWith(ON_TERMINAL, "recv --binary: the terminal shows the progress of a copy", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  const script = `exec "$@" >'${folder.path}/copy'`;
  using channel = Channel.openOrCreate({ key });
  using producer = channel.producer();
  await using receiver = cliInShellOnTerminal(folder, script, "recv", `--key=${key}`, "--binary");
  await receiver.stdout(/receiving at key/);
  put(producer, "x".repeat(300_000));
  await receiver.stdout(/293K {2}\S+\/s {2}0:\d\d/);
  producer.close();
  channel.close();
  const { code, stdout } = await receiver.ended();
  assert.equal(code, 0);
  // deno-lint-ignore no-control-regex
  assert.match(stdout, /\r\x1b\[Kreceived 293K in \d+\.\d s, \S+\/s\r\nall senders are gone; /);
});

/**
 * Attaches the segment `argv[1]` and rewrites the payloads of eight messages in its ring for ever: with
 * characters of three bytes, and with three times as many of one.
 */
const REWRITER = new CProgram(`
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  char *memory = shmat(atoi(argv[1]), NULL, 0);
  if (memory == (void *)-1) return 1;
  size_t ring = atol(argv[2]), stride = atol(argv[3]);
  char *wide = malloc(stride), *narrow = malloc(stride);
  for (size_t i = 0; i < stride; i++) {
    wide[i] = "\\xe4\\xbd\\xa0"[i % 3];
    narrow[i] = 'a';
  }
  puts("rewriting");
  fflush(stdout);
  for (unsigned round = 0; getppid() != 1; round++)
    for (int i = 0; i < 8; i++)
      memcpy(memory + ring + i * stride + 8, round % 2 ? wide : narrow, stride - 8);
}
`);

testWith(
  { ...C_NEEDS, ...ON_TERMINAL },
  "recv: on a terminal, payloads that another process rewrites all the time",
  async () => {
    using folder = new TestFolder();
    const key = freshKey();
    const stride = 2 ** 20;
    const shape = { lanes: 1, laneCapacity: 8 * stride, messageSize: stride - 8 };
    using channel = Channel.openOrCreate({ key, ...shape });
    using producer = channel.producer();
    await using rewriter = REWRITER.start(channel.id, ringOffset(shape, 0), stride);
    await rewriter.line();
    await using receiver = cliOnTerminal(folder, "recv", `--key=${key}`, "-q", "--count=20");
    const ended = receiver.ended();
    const over = new AbortController();
    void ended.then(() => over.abort());
    const message = new Uint8Array(shape.messageSize);
    try {
      while (!over.signal.aborted) await producer.send(message, { signal: over.signal });
    } catch (error) {
      assert(over.signal.aborted, String(error));
    }
    assert.equal((await ended).code, 0);
    using consumer = channel.consumer();
    consumer.drain(() => {});
  },
);
