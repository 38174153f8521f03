/**
 * What `server` and `recv` have in common: how they end, and that a message that was not printed is there
 * for the next one. The rest is in the tests of each command.
 */

import assert from "node:assert/strict";
import { Channel, MailboxClient } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  assertFailed,
  cliInShell,
  fullPipe,
  inFlightOf,
  leave,
  objectsAt,
  PIPE_TOOLS,
  readUntil,
  runHere,
  until,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };
const PIPE = { tools: ["deno", "sh", ...PIPE_TOOLS], files: true };

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGQUIT: 131 } as const;

/** A command that receives, and how a test gives it messages. */
interface Receiver {
  /** How a message is printed. */
  printed(text: string): string;
  /** Leaves a message for the next receiver, which does not run yet. */
  leaveUnread(key: number, text: string): Promise<void>;
  /** Gives a message to the running receiver. */
  give(key: number, text: string): Promise<void>;
  /** As `give`, to one that cannot print it, and returns when it has the message. */
  block(key: number, text: string, pid: number): Promise<void>;
  /** Options with which Ctrl-C is not the normal end. */
  readonly goals: readonly string[];
}

async function sendToChannel(key: number, text: string): Promise<void> {
  using channel = Channel.openOrCreate({ key });
  using producer = channel.producer();
  await producer.send(new TextEncoder().encode(text));
}

const RECEIVERS: Readonly<Record<string, Receiver>> = {
  server: {
    printed: (text) => `Received message: ${text}\n`,
    leaveUnread: async (key, text) => {
      assert.equal((await runHere("client", `--key=${key}`, "--no-wait", text)).code, 0);
    },
    give: async (key, text) => {
      using client = MailboxClient.open({ key });
      await client.send(text, { timeout: 60_000 });
    },
    block: async (key, text, pid) => {
      await leave(key, text);
      await until(() => inFlightOf(key).holder === pid);
    },
    goals: ["--count=2"],
  },
  recv: {
    printed: (text) => `${text}\n`,
    leaveUnread: sendToChannel,
    give: sendToChannel,
    block: async (key, text) => {
      await sendToChannel(key, text);
      // That it writes shows nowhere; were this too short, the test would prove less and still pass
      await new Promise((resolve) => setTimeout(resolve, 300));
    },
    goals: ["--count=2"],
  },
};

/** Waits until the receiver has joined, and gives its segment's id. */
async function joined(peer: Peer): Promise<number> {
  const [, id] = await peer.stderr(/^(?:listening|receiving) .* segment (\d+), /m);
  return Number(id);
}

