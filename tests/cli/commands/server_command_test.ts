/**
 * `cli.ts server` as a process, with nothing but `--allow-ffi`: what it prints where, its options, how
 * it ends, and that a message nobody could read is not lost.
 */

import assert from "node:assert/strict";
import { geteuid } from "../../../ffi/accounts.ts";
import { formatKey } from "../../../ffi/shm_error.ts";
import { ftok, MailboxClient, Segment, statSegment } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NOBODY } from "../../support/other_user.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  cliInShell,
  fullPipe,
  inFlightOf,
  leave,
  listening,
  namedPipe,
  objectsAt,
  PIPE_TOOLS,
  readUntil,
  run,
  semaphores,
  until,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };
const PIPE = { tools: ["deno", "sh", ...PIPE_TOOLS], files: true };

/** Starts a server at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("server", `--key=${key}`, ...args);

/** Ends a server as Ctrl-C does and waits for its end. */
async function interrupt(server: Peer): Promise<Ended> {
  server.kill("SIGINT");
  return await server.ended();
}

/** Sends each text and waits until it was taken. */
async function send(key: number, ...texts: readonly string[]): Promise<void> {
  using client = MailboxClient.open({ key });
  for (const text of texts) await client.send(text, { timeout: 60_000 });
}

/** What the next server prints; it takes `count` messages and leaves nothing. */
async function nextServer(key: number, count: number): Promise<string> {
  const { code, stdout } = await run("server", `--key=${key}`, `--count=${count}`);
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
  return stdout;
}

/** That it ended with one line of error that matches, and printed nothing. */
function assertRefused({ code, stdout, stderr }: Ended, message: RegExp): void {
  assert.match(stderr, /^error: [^\n]+\n$/);
  assert.match(stderr, message);
  assert.deepEqual([code, stdout], [1, ""]);
}

testWith(CLI, "server: messages on stdout, all else on stderr, nothing left", async () => {
  const key = freshKey();
  await using server = start(key);
  const id = await listening(server);
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  await send(key, "hello", "", "äöü € 😀", "newline of fgets\n", "\x1b[31m\u202e\x9b in a pipe");
  assert.deepEqual(await interrupt(server), {
    code: 0,
    signal: null,
    stdout: "Received message: hello\nReceived message: \nReceived message: äöü € 😀\n" +
      "Received message: newline of fgets\nReceived message: \x1b[31m\u202e\x9b in a pipe\n",
    stderr: `listening on key ${formatKey(key)}, segment ${id}, 2049 bytes, mode 0600\n` +
      `ended by SIGINT; segment ${id} removed\n`,
  });
  assert.deepEqual(objectsAt(key), []);
});

testWith({ ...CLI, files: true }, "server: the key in every way of writing it", async () => {
  using folder = new TestFolder();
  const path = folder.file("key", "");
  const key = freshKey();
  const ways: readonly (readonly [string[], number])[] = [
    [["--key", `${key}`], key],
    [["--key", `-${key}`], -key],
    [[`--key=-${key}`], -key],
    [["-k", `0x${key.toString(16)}`], key],
    [[`-k0${key.toString(8)}`], key],
    [["--key", `${path}:A`], ftok(path, 65)],
  ];
  for (const [args, expected] of ways) {
    const { stderr } = await run("server", "-t0", ...args);
    assert(stderr.startsWith(`listening on key ${formatKey(expected)}, `), stderr);
  }
});

testWith(CLI, "server: without --key it is 1111", async () => {
  const { stderr } = await run("server", "--timeout=0");
  assert.match(stderr, /^listening on key 1111 \(0x457\), segment \d+, 2049 bytes, mode 0600\n/);
});

for (
  const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129], [
    "SIGQUIT",
    131,
  ]] as const
) {
  testWith(
    CLI,
    `server: ${signal} gives 128 + n, and 0 only for Ctrl-C without --count`,
    async () => {
      const endless = signal === "SIGINT" ? 0 : code;
      for (const [args, expected] of [[[], endless], [["--count=2"], code]] as const) {
        const key = freshKey();
        await using server = start(key, ...args);
        const id = await listening(server);
        await send(key, "one");
        server.kill(signal);
        const ended = await server.ended();
        assert.deepEqual([ended.code, ended.signal], [expected, null]);
        assert.match(ended.stderr, new RegExp(`\nended by ${signal}; segment ${id} removed\n$`));
        assert.deepEqual(objectsAt(key), []);
      }
    },
  );
}

