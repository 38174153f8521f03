/** Running our command for the tests of this folder, and looking at what it leaves. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { main } from "../../cli.ts";
import { MailboxClient, SemaphoreSet } from "../../mod.ts";
import { SEMAPHORE, SEMAPHORE_COUNT } from "../../src/mailbox/descriptor.ts";
import { Role } from "../../src/sync/role.ts";
import { ownObjects } from "../support/own_objects.ts";
import { type Ended, Peer, PROJECT, type TestFolder } from "../support/peer.ts";
import { Deadline } from "../../src/sync/deadline.ts";

/** How hints name our command when a test has started it. */
export const STARTED = `${Deno.execPath()} run --allow-ffi ${PROJECT}cli.ts`;

/** How hints name our command when {@linkcode runHere} has run it. */
export const HERE = `deno run --allow-ffi ${PROJECT}cli.ts`;

/** The standard streams of one run: what is left to read, and what was written. */
interface Streams {
  readonly stdout: Uint8Array[];
  readonly stderr: Uint8Array[];
  input: Uint8Array;
}

/** The streams of the run that the current code belongs to, so that several runs may overlap. */
const streams = new AsyncLocalStorage<Streams>();

/**
 * Runs the command to its end in this process, with nothing to read: as {@linkcode run}, without the
 * cost of a process, and without `--allow-run`. Its output is not a terminal.
 */
export async function runHere(...args: readonly string[]): Promise<Ended> {
  return await runHereWith("", ...args);
}

/** As {@linkcode runHere}, with `input` to read from standard input. */
export async function runHereWith(
  input: string | Uint8Array,
  ...args: readonly string[]
): Promise<Ended> {
  replaceStreams();
  const own: Streams = {
    stdout: [],
    stderr: [],
    input: typeof input === "string" ? new TextEncoder().encode(input) : input,
  };
  const code = await streams.run(own, () => main(args));
  return { code, signal: null, stdout: textOf(own.stdout), stderr: textOf(own.stderr) };
}

/** What the command prints on standard output; it must succeed, and print nothing else. */
export async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runHere(...args);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

function textOf(parts: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

let replaced = false;

/** Makes the standard streams of this process those of the run that uses them, if one does. */
function replaceStreams(): void {
  if (replaced) return;
  replaced = true;
  for (const name of ["stdout", "stderr"] as const) {
    const stream = Deno[name];
    const { write, writeSync, isTerminal } = stream;
    const collected = (bytes: Uint8Array): number | undefined =>
      streams.getStore()?.[name].push(bytes.slice()) && bytes.length;
    stream.writeSync = (bytes) => collected(bytes) ?? writeSync.call(stream, bytes);
    stream.write = async (bytes) => collected(bytes) ?? await write.call(stream, bytes);
    stream.isTerminal = () => streams.getStore() === undefined && isTerminal.call(stream);
  }
  const { stdin } = Deno;
  const { read, readSync, isTerminal } = stdin;
  const readInput = (into: Uint8Array): number | null | undefined => {
    const own = streams.getStore();
    if (own === undefined) return undefined;
    const part = own.input.subarray(0, into.length);
    into.set(part);
    own.input = own.input.subarray(part.length);
    return part.length || null;
  };
  stdin.readSync = (into) => {
    const count = readInput(into);
    return count === undefined ? readSync.call(stdin, into) : count;
  };
  stdin.read = async (into) => {
    const count = readInput(into);
    return count === undefined ? await read.call(stdin, into) : count;
  };
  stdin.isTerminal = () => streams.getStore() === undefined && isTerminal.call(stdin);
}

/** Runs the command to its end in a process of its own, with nothing to read. */
export async function run(...args: readonly string[]): Promise<Ended> {
  return await toEnd(Peer.cli(...args));
}

/** As {@linkcode run}, with every permission, under which the command reads /proc too. */
export async function runWithProc(...args: readonly string[]): Promise<Ended> {
  return await toEnd(Peer.start(Deno.execPath(), ["run", "-A", `${PROJECT}cli.ts`, ...args]));
}

/** Asserts that a command printed nothing but one line of error, which matches, and ended with 1. */
export function assertFailed({ code, stdout, stderr }: Ended, message: RegExp): void {
  assert.match(stderr, /^error: [^\n]+\n$/);
  assert.match(stderr, message);
  assert.deepEqual([code, stdout], [1, ""]);
}

/** Ends the peer's input and waits for its end. */
export async function toEnd(peer: Peer): Promise<Ended> {
  await using started = peer;
  await started.endInput();
  return await started.ended();
}

/** Ends the peer as Ctrl-C does and waits for its end. */
export async function interrupt(peer: Peer): Promise<Ended> {
  peer.kill("SIGINT");
  return await peer.ended();
}

/** Starts the command as `"$@"` in a shell script: for redirections and pipes. */
export function cliInShell(script: string, ...args: readonly string[]): Peer {
  const cli = [Deno.execPath(), "run", "--allow-ffi", `${PROJECT}cli.ts`, ...args];
  return Peer.start("sh", ["-c", script, "sh", ...cli]);
}

/**
 * Runs a shell script in an IPC namespace of its own, in which `cli` is our command and `cli_all` the
 * same with every permission. Register such tests with `IN_NAMESPACE` and the tools of the script.
 */
export async function inShellOfNamespace(script: string): Promise<Ended> {
  const cli = `deno=$0 main=$1
    cli() { "$deno" run --allow-ffi "$main" "$@"; }
    cli_all() { "$deno" run -A "$main" "$@"; }
    `;
  const program = ["-c", cli + script, Deno.execPath(), `${PROJECT}cli.ts`];
  return await toEnd(Peer.start("unshare", ["-i", "sh", ...program], { LC_ALL: "C" }));
}

/** Waits until a server listens, and gives its segment's id. */
export async function listening(server: Peer): Promise<number> {
  const [, id] = await server.stderr(/^listening on .* segment (\d+), /m);
  return Number(id);
}

/** Which segment and semaphore set there are under the key: the words `segment`, `semaphore set`. */
export function objectsAt(key: number): string[] {
  return ownObjects().flatMap((line) =>
    line.includes(` key ${key}`) ? [line.replace(/ \d+ key.*/, "")] : []
  );
}

/** The semaphores of a running mailbox. */
export function semaphores(key: number): SemaphoreSet {
  return SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT });
}

