/**
 * `cli.ts recv` as a process, with nothing but `--allow-ffi`: what it prints in which form, when it
 * ends, and that nothing is lost that was not printed.
 */

import assert from "node:assert/strict";
import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel, listChannels, type Producer, Segment } from "../../../mod.ts";
import { ringOffset } from "../../../src/channel/shape.ts";
import { C_NEEDS, CProgram } from "../../support/c_program.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import {
  appeared,
  cliInShellOnTerminal,
  cliOnTerminal,
  ON_TERMINAL,
} from "../../support/terminal.ts";
import {
  cliInShell,
  fullPipe,
  objectsAt,
  PIPE_TOOLS,
  random,
  readUntil,
  run,
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
  return producer.trySend(
    typeof message === "string" ? new TextEncoder().encode(message) : message,
    { tag },
  );
}

/** Ends it as Ctrl-C does and waits for its end. */
async function interrupt(receiver: Peer): Promise<Ended> {
  receiver.kill("SIGINT");
  return await receiver.ended();
}

/** What the next receiver prints; nothing is left after it. */
async function nextPrints(key: number): Promise<string> {
  const { code, stdout } = await run("recv", `--key=${key}`, "--until-closed");
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
  return stdout;
}

testWith(
  CLI,
  "recv: messages on stdout as they are, all else on stderr, nothing left",
  async () => {
    const key = freshKey();
    await using receiver = start(key);
    const id = await receiving(receiver);
    leave(
      key,
      "hello",
      "",
      "äöü € 😀",
      "two\nlines",
      "\x1b[31m\u202e in a pipe",
      new Uint8Array([0xff]),
    );
    await receiver.stdout(/in a pipe\n[^]*\n/);
    leave(key, "later");
    await receiver.stdout(/later\n/);
    const { code, stdout, stderr } = await interrupt(receiver);
    assert.equal(
      stdout,
      "hello\n\näöü € 😀\ntwo\nlines\n\x1b[31m\u202e in a pipe\n\ufffd\nlater\n",
    );
    assert.equal(
      stderr,
      `receiving at key ${formatKey(key)}, segment ${id}, 8 lanes of 1M, mode 0600\n` +
        `ended by SIGINT; segment ${id} removed\n`,
    );
    assert.equal(code, 0);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(CLI, "recv: without --key, send finds it", async () => {
  await using receiver = Peer.cli("recv", "--count=1", "--timeout=60s");
  await receiver.stderr(/^receiving at key 2222 \(0x8ae\), /);
  assert.equal((await run("send", "hello")).code, 0);
  const { code, stdout } = await receiver.ended();
  assert.deepEqual([code, stdout], [0, "hello\n"]);
});

testWith(CLI, "recv --json: lane, tag, length, and text or base64", async () => {
  const key = freshKey();
  {
    using channel = Channel.openOrCreate({ key });
    using one = channel.producer();
    using two = channel.producer();
    put(one, 'two\nlines, "quotes"', 7);
    put(two, new Uint8Array([0xff, 0xfe]), 0xffffffff);
  }
  const { code, stdout } = await run("recv", `--key=${key}`, "--json", "--until-closed");
  assert.equal(
    stdout,
    '{"lane":0,"tag":7,"length":19,"text":"two\\nlines, \\"quotes\\""}\n' +
      '{"lane":1,"tag":4294967295,"length":2,"bytes":"//4="}\n',
  );
  assert.equal(code, 0);
});

testWith(
  CLI,
  "recv --binary: what is in the messages and nothing else, and it ends as a pipe does",
  async () => {
    const key = freshKey();
    leave(key, "a", "\n", "", "b");
    const { code, stdout, stderr } = await run("recv", `--key=${key}`, "--binary");
    assert.equal(stdout, "a\nb");
    assert.match(stderr, /\nall senders are gone; segment \d+ removed\n$/);
    assert.equal(code, 0);
    await using follower = start(key, "--binary", "--follow");
    await receiving(follower);
    leave(key, "first");
    await follower.stdout(/first/);
    leave(key, "second");
    await follower.stdout(/second/);
    assert.deepEqual((await interrupt(follower)).code, 0);
  },
);

testWith(
  CLI,
  "recv: more than goes at a time is passed on in pieces, all of it and in order",
  async () => {
    const key = freshKey();
    const texts = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(700_000 + i));
    {
      using channel = Channel.openOrCreate({ key, laneCapacity: 2 ** 23 });
      using producer = channel.producer();
      for (const text of texts) assert(put(producer, text));
    }
    const { code, stdout } = await run("recv", `--key=${key}`, "--until-closed");
    assert.equal(code, 0);
    assert(stdout === texts.map((text) => `${text}\n`).join(""), "not what was sent");
  },
);

testWith(CLI, "recv --count: ends after so many, and leaves the rest", async () => {
  const key = freshKey();
  leave(key, "one", "two", "three");
  const { code, stdout, stderr } = await run("recv", `--key=${key}`, "--count", "2");
  assert.deepEqual([code, stdout], [0, "one\ntwo\n"]);
  assert.match(stderr, /\n2 received; segment \d+ kept: it has unread messages\n$/);
  const short = await run("recv", `--key=${key}`, "--count=2", "--until-closed");
  assert.deepEqual([short.code, short.stdout], [1, "three\n"]);
  assert.match(short.stderr, /\nall senders are gone; segment \d+ removed\n$/);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "recv --timeout: gives up with 1 when no message comes", async () => {
  const key = freshKey();
  for (const args of [[], ["--until-closed"], ["--count=5"]]) {
    const { code, stdout, stderr } = await run("recv", `--key=${key}`, "--timeout=50ms", ...args);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /\nno message for 50 ms; segment \d+ removed\n$/);
    assert.deepEqual(objectsAt(key), []);
  }
});

testWith(
  CLI,
  "recv --quiet: says nothing but errors; a second one is told who receives",
  async () => {
    const key = freshKey();
    await using receiver = start(key, "-q");
    await until(() => objectsAt(key).length === 2);
    using channel = Channel.openOrCreate({ key });
    await until(() => channel.consumerPid === receiver.pid);
    const second = await run("recv", "--quiet", `--key=${key}`);
    assert.match(second.stderr, new RegExp(`^error: [^\n]*EBUSY[^\n]*${receiver.pid}[^\n]*\n$`));
    assert.deepEqual([second.code, second.stdout], [1, ""]);
    channel.close();
    const { code, stdout, stderr } = await interrupt(receiver);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  },
);

for (
  const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129], [
    "SIGQUIT",
    131,
  ]] as const
) {
  testWith(
    CLI,
    `recv: ${signal} gives 128 + n, and 0 only for Ctrl-C with no end to reach`,
    async () => {
      for (
        const [args, expected] of [
          [[], signal === "SIGINT" ? 0 : code],
          [["--count=2"], code],
          [["--binary"], code],
        ] as const
      ) {
        const key = freshKey();
        await using receiver = start(key, ...args);
        const id = await receiving(receiver);
        using channel = Channel.openOrCreate({ key });
        using producer = channel.producer();
        put(producer, "one");
        await receiver.stdout(/one/);
        receiver.kill(signal);
        const ended = await receiver.ended();
        assert.deepEqual([ended.code, ended.signal], [expected, null]);
        assert.match(
          ended.stderr,
          new RegExp(`\nended by ${signal}; segment ${id} kept: other processes are attached\n$`),
        );
        assert.equal(channel.consumerPid, undefined);
        producer.close();
        channel.close();
        assert.deepEqual(objectsAt(key), []);
      }
    },
  );
}