testWith(SHELL, "server under nohup: SIGHUP is ignored, other signals are not", async () => {
  const key = freshKey();
  await using server = cliInShell(`trap "" HUP; exec "$@"`, "server", `--key=${key}`);
  await listening(server);
  server.kill("SIGHUP");
  await send(key, "still here");
  const { code, stdout, stderr } = await interrupt(server);
  assert.deepEqual([code, stdout], [0, "Received message: still here\n"]);
  assert.match(stderr, /\nended by SIGINT; segment \d+ removed\n$/);
});

testWith(CLI, "server --quiet: says nothing but errors", async () => {
  const key = freshKey();
  await using server = start(key, "-q");
  await send(key, "hello");
  assertRefused(await run("server", "--quiet", `--key=${key}`), /EBUSY/);
  const { code, stdout, stderr } = await interrupt(server);
  assert.deepEqual([code, stdout, stderr], [0, "Received message: hello\n", ""]);
});

testWith(CLI, "server --verbose: the classic line while there is nothing", async () => {
  const key = freshKey();
  await using server = start(key, "--verbose");
  await server.stderr(/Entry can not read\. Sleep 1s\.\n/);
  await send(key, "hello");
  const { stdout, stderr } = await interrupt(server);
  assert.equal(stdout, "Received message: hello\n");
  assert.match(stderr, /^listening .*\n(Entry can not read\. Sleep 1s\.\n)+ended by SIGINT; .*\n$/);
});

testWith(CLI, "server --count: ends after so many", async () => {
  const key = freshKey();
  await using server = start(key, "--count", "2");
  const id = await listening(server);
  await send(key, "one", "two");
  const { code, stdout, stderr } = await server.ended();
  assert.equal(stdout, "Received message: one\nReceived message: two\n");
  assert.match(stderr, new RegExp(`\n2 received; segment ${id} (removed|kept: other .*)\n$`));
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "server --timeout: gives up with 1 when no message comes", async () => {
  const key = freshKey();
  const { code, stdout, stderr } = await run("server", `--key=${key}`, "--timeout=50ms");
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /\nno message for 50 ms; segment \d+ removed\n$/);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "server --json: a line a message, with time and who sent it", async () => {
  const key = freshKey();
  const texts = ["left before", 'two\nlines, "quotes" \\ and \u2028', "hello"];
  assert.equal((await run("client", `--key=${key}`, "--no-wait", texts[0]!)).code, 0);
  const before = Date.now();
  await using server = start(key, "--json", "--count=3");
  await listening(server);
  await send(key, ...texts.slice(1));
  const { code, stdout } = await server.ended();
  const messages = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  const sent = [[texts[0], null], [texts[1], Deno.pid], [texts[2], Deno.pid]];
  assert.deepEqual(messages.map(({ text, sender }) => [text, sender]), sent);
  for (const message of messages) {
    assert.deepEqual(Object.keys(message), ["text", "time", "sender"]);
    const time = new Date(message.time);
    assert.equal(time.toISOString(), message.time);
    assert(time.getTime() >= before && time.getTime() <= Date.now(), message.time);
  }
  assert.equal(code, 0);
});

testWith(CLI, "server --keep: the segment stays, empty, for the next one", async () => {
  const key = freshKey();
  await using keeper = start(key, "--keep");
  const id = await listening(keeper);
  await send(key, "hello");
  const { code, stderr } = await interrupt(keeper);
  assert.match(stderr, new RegExp(`\nended by SIGINT; segment ${id} kept\n$`));
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), ["segment"]);
  await using next = start(key);
  assert.equal(await listening(next), id);
  await interrupt(next);
  assert.deepEqual(objectsAt(key), []);
});

for (const size of [100, 4096]) {
  testWith(
    CLI,
    `server: a segment of ${size} bytes at its key, with and without --recreate`,
    async () => {
      const key = freshKey();
      using misfit = Segment.create({ key, size });
      misfit.write(new Uint8Array(size).fill(7));

      // Attached by us: nothing may take it away
      const inUse = await run("server", `--key=${key}`, "--recreate");
      assertRefused(inUse, new RegExp(`${size} bytes, not 2049.*nattch is 1`));
      misfit.detach();

      // Left over: only who asks for it replaces it
      const refused = await run("server", `--key=${key}`);
      assertRefused(refused, new RegExp(`\\b${size} bytes.*--recreate`));
      assert.equal(statSegment(misfit.id).markedForRemoval, false);
      assert.deepEqual(objectsAt(key), ["segment"]);

      await using server = start(key, "--recreate");
      assert.notEqual(await listening(server), misfit.id);
      await send(key, "hello");
      assert.equal((await interrupt(server)).stdout, "Received message: hello\n");
      assert.deepEqual(objectsAt(key), []);
    },
  );
}

