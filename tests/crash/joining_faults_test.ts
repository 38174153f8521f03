/**
 * Each system call of joining and of leaving, failed once and its process killed at it once, by strace:
 * another peer goes on each time, while the one that met the fault lives on.
 */

import assert from "node:assert/strict";
import { Channel, MailboxClient, MailboxServer, SemaphoreSet } from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { SEMAPHORE_AFTER_LANES } from "../../src/channel/descriptor.ts";
import { SEMAPHORE } from "../../src/mailbox/descriptor.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

/** What is failed, and with which errors: for the set, as one who may not, and as if it just went. */
const ERRORS: Readonly<Record<string, readonly string[]>> = {
  shmget: ["ENOSPC"],
  shmat: ["ENOMEM"],
  shmctl: ["EPERM"],
  shmdt: ["EINVAL"],
  semget: ["ENOSPC"],
  semop: ["EACCES", "EIDRM"],
  semtimedop: ["EACCES", "EIDRM"],
  semctl: ["EPERM", "EIDRM"],
};

/** How many faults are tried at a time. */
const AT_ONCE = 4;

/** A safety net: who still holds the entry lock after that never lets go of it. */
const TIMEOUT = 10_000;

/** What is joined and left. */
interface Kind {
  /** A program's expression that joins. */
  readonly joining: (key: number) => string;
  /** Joins in this process. */
  readonly member: (key: number) => { close(): string };
  /** Joins, sends and receives a message and leaves, in this process. Says what became of it. */
  readonly roundTrip: (key: number) => string;
  /** Removes what the fault left behind as being kept. */
  readonly remove: (key: number) => void;
  /** Semaphores of the set. */
  readonly lock: number;
  readonly users: number;
}

const SHAPE = { lanes: 2, laneCapacity: 256 };

const KINDS: Readonly<Record<string, Kind>> = {
  mailbox: {
    joining: (key) => `MailboxClient.open({ key: ${key} })`,
    member: (key) => MailboxClient.open({ key }),
    roundTrip: (key) => {
      using server = MailboxServer.open({ key, timeout: TIMEOUT });
      const client = MailboxClient.open({ key, timeout: TIMEOUT });
      assert(client.trySend("here"));
      assert.equal(server.tryReceive()?.text, "here");
      server.ack();
      client.close();
      return server.close();
    },
    remove: () => assert.fail("a server removes what was kept"),
    lock: SEMAPHORE.LOCK,
    users: SEMAPHORE.USERS,
  },
  channel: {
    joining: (key) => `Channel.openOrCreate(${JSON.stringify({ key, ...SHAPE })})`,
    member: (key) => Channel.openOrCreate({ key, ...SHAPE }),
    roundTrip: (key) => {
      const channel = Channel.openOrCreate({ key, ...SHAPE, timeout: TIMEOUT });
      const consumer = channel.consumer();
      assert(channel.producer().trySend(Uint8Array.of(7)));
      assert.deepEqual(consumer.tryReceive()?.bytes, Uint8Array.of(7));
      consumer.ack();
      return channel.close();
    },
    remove: (key) => {
      using channel = Channel.open(key);
      channel.remove();
    },
    lock: SHAPE.lanes + SEMAPHORE_AFTER_LANES.LOCK,
    users: SHAPE.lanes + SEMAPHORE_AFTER_LANES.USERS,
  },
};

/** Joins and leaves under strace with these options, and lives on until its input ends. */
function joinAndLeave(kind: Kind, key: number, ...options: readonly string[]): Peer {
  const program = `
    import { Channel, MailboxClient } from "${new URL("../../mod.ts", import.meta.url)}";
    let member;
    try {
      member = ${kind.joining(key)};
      console.log("joined");
    } catch (error) {
      console.log("not joined:", error.message);
    }
    try {
      console.log("left:", member?.close());
    } catch (error) {
      console.log("not left:", error.message);
    }
    await Deno.stdin.read(new Uint8Array(1));`;
  const calls = `trace=${Object.keys(ERRORS).join(",")}`;
  const subject = [Deno.execPath(), "eval", "--ext=ts", program];
  return Peer.start("strace", ["-f", "-qq", "-e", calls, ...options, ...subject]);
}