testWith(CLI, "recv --keep: the channel stays, empty, for the next one", async () => {
  const key = freshKey();
  const kept = await run("recv", `--key=${key}`, "--keep", "--timeout=0", "--lanes=2");
  const [, id] = /segment (\d+) kept\n$/.exec(kept.stderr)!;
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  const next = await run("recv", `--key=${key}`, "--timeout=0");
  assert.match(next.stderr, new RegExp(`segment ${id}, 2 lanes of 1M, mode 0600\n`));
  const removed = await run("channel", "rm", `${key}`);
  assert.equal(removed.code, 0);
  assert.deepEqual(objectsAt(key), []);
});

testWith(
  CLI,
  "recv --until-closed: ends when the last who sent is gone, killed or not",
  async () => {
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
  },
);

testWith(
  { tools: ["deno", "sh"], files: true },
  "send --binary to recv --binary: some megabytes come out byte for byte, both started first",
  async () => {
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
      const peers = i === 1 ? [send(), receive()] : [receive(), send()];
      for (const peer of peers) {
        await using started = peer;
        const { code, stderr } = await started.ended();
        assert.equal(code, 0, stderr);
      }
      assert(equal(Deno.readFileSync(copy), bytes), `${i}: the copy differs`);
      assert.deepEqual(objectsAt(key), []);
    }
  },
);

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