/** The claim on the message in a running mailbox: who holds it keeps the server from taking it. */
export function inFlightOf(key: number): Role {
  return new Role(semaphores(key), SEMAPHORE.IN_FLIGHT);
}

/** Puts a message into a running server's mailbox; the server gets it when we have left again. */
export async function leave(key: number, text: string): Promise<void> {
  const inFlight = inFlightOf(key);
  await until(() => inFlight.tryAcquire()); // the server lets go of it just after the last message
  {
    using client = MailboxClient.open({ key });
    assert(client.trySend(text));
  }
  inFlight.release();
}

/** Waits, looking again and again, until `condition` holds; a minute at most, as a safety net. */
export async function until(condition: () => boolean): Promise<void> {
  const net = Deadline.after(60_000);
  while (!condition()) {
    assert(!net.passed, "what was waited for did not come");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What the pipes below are made with. */
export const PIPE_TOOLS = ["mkfifo", "dd"];

/** A pipe with a path. */
export async function namedPipe(folder: TestFolder): Promise<string> {
  const path = `${folder.path}/pipe`;
  assert((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
  return path;
}

/** A pipe that is full, and what reads it. */
export async function fullPipe(folder: TestFolder): Promise<{ path: string; pipe: Deno.FsFile }> {
  const path = await namedPipe(folder);
  const pipe = await Deno.open(path, { read: true, write: true });
  const fill = ["if=/dev/zero", `of=${path}`, "bs=4096", "oflag=nonblock"];
  assert(!(await new Deno.Command("dd", { args: fill, stderr: "null" }).output()).success);
  return { path, pipe };
}

/** Reads the pipe until `text` has come; a minute at most, as a safety net. */
export async function readUntil(pipe: Deno.FsFile, text: string): Promise<void> {
  let net: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    net = setTimeout(() => reject(new Error(`the pipe did not bring ${text}`)), 60_000);
  });
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(4096);
  try {
    for (let read = ""; !read.endsWith(text);) {
      const count = await Promise.race([pipe.read(bytes), expired]);
      read += decoder.decode(bytes.subarray(0, count!));
    }
  } finally {
    clearTimeout(net);
  }
}

/** Random numbers from 0 up to `below`, the same for the same seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
