/**
 * Goes through every part of the library and the command once, and prints as JSON how each ended: the tests
 * of this folder start it on systems that deny or limit something. Words after its name are limits that it
 * sets for itself, as `prlimit` does (`NOFILE=0`), or the user that it becomes (`UID=54321`). `COMMANDS=0`
 * leaves the commands out.
 */

import assert from "node:assert/strict";
import { readFileStart } from "../../ffi/files.ts";
import { FutexRing } from "../../ffi/io_uring.ts";
import {
  Channel,
  f64,
  Latest,
  MailboxClient,
  MailboxServer,
  Mutex,
  Segment,
  ShmError,
  struct,
  Topic,
} from "../../mod.ts";
import { EventfdReader } from "../../src/sync/eventfd_reader.ts";
import { freshKey, ownObjects } from "../support/own_objects.ts";

/** A wait that ends in time, or fails. A safety net. */
const within = { timeout: 20_000 };

const text = new TextEncoder();
const Pose = struct({ x: f64, y: f64 });

/** The parts of the library. Where it can, each awaits something before that happens. */
const PARTS: Readonly<Record<string, () => void | Promise<void>>> = {
  segment: () => {
    using segment = Segment.create({ size: 4096 });
    segment.remove();
    segment.write(text.encode("hello"));
    assert.equal(segment.text(0, 5), "hello");
  },
  mutex: async () => {
    const key = freshKey();
    const mutex = Mutex.openOrCreate({ key });
    try {
      const lock = await mutex.lock(within);
      const next = mutex.lock(within);
      setTimeout(() => lock.release(), 20);
      (await next).release();
    } finally {
      mutex.remove();
    }
  },
  mailbox: async () => {
    const key = freshKey();
    using server = MailboxServer.open({ key });
    using client = MailboxClient.open({ key });
    const received = server.receive(within);
    const sent = client.send("hello", within);
    assert.equal((await received).text, "hello");
    server.ack();
    await sent;
    const next = server.receive(within);
    setTimeout(() => client.post("later"), 20);
    assert.equal((await next).text, "later");
    server.ack();
  },
  channel: async () => {
    using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 4096 });
    using producer = channel.producer();
    using consumer = channel.consumer();
    const received = consumer.receive(within);
    setTimeout(() => producer.trySend(text.encode("hello")), 20);
    assert.equal((await received).text, "hello");
    while (producer.trySend(text.encode("fill")));
    const sent = producer.send(text.encode("fill"), within);
    setTimeout(() => consumer.drain(() => {}), 20);
    await sent;
    producer.sendSync(text.encode("last"), within);
    consumer.drain(() => {});
  },
  latest: async () => {
    using latest = Latest.of(Pose, { key: freshKey() });
    const reader = latest.reader();
    const newer = reader.wait(within);
    const writer = latest.writer();
    setTimeout(() => writer.write({ x: 1, y: 2 }), 20);
    assert.deepEqual({ ...(await newer).value }, { x: 1, y: 2 });
  },
  topic: async () => {
    using topic = Topic.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 4096 });
    const subscriber = topic.subscriber();
    const received = subscriber.receive(within);
    const publisher = topic.publisher();
    setTimeout(() => publisher.publish(text.encode("hello")), 20);
    assert.equal((await received).text, "hello");
    const reader = subscriber.readable.getReader();
    const read = reader.read();
    await new Promise((turn) => setTimeout(turn, 20)); // it sleeps now
    await reader.cancel();
    publisher.publish(text.encode("next"));
    assert.equal(subscriber.drain(() => {}), 1);
    assert.equal((await read).done, true);
  },
};

/** How a part of the library or a command ended. */
export interface Outcome {
  readonly part: string;
  /** Empty if it works. */
  readonly code: string;
  /** The message of the library, or what the command printed on standard error. */
  readonly message: string;
}

/** What this program prints. */
export interface Report {
  readonly outcomes: readonly Outcome[];
  /** Whether promises wait through io_uring. */
  readonly ring: boolean;
  /** The objects that are left. */
  readonly left: readonly string[];
}

async function tried(part: string): Promise<Outcome> {
  try {
    await PARTS[part]!();
    return { part, code: "", message: "" };
  } catch (error) {
    if (!(error instanceof ShmError)) throw error;
    return { part, code: error.code, message: error.message };
  }
}

/** A command: what it reads from standard input, and its words. */
type Command = readonly [input: string, ...words: string[]];