testWith(SHELL, "recv | head -1: what was not printed is there for the next", async () => {
  const key = freshKey();
  // Nobody reads from the beginning: of what is there nothing can be printed
  leave(key, "one", "two");
  for (const args of [[], ["--json"], ["--binary"]]) {
    const gone = cliInShell(
      '{ "$@"; echo "exit $?" >&2; } | exec <&-',
      "recv",
      `--key=${key}`,
      ...args,
    );
    const { stderr } = await toEnd(gone);
    assert.match(
      stderr,
      /\nstdout was closed; segment \d+ kept: it has unread messages\nexit 0\n$/,
    );
  }
  const first = await cliInShell('"$@" | head -n 1', "recv", `--key=${key}`, "--count=1").ended();
  assert.equal(first.stdout, "one\n");
  assert.equal(await nextPrints(key), "two\n");
});

testWith(
  CLI,
  "recv: of a lane that was overwritten it is told, after all that is in the others",
  async () => {
    const key = freshKey();
    await using receiver = start(key, "--quiet");
    await until(() => objectsAt(key).length === 2);
    {
      using channel = Channel.openOrCreate({ key });
      // Stopped earlier, it might hold the door that the others come in by
      await until(() => channel.consumerPid !== undefined);
      receiver.kill("SIGSTOP");
      const [one, two] = [channel.producer(), channel.producer()];
      put(one!, "one");
      put(two!, "two");
      using memory = Segment.attach(channel.id);
      // The length of the message in lane 1
      memory.write(new Uint8Array([255, 255, 255, 127]), 256 + 8 * 256 + 2 ** 20);
      receiver.kill("SIGCONT");
      const { code, stdout, stderr } = await receiver.ended();
      assert.match(stderr, /^error: [^\n]*ECORRUPT[^\n]*lane 1: [^\n]*\n$/);
      assert.deepEqual([code, stdout], [1, "one\n"]);
      channel.remove();
    }
  },
);

for (const [form, args] of Object.entries({ "": [], " --until-closed": ["--until-closed"] })) {
  testWith(
    CLI,
    `recv${form}: lanes that cannot be read are named, after all that is in the others`,
    async () => {
      const key = freshKey();
      const shape = { lanes: 5, laneCapacity: 4096, messageSize: 0 };
      using channel = Channel.openOrCreate({ key, ...shape });
      const producers = Array.from({ length: 5 }, () => channel.producer());
      for (const [lane, producer] of producers.entries()) {
        for (const part of ["a", "b"]) put(producer, `${lane}${part}`);
        producer.close();
      }
      using memory = Segment.attach(channel.id);
      for (const lane of [0, 3]) {
        memory.write(Uint8Array.of(255, 255, 255, 127), ringOffset(shape, lane));
      }
      const { code, stdout, stderr } = await run("recv", `--key=${key}`, "--quiet", ...args);
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
        const { code } = await Peer.start("sh", ["-c", advice!]).ended();
        assert.equal(code, 0);
      }
      const again = await run("recv", `--key=${key}`, "-q", "--count=1");
      assert.equal(again.code, 0);
      using consumer = channel.consumer();
      consumer.drain(() => {});
    },
  );
}

testWith(CLI, "recv --binary: a sender that is killed in mid-stream, and exit code 1", async () => {
  const key = freshKey();
  await using receiver = start(key, "--binary");
  await receiving(receiver);
  await using sender = Peer.cli("send", `--key=${key}`, "--binary");
  await sender.write("half of it");
  await receiver.stdout(/half of it/);
  sender.kill("SIGKILL");
  const { code, stdout, stderr } = await receiver.ended();
  assert.deepEqual([code, stdout], [1, "half of it"]);
  assert.match(
    stderr,
    new RegExp(
      `^warning: lane 0: its sender, process ${sender.pid}, ended without closing the channel$`,
      "m",
    ),
  );
  assert.deepEqual(objectsAt(key), []);
});

