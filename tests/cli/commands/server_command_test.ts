/**
 * `server`: what it prints where, its options, how it ends, and that a message that was not printed is
 * not lost.
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
  assertFailed,
  cliInShell,
  interrupt,
  listening,
  objectsAt,
  runHere,
  semaphores,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };

/** Starts a server at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("server", `--key=${key}`, ...args);

/** Runs a server at `key` in this process. */
const server = (key: number, ...args: readonly string[]): Promise<Ended> =>
  runHere("server", `--key=${key}`, ...args);

/** Sends each text and waits until it was taken. */
async function send(key: number, ...texts: readonly string[]): Promise<void> {
  using client = MailboxClient.open({ key });
  for (const text of texts) await client.send(text, { timeout: 60_000 });
}

/** Asserts that the next server prints these messages, and that nothing is left. */
async function assertNext(key: number, ...texts: readonly string[]): Promise<void> {
  const { code, stdout } = await server(key, `--count=${texts.length}`);
  assert.equal(stdout, texts.map((text) => `Received message: ${text}\n`).join(""));
  assert.equal(code, 0);
  assert.deepEqual(objectsAt(key), []);
}

testWith(CLI, "server: messages on stdout, all else on stderr, nothing left", async () => {
  const key = freshKey();
  await using peer = start(key);
  const id = await listening(peer);
  assert.deepEqual(objectsAt(key), ["segment", "semaphore set"]);
  await send(key, "hello", "", "äöü € 😀", "newline of fgets\n", "\x1b[31m\u202e\x9b in a pipe");
  assert.deepEqual(await interrupt(peer), {
    code: 0,
    signal: null,
    stdout: "Received message: hello\nReceived message: \nReceived message: äöü € 😀\n" +
      "Received message: newline of fgets\nReceived message: \x1b[31m\u202e\x9b in a pipe\n",
    stderr: `listening on key ${formatKey(key)}, segment ${id}, 2049 bytes, mode 0600\n` +
      `ended by SIGINT; segment ${id} removed\n`,
  });
  assert.deepEqual(objectsAt(key), []);
});

testWith({ files: true }, "server --key: every way of writing it, and 1111 without", async () => {
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
    [[], 1111],
  ];
  for (const [args, expected] of ways) {
    const { stderr } = await runHere("server", "-t0", ...args);
    assert(stderr.startsWith(`listening on key ${formatKey(expected)}, `), stderr);
  }
  const absent = await runHere("server", "--key=/no/such/file:1");
  assertFailed(absent, /\/no\/such\/file[^\n]*ENOENT/);
});

testWith(SHELL, "server: under nohup it ignores SIGHUP, and no other signal", async () => {
  const key = freshKey();
  await using peer = cliInShell(`trap "" HUP; exec "$@"`, "server", `--key=${key}`);
  await listening(peer);
  peer.kill("SIGHUP");
  await send(key, "still here");
  const { code, stdout, stderr } = await interrupt(peer);
  assert.deepEqual([code, stdout], [0, "Received message: still here\n"]);
  assert.match(stderr, /\nended by SIGINT; segment \d+ removed\n$/);
});

testWith(CLI, "server --verbose: the classic line while there is no message", async () => {
  const key = freshKey();
  await using peer = start(key, "--verbose");
  await peer.stderr(/Entry can not read\. Sleep 1s\.\n/);
  await send(key, "hello");
  const { stdout, stderr } = await interrupt(peer);
  assert.equal(stdout, "Received message: hello\n");
  assert.match(stderr, /^listening .*\n(Entry can not read\. Sleep 1s\.\n)+ended by SIGINT; .*\n$/);
});