/** The commands in groups. In a group each needs what the one before did. */
function commands(): readonly (readonly Command[])[] {
  const [segment, channel, topic, latest] = Array.from({ length: 4 }, () => String(freshKey()));
  const timeout = "--timeout=20s";
  return [
    [
      ["", "create", "--size=64", `--key=${segment}`],
      ["hello", "write", segment!],
      ["", "read", segment!],
      ["", "stat", segment!],
      ["", "dump", segment!],
      ["", "rm", "--yes", segment!],
    ],
    [
      ["", "send", "--quiet", `--key=${channel}`, timeout, "hello"],
      ["", "channel", "stat", channel!],
      ["", "recv", "--quiet", `--key=${channel}`, "--count=1", timeout],
    ],
    [
      ["", "pub", "--quiet", "--keep", `--key=${topic}`, "hello"],
      ["", "sub", "--quiet", `--key=${topic}`, "--history=1", "--count=1", timeout],
      ["", "topic", "rm", "--yes", topic!],
    ],
    [
      ["", "latest", "set", "--quiet", latest!, "hello"],
      ["", "latest", "get", latest!],
      ["", "latest", "rm", "--yes", latest!],
    ],
    [["", "ls", "--semaphores"]],
    [["", "limits"]],
    [["", "doctor"]],
  ];
}

async function ran(input: string, ...words: readonly string[]): Promise<Outcome> {
  // Loaded only here: it asks Deno for its path, which needs /proc
  const { runHereWith } = await import("../cli/command_line.ts");
  const { code, stderr } = await runHereWith(input, ...words);
  // doctor ends with 1 if it finds something
  const failed = words[0] === "doctor" ? stderr.startsWith("error") : code !== 0;
  return { part: `shm ${words[0]}`, code: failed ? String(code) : "", message: stderr };
}

/** `server` and `client` at the same time. */
async function mailboxCommands(): Promise<Outcome[]> {
  const options = [`--key=${freshKey()}`, "--timeout=20s"];
  return await Promise.all([
    ran("", "server", "--quiet", "--count=1", ...options),
    ran("", "client", "--quiet", ...options, "hello"),
  ]);
}

async function allCommands(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const group of commands()) {
    for (const words of group) {
      const outcome = await ran(...words);
      outcomes.push(outcome);
      if (outcome.code !== "") break;
    }
  }
  return [...outcomes, ...await mailboxCommands()];
}

export const WITHOUT_COMMANDS = "COMMANDS=0";

/** Numbers of resources. Source: <sys/resource.h>, the same on every platform of this library. */
const RESOURCES: Readonly<Record<string, number>> = { NPROC: 6, NOFILE: 7, MEMLOCK: 8, AS: 9 };

/** Limits this process: its own limit for AS is so many bytes above what it has mapped. */
function limit(words: readonly string[]): void {
  const { symbols } = Deno.dlopen("libc.so.6", {
    prlimit: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
    setgroups: { parameters: ["usize", "pointer"], result: "i32" },
    setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  });
  for (const word of words.filter((word) => word !== WITHOUT_COMMANDS)) {
    const [name, value] = word.split("=") as [string, string];
    if (name === "UID") {
      const id = Number(value);
      assert.equal(symbols.setgroups(0n, null), 0);
      assert.equal(symbols.setresgid(id, id, id), 0);
      assert.equal(symbols.setresuid(id, id, id), 0);
      continue;
    }
    const status = readFileStart("/proc/self/status", 4096);
    assert(typeof status !== "number");
    const mapped = /^VmSize:\s+(\d+) kB$/m.exec(new TextDecoder().decode(status))![1]!;
    const soft = BigInt(value) + (name === "AS" ? BigInt(mapped) * 1024n : 0n);
    const limits = BigUint64Array.of(soft, soft);
    assert.equal(symbols.prlimit(0, RESOURCES[name]!, limits, null), 0, word);
  }
}

if (import.meta.main) {
  // Else the first waits are none
  await EventfdReader.load();
  // Deno panics if it has no file descriptors for this later
  const ignored = (): void => {};
  Deno.addSignalListener("SIGUSR1", ignored);
  Deno.removeSignalListener("SIGUSR1", ignored);
  limit(Deno.args);
  const outcomes: Outcome[] = [];
  for (const part of Object.keys(PARTS)) outcomes.push(await tried(part));
  if (!Deno.args.includes(WITHOUT_COMMANDS)) outcomes.push(...await allCommands());
  let left: readonly string[] = [];
  try {
    left = ownObjects();
  } catch (error) {
    // Where no object can be listed, none can be made
    if (!(error instanceof ShmError)) throw error;
  }
  console.log(JSON.stringify({ outcomes, ring: FutexRing.supported, left } satisfies Report));
}