testWith(
  CLI,
  "recv --binary: a sender that was killed before, with something in its lane",
  async () => {
    const key = freshKey();
    await using sender = Peer.cli("send", `--key=${key}`, "--binary");
    await sender.write("half of it");
    await until(() =>
      listChannels().some(({ segment, lanes }) => segment.key === key && lanes[0]!.depth === 1)
    );
    sender.kill("SIGKILL");
    await sender.ended();
    const first = await run("recv", `--key=${key}`, "--binary", "--follow", "--count=1");
    // Not asked whether all is there
    assert.deepEqual([first.code, first.stdout], [0, "half of it"]);
    assert.match(first.stderr, /^warning: lane 0: its sender, /m);
  },
);

testWith(SHELL, "recv: a full disk is one line of error, and nothing is lost", async () => {
  const key = freshKey();
  leave(key, "one", "two");
  const { code, stderr } = await cliInShell('exec "$@" >/dev/full', "recv", `--key=${key}`).ended();
  assert.match(stderr, /\nerror: cannot write to standard output: No space left on device.*\n$/);
  assert.equal(code, 1);
  assert.equal(await nextPrints(key), "one\ntwo\n");
});

/** A receiver whose stdout is full, with the message "in hand" in hand. */
async function blocked(
  path: string,
  key: number,
  ack: "after" | "before",
): Promise<Peer> {
  const receiver = cliInShell(`exec "$@" >'${path}'`, "recv", `--key=${key}`, `--ack=${ack}`);
  await receiving(receiver);
  using channel = Channel.openOrCreate({ key });
  using producer = channel.producer();
  put(producer, "in hand");
  if (ack === "before") await until(() => channel.stats().lanes[0]!.depth === 0);
  // That it writes shows nowhere; were this too short, the test would prove less and still pass
  else await new Promise((resolve) => setTimeout(resolve, 300));
  return receiver;
}

testWith(
  PIPE,
  "recv: Ctrl-C with a message in hand prints it first, however slow the reader",
  async () => {
    for (const ack of ["after", "before"] as const) {
      const key = freshKey();
      using folder = new TestFolder();
      const { path, pipe } = await fullPipe(folder);
      using _closed = pipe;
      await using receiver = await blocked(path, key, ack);
      receiver.kill("SIGINT");
      await readUntil(pipe, "\0in hand\n");
      const { code, stderr } = await receiver.ended();
      assert.match(stderr, /\nended by SIGINT; segment \d+ removed\n$/);
      assert.equal(code, 0);
      assert.deepEqual(objectsAt(key), []);
    }
  },
);

testWith(
  PIPE,
  "recv: a second signal ends it though its reader stopped; the message stays",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const { path, pipe } = await fullPipe(folder);
    using _closed = pipe;
    await using receiver = await blocked(path, key, "after");
    receiver.kill("SIGINT");
    receiver.kill("SIGTERM");
    const { code } = await receiver.ended();
    assert([130, 143].includes(code), `it ended with ${code}`);
    assert.equal(await nextPrints(key), "in hand\n");
  },
);

for (const [ack, again] of [["after", "in hand\n"], ["before", ""]] as const) {
  testWith(PIPE, `recv --ack ${ack}: killed with a message in hand`, async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const { path, pipe } = await fullPipe(folder);
    using _closed = pipe;
    await using receiver = await blocked(path, key, ack);
    receiver.kill("SIGKILL");
    await receiver.ended();
    leave(key, "next");
    assert.equal(await nextPrints(key), `${again}next\n`);
  });
}

testWith(ON_TERMINAL, "recv on a terminal: what could control it is an escape", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  const messages = ["plain äöü", "\x1b[2Jred\u202e\r\n", new Uint8Array([0xff, 0x07])];
  leave(key, ...messages);
  await using lines = cliOnTerminal(folder, "recv", `--key=${key}`, "-q", "--count=3");
  assert.deepEqual(
    appeared(await lines.ended()),
    ["plain äöü", "\\x1b[2Jred\\u{202e}\\r\\n", "\ufffd\\x07", ""],
  );
  leave(key, ...messages);
  await using json = cliOnTerminal(folder, "recv", `--key=${key}`, "-q", "--json", "--count=3");
  const shown = appeared(await json.ended());
  assert.equal(shown[1], '{"lane":0,"tag":0,"length":12,"text":"\\u001b[2Jred\\u202e\\r\\n"}');
  assert.equal(shown[2], '{"lane":0,"tag":0,"length":2,"bytes":"/wc="}');
});

testWith(ON_TERMINAL, "recv --binary > copy: the terminal tells how far it is", async () => {
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
  "recv: on a terminal, of payloads that another process rewrites all the time",
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