/** One fault: as strace takes it, and in words. */
interface Fault {
  readonly option: string;
  readonly words: string;
}

/** Every fault for every call that is made when nothing fails. */
async function faultsOf(kind: Kind, key: number): Promise<Fault[]> {
  using folder = new TestFolder();
  const trace = folder.file("trace", "");
  await using peer = joinAndLeave(kind, key, "-o", trace);
  await peer.stdout(/^left: /m);
  await peer.endInput();
  await peer.ended();
  const made = new Map<string, number>();
  const text = Deno.readTextFileSync(trace);
  assert.doesNotMatch(text, /(SHM|SEM)_(INFO|STAT)/, "all objects of the system were looked at");
  return text.trim().split("\n").flatMap((line) => {
    const call = /^\d+\s+(\w+)\(/.exec(line)?.[1];
    // The end of a call during which another thread made one
    if (call === undefined) return [];
    const when = (made.get(call) ?? 0) + 1;
    made.set(call, when);
    // What removes a set that is there is never told that it is not
    const errors = ERRORS[call]!.filter((name) => name !== "EIDRM" || !/IPC_RMID/.test(line));
    return [...errors.map((name) => `error=${name}`), "signal=SIGKILL"].map((what) => ({
      option: `inject=${call}:${what}:when=${when}`,
      words: `${what} at ${line}`,
    }));
  });
}

/** One fault, while `others` have joined. */
async function tryFault(kind: Kind, { option, words }: Fault, others: number): Promise<void> {
  const key = freshKey();
  const members = Array.from({ length: others }, () => kind.member(key));
  await using peer = joinAndLeave(kind, key, "-o", "/dev/null", "-e", option);
  const killed = option.includes("SIGKILL");
  const said = killed
    ? (await peer.ended()).stdout
    : (await peer.stdout(/^(not )?left: .*$/m)).input;
  try {
    if (others > 0) {
      const values = SemaphoreSet.open(key).values();
      assert.deepEqual([values[kind.lock], values[kind.users]], [0, others]);
    } else if (/^not joined/m.test(said)) {
      assert.equal(findSegment(key), undefined);
      assert.equal(findSemaphoreSet(key), undefined);
    }
    kind.roundTrip(key);
    for (const member of members) member.close();
  } catch (error) {
    throw new Error(`${words}: ${said}`, { cause: error });
  } finally {
    // It is strace that is killed in the end: what it traces sees the end of its input
    if (!killed) await peer.endInput();
  }
  await peer.ended();
  // When all have left, the last peer leaves nothing but what counts as kept
  if (findSegment(key) !== undefined && kind.roundTrip(key) === "kept") kind.remove(key);
  assert.equal(findSegment(key), undefined, words);
  assert.equal(findSemaphoreSet(key), undefined, words);
}

for (const [name, kind] of Object.entries(KINDS)) {
  for (const others of [0, 1]) {
    testWith(
      { traces: true, tools: ["deno"], files: true },
      `${name}: a fault at any call of joining and leaving ${
        others === 0 ? "alone" : "beside another"
      } stops no other peer`,
      async () => {
        const key = freshKey();
        const member = others === 0 ? undefined : kind.member(key);
        const faults = await faultsOf(kind, key);
        member?.close();
        assert(faults.length > 20, "the calls were not seen");
        await Promise.all(Array.from({ length: AT_ONCE }, async () => {
          for (let fault = faults.pop(); fault !== undefined; fault = faults.pop()) {
            await tryFault(kind, fault, others);
          }
        }));
      },
    );
  }
}
