/** `client`: what it sends of arguments and lines, how it waits, and that it withdraws what was not received. */

import assert from "node:assert/strict";
import { listSegments, MailboxClient, MailboxServer, removeSegment } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, PROJECT, TestFolder } from "../../support/peer.ts";
import {
  appeared,
  cliInShellOnTerminal,
  cliOnTerminal,
  ON_TERMINAL,
} from "../../support/terminal.ts";
import {
  assertFailed,
  cliInShell,
  objectsAt,
  runHere,
  runHereWith,
  toEnd,
} from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };

/** Starts a client at `key`. */
const start = (key: number, ...args: readonly string[]): Peer =>
  Peer.cli("client", `--key=${key}`, ...args);

/** What a client prints when it waits for a server. */
const noServer = (key: number): string =>
  `no server is attached to key ${key} (0x${key.toString(16)}): waiting for one\n`;

/** Receives, as a server, all messages until the client has ended. */
async function serve(
  key: number,
  client: Promise<Ended>,
): Promise<Ended & { readonly texts: string[] }> {
  using server = MailboxServer.open({ key });
  const texts: string[] = [];
  const over = new AbortController();
  const receiving = (async () => {
    for await (const { text } of server.messages({ signal: over.signal })) texts.push(text);
  })();
  const ended = await client;
  over.abort("over");
  await assert.rejects(receiving, (reason) => reason === "over");
  return { ...ended, texts };
}

/** Receives one message. */
async function receive(server: MailboxServer): Promise<string> {
  const { text } = await server.receive({ timeout: 60_000 });
  server.ack();
  return text;
}

/** One way of running the client: what it is given, what arrives, what it prints. */
interface Row {
  readonly args?: readonly string[];
  readonly input?: string | Uint8Array;
  readonly texts: readonly string[];
  /** Why something was not sent, one line each. */
  readonly refused?: readonly string[];
}

const AT_MOST = "and a message at most 2047";

const ROWS: Readonly<Record<string, Row>> = {
  "arguments": { args: ["hello", "big world", "äöü €"], texts: ["hello", "big world", "äöü €"] },
  "an empty argument": { args: ["", "a"], texts: ["", "a"] },
  "nothing but an empty argument": { args: [""], texts: [""] },
  "an argument with a newline": { args: ["a\nb\n"], texts: ["a\nb\n"] },
  "options between the arguments": { args: ["a", "-q", "b"], texts: ["a", "b"] },
  "dashes after --": {
    args: ["--", "--key=5", "-", "--help", "--"],
    texts: ["--key=5", "-", "--help", "--"],
  },
  "arguments, and not the lines of stdin": { args: ["a"], input: "b\n", texts: ["a"] },
  "an argument of 2047 bytes": { args: ["x".repeat(2047)], texts: ["x".repeat(2047)] },
  "an argument of 2048 bytes": {
    args: ["a", "x".repeat(2048), "b"],
    texts: ["a", "b"],
    refused: [`argument 2 has 2048 bytes, ${AT_MOST}`],
  },
  "lines": { input: "one\ntwo\n", texts: ["one", "two"] },
  "lines that end as on Windows": { input: "one\r\ntwo\r\n", texts: ["one", "two"] },
  "a last line without newline": { input: "one\nlast", texts: ["one", "last"] },
  "empty lines": { input: "\n\na\n\r\n", texts: ["", "", "a", ""] },
  "no line": { input: "", texts: [] },
  "text as it is": { input: "\ufeff \ta\rb \x1b[1m\n", texts: ["\ufeff \ta\rb \x1b[1m"] },
  "a line of 5000 bytes": {
    input: `one\n${"x".repeat(5000)}\nthree\n`,
    texts: ["one", "three"],
    refused: [`line 2 has 5000 bytes, ${AT_MOST}`],
  },
  "2047 bytes": { input: "x".repeat(2047) + "\n", texts: ["x".repeat(2047)] },
  "2047 bytes that end in a long character": {
    input: "x".repeat(2044) + "€\r\n",
    texts: ["x".repeat(2044) + "€"],
  },
  "2048 bytes": {
    input: "x".repeat(2048),
    texts: [],
    refused: [`line 1 has 2048 bytes, ${AT_MOST}`],
  },
  "2048 bytes that end in a long character": {
    input: "x".repeat(2045) + "€\nb",
    texts: ["b"],
    refused: [`line 1 has 2048 bytes, ${AT_MOST}`],
  },
  "a NUL": {
    input: "a\nab\0cd\nb\n",
    texts: ["a", "b"],
    refused: ["line 2 (5 bytes) has a NUL at byte 2, where a message ends"],
  },
  "bytes that are not text": {
    input: new Uint8Array([0x61, 0x0a, 0x62, 0xff, 0x0a, 0xe2, 0x82, 0x0a, 0x63]),
    texts: ["a", "c"],
    refused: ["line 2 (2 bytes) is not UTF-8", "line 3 (2 bytes) is not UTF-8"],
  },
};