Deno.test("server --count: ends after so many", async () => {
  const key = freshKey();
  const [counted] = await Promise.all([server(key, "--count", "2"), send(key, "one", "two")]);
  assert.deepEqual(
    [counted.code, counted.stdout],
    [0, "Received message: one\nReceived message: two\n"],
  );
  assert.match(counted.stderr, /\n2 received; segment \d+ (removed|kept: other .*)\n$/);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("server --json: one message a line, with its time and its sender", async () => {
  const key = freshKey();
  const texts = ["left before", 'two\nlines, "quotes" \\ and \u2028', "hello"];
  assert.equal((await runHere("client", `--key=${key}`, "--no-wait", texts[0]!)).code, 0);
  const before = Date.now();
  const [{ code, stdout }] = await Promise.all([
    server(key, "--json", "--count=3"),
    send(key, ...texts.slice(1)),
  ]);
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

Deno.test("server --keep: the segment stays, empty, for the next one", async () => {
  const key = freshKey();
  const kept = await server(key, "--keep", "--timeout=0");
  const [, id] = /\nno message for 0 ms; segment (\d+) kept\n$/.exec(kept.stderr)!;
  assert.deepEqual(objectsAt(key), ["segment"]);
  const [next] = await Promise.all([server(key, "--keep", "--count=1"), send(key, "hello")]);
  assert.match(next.stderr, new RegExp(`^listening on [^\n]*, segment ${id}, `));
  assert.deepEqual([next.code, next.stdout], [0, "Received message: hello\n"]);
  assert.match((await server(key, "--timeout=0")).stderr, new RegExp(`segment ${id} removed\n$`));
  assert.deepEqual(objectsAt(key), []);
});

for (const size of [100, 4096]) {
  Deno.test(`server --recreate: a segment of ${size} bytes at its key, with and without`, async () => {
    const key = freshKey();
    using misfit = Segment.create({ key, size });
    misfit.write(new Uint8Array(size).fill(7));
    const inUse = await server(key, "--recreate");
    assertFailed(inUse, new RegExp(`${size} bytes, not 2049.*nattch is 1`));
    misfit.detach();
    assertFailed(await server(key), new RegExp(`\\b${size} bytes.*--recreate`));
    assert.equal(statSegment(misfit.id).markedForRemoval, false);
    assert.deepEqual(objectsAt(key), ["segment"]);
    const { stderr } = await server(key, "--recreate", "--keep", "--timeout=0");
    assert.match(stderr, /^listening on [^\n]*, 2049 bytes, mode 0600\n/);
    assert.doesNotMatch(stderr, new RegExp(`segment ${misfit.id}\\b`));
    assert.equal((await runHere("client", `--key=${key}`, "--no-wait", "hello")).code, 0);
    await assertNext(key, "hello");
  });
}

Deno.test("server --recreate: a mailbox keeps the message in it", async () => {
  const key = freshKey();
  await runHere("client", `--key=${key}`, "--no-wait", "unread");
  const { stdout } = await server(key, "--recreate", "--count=1");
  assert.equal(stdout, "Received message: unread\n");
});

testWith(CLI, "server --mode: of what it creates, in octal, without a warning", async () => {
  for (const [text, mode] of [["660", 0o660], ["0640", 0o640], ["0o666", 0o666]] as const) {
    const key = freshKey();
    await using peer = start(key, "--mode", text);
    const id = await listening(peer);
    assert.equal(statSegment(id).mode, mode);
    assert.equal(semaphores(key).stat().mode, mode);
    const { stderr } = await interrupt(peer);
    assert.match(stderr, new RegExp(`^listening on [^\n]* mode 0${mode.toString(8)}\n`));
  }
});

Deno.test("server: warns of a segment that others may write to, unless asked for it", async () => {
  const key = freshKey();
  Segment.create({ key, size: 2049, mode: 0o666 }).detach();
  const outputs: string[] = [];
  for (const args of [["--keep"], ["--keep", "--mode=666"], ["--keep", "--quiet"], []]) {
    outputs.push((await server(key, "--timeout=0", ...args)).stderr);
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
});

testWith({ root: true }, "server, client --trust: a segment of another user", async () => {
  const key = freshKey();
  {
    using segment = Segment.create({ key, size: 2049 });
    segment.setPermissions({ uid: NOBODY });
  }
  const refusal = new RegExp(`EUNTRUSTED.* uid ${NOBODY} .*--trust`);
  assertFailed(await server(key), refusal);
  assertFailed(await runHere("client", `--key=${key}`, "no"), refusal);
  assert.deepEqual(objectsAt(key), ["segment"]);
  const [received, sent] = await Promise.all([
    server(key, "--trust", "--count=1"),
    runHere("client", `--key=${key}`, "--trust", "hello"),
  ]);
  assert.deepEqual([received.stdout, sent.code], ["Received message: hello\n", 0]);
  assert.deepEqual(objectsAt(key), []);
});

testWith(CLI, "server: a mailbox that is removed is an error, and nothing is left", async () => {
  const key = freshKey();
  await using peer = start(key, "--quiet");
  await send(key, "hello"); // so it runs
  using segment = Segment.open(key);
  segment.remove();
  const { code, stderr } = await peer.ended();
  assert.match(stderr, /^error: [^\n]*EIDRM[^\n]*removed[^\n]*\n$/);
  assert.equal(code, 1);
  assert.deepEqual(objectsAt(key), []);
});

testWith(SHELL, "server: it goes on when nothing can be written to stderr", async () => {
  const key = freshKey();
  await using peer = cliInShell('exec "$@" 2>/dev/full', "server", `--key=${key}`);
  await send(key, "hello");
  const { code, stdout } = await interrupt(peer);
  assert.deepEqual([code, stdout], [0, "Received message: hello\n"]);
});

testWith(
  ON_TERMINAL,
  "server: on a terminal, what it prints after ^C is on its own line",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    await using peer = cliOnTerminal(folder, "server", `--key=${key}`);
    const [, id] = await peer.stdout(/listening .* segment (\d+),.*\r\n/);
    await peer.write("\x03");
    const { code, stdout } = await peer.ended();
    const lines = ["^C", `ended by SIGINT; segment ${id} removed`, ""];
    assert.deepEqual([code, stdout.split("\r\n").slice(1)], [0, lines]);
  },
);