testWith(CLI, "server --recreate: a mailbox is left as it is, with what is in it", async () => {
  const key = freshKey();
  await run("client", `--key=${key}`, "--no-wait", "unread");
  const { stdout } = await run("server", `--key=${key}`, "--recreate", "--count=1");
  assert.equal(stdout, "Received message: unread\n");
});

testWith(
  CLI,
  "server --mode: of what it creates, in octal; no warning for what was asked",
  async () => {
    for (const [text, mode] of [["660", 0o660], ["0640", 0o640], ["0o666", 0o666]] as const) {
      const key = freshKey();
      await using server = start(key, "--mode", text);
      const id = await listening(server);
      assert.equal(statSegment(id).mode, mode);
      assert.equal(semaphores(key).stat().mode, mode);
      const { stderr } = await interrupt(server);
      assert.match(stderr, new RegExp(`^listening on [^\n]* mode 0${mode.toString(8)}\n`));
    }
  },
);

testWith(
  CLI,
  "server: warns of a segment that others may write to, unless asked for it",
  async () => {
    const key = freshKey();
    Segment.create({ key, size: 2049, mode: 0o666 }).detach();
    const outputs: string[] = [];
    for (const args of [["--keep"], ["--keep", "--mode=666"], ["--keep", "--quiet"], []]) {
      outputs.push((await run("server", `--key=${key}`, "--timeout=0", ...args)).stderr);
    }
    const warning = new RegExp(
      `^warning: segment \\d+ \\(key ${key} \\(0x[0-9a-f]+\\), owner uid ${geteuid()}\\) has mode ` +
        `0666: other users may read and forge messages\nlistening on `,
    );
    assert.match(outputs[0]!, warning);
    assert.match(outputs[1]!, /^listening on /);
    assert.equal(outputs[2], "");
    assert.match(outputs[3]!, warning);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(
  { ...CLI, root: true },
  "server --trust: another user's segment is refused without",
  async () => {
    const key = freshKey();
    {
      using segment = Segment.create({ key, size: 2049 });
      segment.setPermissions({ uid: NOBODY });
    }
    const refusal = new RegExp(`EUNTRUSTED.* uid ${NOBODY} .*--trust`);
    assertRefused(await run("server", `--key=${key}`), refusal);
    assertRefused(await run("client", `--key=${key}`, "no"), refusal);
    assert.deepEqual(objectsAt(key), ["segment"]);
    await using server = start(key, "--trust");
    await listening(server);
    assert.equal((await run("client", `--key=${key}`, "--trust", "hello")).code, 0);
    assert.equal((await interrupt(server)).stdout, "Received message: hello\n");
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(CLI, "server: a second one is told which process is the first", async () => {
  const key = freshKey();
  await using first = start(key);
  await listening(first);
  const second = await run("server", `--key=${key}`);
  assertRefused(second, new RegExp(`EBUSY.* process ${first.pid} is its server`));
  await send(key, "still here");
  assert.equal((await interrupt(first)).stdout, "Received message: still here\n");
});

testWith(CLI, "server: a mailbox removed underneath is an error, and nothing is left", async () => {
  const key = freshKey();
  await using server = start(key, "--quiet");
  await send(key, "hello"); // so it runs
  using segment = Segment.open(key);
  segment.remove();
  const { code, stderr } = await server.ended();
  assert.match(stderr, /^error: [^\n]*EIDRM[^\n]*its segment was removed[^\n]*\n$/);
  assert.equal(code, 1);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "server: ending with a message unread keeps the segment and says so", async () => {
  const key = freshKey();
  await using server = start(key);
  const id = await listening(server);
  const inFlight = inFlightOf(key);
  assert(inFlight.tryAcquire()); // so that the server cannot take the message
  {
    using client = MailboxClient.open({ key });
    assert(client.trySend("unread"));
  }
  const { code, stdout, stderr } = await interrupt(server);
  assert.match(
    stderr,
    new RegExp(`\nended by SIGINT; segment ${id} kept: it has unread messages\n$`),
  );
  assert.deepEqual([code, stdout], [0, ""]);
  assert.deepEqual(objectsAt(key), ["segment"]);
  assert.equal(await nextServer(key, 1), "Received message: unread\n");
});

/** Gives the server, whose stdout is full, the message "in hand", and waits until it has it. */
async function block(server: Peer, key: number): Promise<void> {
  await listening(server);
  await leave(key, "in hand");
  await until(() => inFlightOf(key).holder === server.pid);
}

testWith(
  PIPE,
  "server: Ctrl-C with a message in hand prints it first, however slow the reader",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const { path, pipe } = await fullPipe(folder);
    using _closed = pipe;
    await using server = cliInShell(`exec "$@" >'${path}'`, "server", `--key=${key}`);
    await block(server, key);
    server.kill("SIGINT");
    await readUntil(pipe, "\0Received message: in hand\n");
    const { code, stderr } = await server.ended();
    assert.match(stderr, /\nended by SIGINT; segment \d+ removed\n$/);
    assert.equal(code, 0);
    assert.deepEqual(objectsAt(key), []);
  },
);

testWith(
  PIPE,
  "server: a second signal ends it though its reader stopped; the message stays",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const { path, pipe } = await fullPipe(folder);
    using _closed = pipe;
    await using server = cliInShell(`exec "$@" >'${path}'`, "server", `--key=${key}`);
    await block(server, key);
    server.kill("SIGINT");
    server.kill("SIGTERM");
    const { code } = await server.ended();
    assert([130, 143].includes(code), `it ended with ${code}`);
    assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
    assert.equal(await nextServer(key, 1), "Received message: in hand\n");
  },
);

testWith(
  { ...PIPE, tools: [...PIPE.tools, "head"] },
  "server | head -n 1: ends quietly; what nobody read is for the next server",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const path = await namedPipe(folder);
    await using head = Peer.start("head", ["-n", "1", path]);
    await using server = cliInShell(`exec "$@" >'${path}'`, "server", `--key=${key}`);
    const id = await listening(server);
    await send(key, "one");
    assert.equal((await head.ended()).stdout, "Received message: one\n");
    await leave(key, "two");
    const { code, stderr } = await server.ended();
    assert.match(
      stderr,
      new RegExp(`\nstdout was closed; segment ${id} kept: it has unread messages\n$`),
    );
    assert.equal(code, 0);
    assert.equal(await nextServer(key, 1), "Received message: two\n");
  },
);

testWith(
  SHELL,
  "server > /dev/full: an error that says what is full; the message stays",
  async () => {
    const key = freshKey();
    await using server = cliInShell('exec "$@" >/dev/full', "server", `--key=${key}`);
    await listening(server);
    await leave(key, "not lost");
    const { code, stderr } = await server.ended();
    assert.match(
      stderr,
      /^listening .*\nerror: cannot write to standard output: No space left on device.*\n$/,
    );
    assert.equal(code, 1);
    assert.equal(await nextServer(key, 1), "Received message: not lost\n");
  },
);

testWith(SHELL, "server 2>/dev/full: nobody to talk to is no reason to stop", async () => {
  const key = freshKey();
  await using server = cliInShell('exec "$@" 2>/dev/full', "server", `--key=${key}`);
  await send(key, "hello");
  const { code, stdout } = await interrupt(server);
  assert.deepEqual([code, stdout], [0, "Received message: hello\n"]);
});

testWith(ON_TERMINAL, "server on a terminal: what would control it is shown instead", async () => {
  const key = freshKey();
  using folder = new TestFolder();
  await using server = cliOnTerminal(folder, "server", `--key=${key}`);
  const [, id] = await server.stdout(/listening .* segment (\d+),.*\r\n/);
  await send(key, "\x1b[31mred \x07 \x9b1m \u202eevil\u2069 two\nlines");
  await server.write("\x03");
  const { code, stdout } = await server.ended();
  assert.deepEqual(stdout.split("\r\n").slice(1), [
    "Received message: \\x1b[31mred \\x07 \\x9b1m \\u{202e}evil\\u{2069} two\\nlines",
    "^C", // the terminal's own, and what we say does not stick to it
    `ended by SIGINT; segment ${id} removed`,
    "",
  ]);
  assert.equal(code, 0);
});

testWith(ON_TERMINAL, "server --json on a terminal: escaped too, and still JSON", async () => {
  const key = freshKey();
  using folder = new TestFolder();
  await using server = cliOnTerminal(folder, "server", "--json", "--count=1", `--key=${key}`);
  await server.stdout(/listening .*\r\n/);
  const text = "\x1b[31mred \x07 \x7f \x9b1m \u202eevil\u2069 two\nlines";
  await send(key, text);
  const { stdout } = await server.ended();
  const line = stdout.split("\r\n")[1]!;
  assert.equal(JSON.parse(line).text, text);
  assert.match(line, /^[^\p{Cc}\p{Cf}]*$/u);
});