for (const [name, { printed, leaveUnread, give, block, goals }] of Object.entries(RECEIVERS)) {
  /** Asserts that the next receiver prints this message, and that nothing is left. */
  const assertNext = async (key: number, text: string): Promise<void> => {
    const { code, stdout } = await runHere(name, `--key=${key}`, "--count=1");
    assert.deepEqual([code, stdout], [0, printed(text)]);
    assert.deepEqual(objectsAt(key), []);
  };

  for (const [signal, code] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    testWith(
      CLI,
      `${name}: ${signal} gives 128 + n, and 0 only for Ctrl-C without a goal`,
      async () => {
        for (const goal of [[], ...goals.map((option) => [option])]) {
          const key = freshKey();
          await using peer = Peer.cli(name, `--key=${key}`, ...goal);
          const id = await joined(peer);
          await give(key, "one");
          await peer.stdout(/one/);
          peer.kill(signal);
          const ended = await peer.ended();
          const expected = signal === "SIGINT" && goal.length === 0 ? 0 : code;
          assert.deepEqual([ended.code, ended.signal], [expected, null]);
          assert(
            ended.stderr.endsWith(`\nended by ${signal}; segment ${id} removed\n`),
            ended.stderr,
          );
          assert.deepEqual(objectsAt(key), []);
        }
      },
    );
  }

  testWith(
    CLI,
    `${name} --quiet: only errors; a second one names the first's process`,
    async () => {
      const key = freshKey();
      await using peer = Peer.cli(name, `--key=${key}`, "-q");
      await until(() => objectsAt(key).length === 2);
      await give(key, "hello");
      await peer.stdout(/hello/);
      const second = await runHere(name, "--quiet", `--key=${key}`);
      assertFailed(second, new RegExp(`EBUSY[^\n]*\\b${peer.pid}\\b`));
      peer.kill("SIGINT");
      const { code, stdout, stderr } = await peer.ended();
      assert.deepEqual([code, stdout, stderr], [0, printed("hello"), ""]);
    },
  );

  Deno.test(`${name} --timeout: ends with 1 when no message comes`, async () => {
    const key = freshKey();
    for (const goal of [[], ...goals.map((option) => [option])]) {
      const args = [`--key=${key}`, "--timeout=50ms", ...goal];
      const { code, stdout, stderr } = await runHere(name, ...args);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /\nno message for 50 ms; segment \d+ removed\n$/);
      assert.deepEqual(objectsAt(key), []);
    }
  });

  testWith(
    SHELL,
    `${name}: when its reader has ended, the message stays for the next`,
    async () => {
      const key = freshKey();
      await leaveUnread(key, "not lost");
      for (const form of [[], ["--json"]]) {
        const script = '{ "$@"; echo "exit $?" >&2; } | exec <&-';
        const { stderr } = await cliInShell(script, name, `--key=${key}`, ...form).ended();
        const left = /\nstdout was closed; segment \d+ kept: it has unread messages\nexit 0\n$/;
        assert.match(stderr, left);
      }
      await assertNext(key, "not lost");
    },
  );

  testWith(SHELL, `${name}: a full disk is one line of error, and the message stays`, async () => {
    const key = freshKey();
    await leaveUnread(key, "not lost");
    const ended = await cliInShell('exec "$@" >/dev/full', name, `--key=${key}`).ended();
    assert.match(
      ended.stderr,
      /\nerror: cannot write to standard output: No space left on device.*\n$/,
    );
    assert.equal(ended.code, 1);
    await assertNext(key, "not lost");
  });

  for (const signals of [["SIGINT"], ["SIGINT", "SIGTERM"]] as const) {
    const once = signals.length === 1;
    const what = once
      ? "Ctrl-C with a message in flight prints it first"
      : "a second signal ends it while it cannot print";
    testWith(PIPE, `${name}: ${what}`, async () => {
      const key = freshKey();
      using folder = new TestFolder();
      const { path, pipe } = await fullPipe(folder);
      using _closed = pipe;
      await using peer = cliInShell(`exec "$@" >'${path}'`, name, `--key=${key}`);
      await joined(peer);
      await block(key, "in flight", peer.pid);
      for (const signal of signals) peer.kill(signal);
      if (once) await readUntil(pipe, `\0${printed("in flight")}`);
      const { code, stderr } = await peer.ended();
      if (once) {
        assert.equal(code, 0);
        assert.match(stderr, /\nended by SIGINT; segment \d+ removed\n$/);
        assert.deepEqual(objectsAt(key), []);
      } else {
        assert([130, 143].includes(code), `it ended with ${code}`);
        await assertNext(key, "in flight");
      }
    });
  }

  testWith(ON_TERMINAL, `${name}: on a terminal, control characters are escapes`, async () => {
    using folder = new TestFolder();
    const key = freshKey();
    const text = "äöü \x1b[31mred \x07 \x7f \x9b1m \u202eevil\u2069 two\nlines";
    const lines = async (...form: readonly string[]): Promise<string[]> => {
      await leaveUnread(key, text);
      await using peer = cliOnTerminal(folder, name, `--key=${key}`, "-q", "--count=1", ...form);
      return appeared(await peer.ended());
    };
    const shown = "äöü \\x1b[31mred \\x07 \\x7f \\x9b1m \\u{202e}evil\\u{2069} two\\nlines";
    assert.deepEqual(await lines(), [printed(shown).trimEnd(), ""]);
    const [json] = await lines("--json");
    assert.equal(JSON.parse(json!).text, text);
    assert.match(json!, /^[^\p{Cc}\p{Cf}]*$/u);
  });
}