for (const [name, { args = [], input = "", texts, refused = [] }] of Object.entries(ROWS)) {
  Deno.test(`client: ${name}`, async () => {
    const key = freshKey();
    const client = runHereWith(input, "client", `--key=${key}`, ...args);
    const { code, stdout, stderr, texts: received } = await serve(key, client);
    assert.deepEqual(received, texts);
    assert.deepEqual(
      stderr.replace(noServer(key), ""), // it may have been there before us
      refused.map((reason) => `error: ${reason}: not sent\n`).join(""),
    );
    assert.deepEqual([code, stdout], [refused.length === 0 ? 0 : 1, ""]);
    assert.deepEqual(objectsAt(key), []);
  });
}

testWith(SHELL, "client: an input that is empty or cannot be read", async () => {
  const key = freshKey();
  const ended = await cliInShell('exec "$@" </dev/null', "client", `--key=${key}`).ended();
  assert.deepEqual(ended, { code: 0, signal: null, stdout: "", stderr: "" });
  assertFailed(
    await cliInShell('exec "$@" </', "client", `--key=${key}`).ended(),
    /cannot read standard input: Is a directory/,
  );
  assert.deepEqual(objectsAt(key), []);
});

testWith(
  { tools: ["deno", "cat"] },
  "client: 50 MB without a newline are refused, and not kept in memory",
  async () => {
    const key = freshKey();
    using server = MailboxServer.open({ key });
    await using client = start(key);
    const mostMemory = async (): Promise<number> => {
      const { stdout } = await new Deno.Command("cat", { args: [`/proc/${client.pid}/status`] })
        .output();
      return Number(/VmHWM:\s*(\d+) kB/.exec(new TextDecoder().decode(stdout))![1]);
    };
    const megabyte = new Uint8Array(2 ** 20).fill(0x78);
    // The first one warms it up: what it needs to read at all is not our matter
    const used: number[] = [];
    for (const megabytes of [50, 200]) {
      for (let written = 0; written < megabytes; written++) await client.write(megabyte);
      await client.write("\n");
      const bytes = megabytes * 2 ** 20;
      await client.stderr(new RegExp(`has ${bytes} bytes, ${AT_MOST}: not sent\n`));
      used.push(await mostMemory());
    }
    const [before, after] = used as [number, number];
    assert(after - before < 75_000, `from ${before} kB to ${after} kB`);
    await client.write("next\n");
    assert.equal((await server.receive({ timeout: 60_000 })).text, "next");
    server.ack();
    assert.equal((await toEnd(client)).code, 1);
  },
);

testWith(CLI, "client: a stream of messages does not add up in memory", async () => {
  const key = freshKey();
  const cli = ["run", "--allow-ffi", "--v8-flags=--max-old-space-size=16", `${PROJECT}cli.ts`];
  await using client = Peer.start(Deno.execPath(), [...cli, "client", `--key=${key}`]);
  const line = new TextEncoder().encode("x".repeat(1999) + "\n");
  const writing = (async () => {
    for (let count = 0; count < 10_000; count++) await client.write(line);
    await client.endInput();
  })().catch((error) => error); // should the client die, its end tells more
  const { code, stderr, texts } = await serve(key, client.ended());
  await writing;
  assert.deepEqual([code, texts.length], [0, 10_000], stderr);
});

Deno.test("client --no-wait: leaves the last message, and waits for those before it", async () => {
  const key = freshKey();
  const left = await runHere("client", `--key=${key}`, "--no-wait", "left");
  assert.deepEqual(left, { code: 0, signal: null, stdout: "", stderr: "" });
  assert.deepEqual(objectsAt(key), ["segment"]);
  const full = await runHere("client", `--key=${key}`, "--no-wait", "--timeout=50ms", "second");
  assert.equal(full.code, 1);
  const received = await runHere("server", `--key=${key}`, "--timeout=0");
  assert.equal(received.stdout, "Received message: left\n");
  assert.deepEqual(objectsAt(key), []);
  const client = runHere("client", `--key=${key}`, "--no-wait", "one", "two");
  const { stdout } = await runHere("server", `--key=${key}`, "--count=2");
  assert.equal(stdout, "Received message: one\nReceived message: two\n");
  assert.equal((await client).code, 0);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("client --timeout: the message is withdrawn, without a server and with one", async () => {
  const key = freshKey();
  const without = await runHere("client", `--key=${key}`, "-t", "300ms", "x");
  assert(without.stderr.startsWith(noServer(key)), without.stderr);
  const rest = { ...without, stderr: without.stderr.slice(noServer(key).length) };
  assertFailed(rest, /ETIMEDOUT.*no server is attached; the message is withdrawn; start/);
  assert.deepEqual(objectsAt(key), []);
  const quiet = await runHere("client", `--key=${key}`, "-qt300ms", "x");
  assertFailed(quiet, /ETIMEDOUT/);
  using server = MailboxServer.open({ key }); // and never receives
  const busy = await runHere("client", `--key=${key}`, "--timeout=300ms", "x");
  assertFailed(busy, /ETIMEDOUT.*the server did not take it in time; the message is withdrawn/);
  assert.equal(server.tryReceive(), undefined);
});

testWith(CLI, "client: tells of each message that waits, and goes on with a server", async () => {
  const key = freshKey();
  await using client = start(key, "one", "two", "three");
  await client.stderr(/waiting for one\n/);
  {
    using server = MailboxServer.open({ key });
    assert.equal(await receive(server), "one");
  }
  await client.stderr(/waiting for one\n[^]*waiting for one\n/);
  const { code, stderr, texts } = await serve(key, client.ended());
  assert.deepEqual([code, stderr, texts], [0, noServer(key).repeat(2), ["two", "three"]]);
  assert.deepEqual(objectsAt(key), []);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  testWith(CLI, `client: ${signal} withdraws a message, and ends the wait for a line`, async () => {
    const key = freshKey();
    await using sending = start(key, "x");
    await sending.stderr(/waiting for one\n/);
    sending.kill(signal);
    const sent = await sending.ended();
    assert.deepEqual([sent.code, sent.signal], [code, null]);
    assert.equal(
      sent.stderr,
      `${noServer(key)}not delivered, withdrawn: "x"\nended by ${signal}\n`,
    );
    assert.deepEqual(objectsAt(key), []);
    await using reading = start(key);
    await reading.write("x\n");
    using server = MailboxServer.open({ key });
    await receive(server);
    reading.kill(signal);
    const read = await reading.ended();
    assert.deepEqual([read.code, read.signal], [code, null]);
    assert(read.stderr.endsWith(`ended by ${signal}\n`), read.stderr);
  });
}

testWith(CLI, "client: a signal while the server has the message is an error", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  await using client = start(key, "x");
  await server.receive({ timeout: 60_000 });
  client.kill("SIGINT");
  const { code, stderr } = await client.ended();
  assert.match(stderr, new RegExp(`process ${Deno.pid} has it and may still finish it`));
  assert.equal(code, 130);
  // Else closing would leave it, and the segment with it, to the next server
  server.ack();
});

testWith(CLI, "client: a mailbox that is removed is an error, and nothing is left", async () => {
  const key = freshKey();
  await using client = start(key, "x");
  await client.stderr(/waiting for one\n/);
  removeSegment(listSegments().find((segment) => segment.key === key)!.id);
  const { code, stderr } = await client.ended();
  assert.match(stderr, /^no server [^\n]*\nerror: [^\n]*EIDRM[^\n]*removed[^\n]*\n$/);
  assert.equal(code, 1);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("client: warns of a segment that others may write to, unless asked for it", async () => {
  const key = freshKey();
  using _creator = MailboxClient.open({ key, mode: 0o666 });
  for (const args of [[], ["--mode=666"], ["--quiet"]]) {
    const { stderr } = await runHere("client", `--key=${key}`, "--timeout=0", "x", ...args);
    const warning = /^warning: segment \d+ \(key .*\) has mode 0666: other users may read and/;
    assert.equal(warning.test(stderr), args.length === 0, stderr);
  }
});

testWith(ON_TERMINAL, "client: on a terminal it prompts, and Ctrl-D ends it", async () => {
  const key = freshKey();
  using folder = new TestFolder();
  using server = MailboxServer.open({ key });
  await using client = cliOnTerminal(folder, "client", `--key=${key}`);
  for (const [typed, shown] of [["hello", "hello"], ["\u202eevil\x9b!", "\\u{202e}evil\\x9b!"]]) {
    await client.stdout(/Input message>>> $/);
    await client.write(`${typed}\r`);
    await client.stdout(new RegExp(`\nSend message: ${RegExp.escape(shown!)}\r\n`));
    assert.equal(await receive(server), typed);
  }
  await client.stdout(/Input message>>> $/);
  await client.write("\x04");
  const ended = await client.ended();
  assert.deepEqual(appeared(ended), [
    "Input message>>> hello",
    "Send message: hello",
    "Input message>>> \u202eevil\x9b!",
    "Send message: \\u{202e}evil\\x9b!",
    "Input message>>> ",
    "",
  ]);
  assert.equal(ended.code, 0);
});

testWith(ON_TERMINAL, "client: Ctrl-C at the prompt, and while a message waits", async () => {
  const key = freshKey();
  using folder = new TestFolder();
  for (const typed of ["", "two\u200e\r"]) {
    await using client = cliOnTerminal(folder, "client", `--key=${key}`);
    await client.stdout(/Input message>>> $/);
    await client.write(typed);
    if (typed !== "") await client.stdout(/waiting for one\r\n/);
    await client.write("\x03");
    const ended = await client.ended();
    // The next output is on a line of its own
    const expected = typed === ""
      ? ["Input message>>> ^C", "ended by SIGINT", ""]
      : ["^C", 'not delivered, withdrawn: "two\\u{200e}"', "ended by SIGINT", ""];
    assert.deepEqual(appeared(ended).slice(-expected.length), expected);
    assert.equal(ended.code, 130);
    assert.deepEqual(objectsAt(key), []);
  }
});

testWith(ON_TERMINAL, "client: prompts never go into a file, and need no arguments", async () => {
  const key = freshKey();
  using folder = new TestFolder();
  const file = `${folder.path}/output`;
  {
    using server = MailboxServer.open({ key });
    const script = `exec "$@" >'${file}'`;
    await using client = cliInShellOnTerminal(folder, script, "client", `--key=${key}`);
    await client.stdout(/Input message>>> $/);
    await client.write("hello\r");
    assert.equal(await receive(server), "hello");
    await client.stdout(/Send message: hello\r\nInput message>>> $/);
    await client.write("\x04");
    assert.equal((await client.ended()).code, 0);
    assert.equal(Deno.readTextFileSync(file), "");
  }
  await using client = cliOnTerminal(folder, "client", "--quiet", `--key=${key}`, "hello");
  const ended = await serve(key, client.ended());
  assert.deepEqual([appeared(ended), ended.texts, ended.code], [[""], ["hello"], 0]);
});
