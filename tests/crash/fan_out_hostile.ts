/**
 * A Latest and a Topic whose memory an intruder spoils under live peers, in one process or in several, in
 * TypeScript and C. Whatever is written where, an operation gives a result or one of the errors that it may
 * give, within its time.
 */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Latest, Segment, ShmError, Topic } from "../../mod.ts";
import { type LatestWriter, listLatests, statLatest } from "../../src/latest/mod.ts";
import { listTopics, type Publisher, statTopic, type Subscriber } from "../../src/topic/mod.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { Counts } from "./counts.ts";
import { figures } from "./hostile_program.ts";
import { Random } from "./random.ts";

const SIZE = 200;
const LANE_CAPACITY = 1024;
const LONGEST_MESSAGE = LANE_CAPACITY / 4 - 16;
/** A safety net: an operation that waits for a millisecond is long back by then. */
const NET_MS = 20_000;
/** So many corruptions meet one object. */
const CORRUPTIONS_AN_OBJECT = 40;

/** What an operation may fail with when the memory it works on was spoiled. */
const ALLOWED = {
  use: ["ECORRUPT", "ETIMEDOUT", "EAGAIN", "EBUSY"],
  look: ["EFORMAT", "ETIMEDOUT", "ENOENT", "ECORRUPT"],
} as const;

/** The protocols of this file. */
export type Protocol = "latest" | "topic";

/** One object with peers of this process: each call does one thing, at random. */
interface World {
  readonly key: number;
  readonly id: number;
  send(): void;
  receive(): Promise<void>;
  /** From outside, where the header may be in pieces. */
  look(): void;
  remove(): void;
}

/** What all of it needs. */
interface Means {
  readonly random: Random;
  readonly counts: Counts;
}

/** Does `what`, and judges its error and the time it took. */
async function judged(
  { counts }: Means,
  kind: keyof typeof ALLOWED,
  what: () => void | Promise<void>,
): Promise<boolean> {
  const began = performance.now();
  counts.add(`operation ${kind}`);
  try {
    await what();
    return true;
  } catch (error) {
    if (!(error instanceof ShmError)) throw error;
    const allowed: readonly string[] = ALLOWED[kind];
    assert(allowed.includes(error.code), `${error.message}\n${error.stack}`);
    assert(!error.message.includes("\n"));
    counts.add(`error ${error.code}`);
    return error.code !== "ECORRUPT";
  } finally {
    assert(performance.now() - began < NET_MS, `${kind} took too long`);
  }
}

const noise = (random: Random, most: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(random.below(most + 1)).fill(random.bits());

function latestWorld({ random, counts }: Means): World {
  const key = freshKey();
  const latest = Latest.openOrCreate({ key, size: SIZE, cells: random.of([2, 4, 16]) });
  const readOnly = Latest.open(key, { readOnly: true });
  let writer: LatestWriter | undefined;
  const readers = [latest.reader({ spin: 0 }), readOnly.reader({ spin: 0 })];
  const check = (value: Uint8Array | undefined): void => {
    if (value === undefined) return;
    assert(value.length <= SIZE);
    counts.add("value");
  };
  return {
    key,
    id: latest.id,
    send(): void {
      try {
        writer ??= latest.writer();
        if (random.below(3) > 0) writer.write(noise(random, SIZE));
        else writer.update((value) => value.fill(random.bits()));
        if (random.below(50) === 0) {
          writer.close();
          writer = undefined;
        }
      } catch (error) {
        // It takes the number in memory for its own if it knows that something is wrong
        writer?.close();
        writer = undefined;
        throw error;
      }
    },
    async receive(): Promise<void> {
      const reader = random.of(readers);
      switch (random.below(5)) {
        case 0:
          return check(reader.waitSync({ timeout: 1 }).value);
        case 1:
          return check((await reader.wait({ timeout: 1 })).value);
        case 2:
          return check(reader.view((value) => value.slice()));
        case 3:
          assert(reader.version >= 0);
          return;
        default:
          return check(reader.read()?.value);
      }
    },
    look(): void {
      if (random.below(3) === 0) statLatest(latest.id);
      else if (random.below(2) === 0) listLatests();
      else Latest.open(key, { readOnly: random.below(2) === 0, timeout: 1 }).close();
    },
    remove(): void {
      latest.remove();
      readOnly.close();
      latest.close();
    },
  };
}

function topicWorld({ random, counts }: Means): World {
  const key = freshKey();
  const lanes = 1 + random.below(3);
  const topic = Topic.openOrCreate({ key, lanes, laneCapacity: LANE_CAPACITY });
  const readOnly = Topic.open(key, { readOnly: true });
  let publisher: Publisher | undefined;
  const subscribers: (Subscriber | undefined)[] = [undefined, undefined];
  const check = (bytes: Uint8Array, lane: number, missed: number): void => {
    assert(bytes.length <= LONGEST_MESSAGE && lane >= 0 && lane < lanes);
    assert(Number.isSafeInteger(missed) && missed >= 0);
    counts.add("message");
  };
  return {
    key,
    id: topic.id,
    send(): void {
      try {
        publisher ??= topic.publisher();
        if (random.below(2) === 0) publisher.publish(noise(random, LONGEST_MESSAGE));
        else publisher.publishBatch([noise(random, 40), noise(random, 40), noise(random, 40)]);
        if (random.below(50) === 0) {
          publisher.close();
          publisher = undefined;
        }
      } catch (error) {
        publisher?.close();
        publisher = undefined;
        throw error;
      }
    },
    async receive(): Promise<void> {
      const which = random.below(2);
      const from = which === 0 ? topic : readOnly;
      const history = random.of([0, 3, "all"] as const);
      const subscriber = subscribers[which] ??= from.subscriber({ history, spin: 0 });
      switch (random.below(6)) {
        case 0: {
          const { bytes, lane, missed } = subscriber.receiveSync({ timeout: 1 });
          return check(bytes, lane, missed);
        }
        case 1: {
          const { bytes, lane, missed } = await subscriber.receive({ timeout: 1 });
          return check(bytes, lane, missed);
        }
        case 2:
          subscriber.drain((bytes, _tag, lane, missed) => check(bytes, lane, missed));
          return;
        case 3:
          assert(subscriber.missed >= 0);
          if (random.below(10) > 0) return;
          subscriber.close();
          subscribers[which] = undefined;
          return;
        default: {
          const message = subscriber.tryReceive();
          if (message !== undefined) check(message.bytes, message.lane, message.missed);
        }
      }
    },
    look(): void {
      if (random.below(3) === 0) statTopic(topic.id);
      else if (random.below(2) === 0) listTopics();
      else Topic.open(key, { readOnly: random.below(2) === 0, timeout: 1 }).close();
    },
    remove(): void {
      topic.remove();
      readOnly.close();
      topic.close();
    },
  };
}

const WORLDS = { latest: latestWorld, topic: topicWorld } as const;

/** Overwrites words at random: in the lines before the data, near their beginning, or anywhere. */
function spoil(segment: Segment, { random, counts }: Means): void {
  const words = new Int32Array(segment.buffer, 0, Math.floor(segment.size / 4));
  const at = random.of([
    random.below(32),
    32 + random.below(96),
    96 + random.below(64),
    random.below(words.length),
    random.below(words.length),
  ]);
  const now = words[at]!;
  const value = random.of([0, 1, -1, now + 1, now - 1, now + 8, now ^ 1 << random.below(32)]);
  words[at] = random.below(3) === 0 ? random.bits() : value;
  counts.add("corruption word");
}

/** How long it goes on. */
export interface HostileRun {
  readonly corruptions: number;
  readonly seed: number;
}

/** Corrupts objects of a protocol as often as that, under peers of this process. */
export async function fuzzFanOut(
  protocol: Protocol,
  { corruptions, seed }: HostileRun,
): Promise<Counts> {
  const counts = new Counts();
  for (let done = 0; done < corruptions;) {
    // Each object has a seed of its own, so that one is soon repeated
    const own = seed + done;
    const means: Means = { random: new Random(own), counts };
    const world = WORLDS[protocol](means);
    const intruder = Segment.attach(world.id);
    const { random } = means;
    try {
      for (let i = 0; i < 20; i++) await step(world, means);
      for (let i = 0; i < CORRUPTIONS_AN_OBJECT && done < corruptions; i++, done++) {
        spoil(intruder, means);
        for (let n = random.below(8); n > 0; n--) await step(world, means);
      }
    } catch (error) {
      throw new Error(`${protocol}, seed ${own}: ${error instanceof Error ? error.stack : error}`);
    } finally {
      intruder.detach();
      world.remove();
    }
  }
  return counts;
}

async function step(world: World, means: Means): Promise<void> {
  const choice = means.random.below(20);
  if (choice === 0) await judged(means, "look", () => world.look());
  else if (choice < 10) await judged(means, "use", () => world.send());
  else await judged(means, "use", () => world.receive());
}

/** Which side is in C; the other one, and one more of it, are in this process. */
export type Pairing = readonly [sender: "TypeScript" | "C", receiver: "TypeScript" | "C"];

/** Every pairing of the two languages. */
export const PAIRINGS: readonly Pairing[] = [
  ["TypeScript", "TypeScript"],
  ["TypeScript", "C"],
  ["C", "TypeScript"],
  ["C", "C"],
];

const ROLES = { latest: ["write", "read"], topic: ["publish", "subscribe"] } as const;

/** Peers in the languages asked for, under an intruder that is a process of its own. */
export async function runFanOutPairing(
  program: string,
  protocol: Protocol,
  pairing: Pairing,
  { corruptions, seed }: HostileRun,
): Promise<Counts> {
  const what = `${protocol}, ${pairing.join(" to ")}, seed ${seed}`;
  const counts = new Counts();
  const means: Means = { random: new Random(seed), counts };
  const world = WORLDS[protocol](means);
  const start = async (role: string, last: number, stack: AsyncDisposableStack): Promise<Peer> => {
    const words = [role, `${world.key}`, `${seed}`, `${last}`];
    const peer = stack.use(Peer.start(program, words));
    assert.equal(await peer.line(), "ready");
    return peer;
  };
  try {
    await using stack = new AsyncDisposableStack();
    const workers: Peer[] = [];
    for (const [side, role] of ROLES[protocol].entries()) {
      // All open the object while its header is still whole
      if (pairing[side] === "C") workers.push(await start(role, 0, stack));
    }
    const hammer = await start(protocol, corruptions, stack);
    let ended = false;
    const end = hammer.ended().finally(() => ended = true);
    for (let n = 0; !ended; n++) {
      if (pairing[0] === "TypeScript") await judged(means, "use", () => world.send());
      if (pairing[1] === "TypeScript") await judged(means, "use", () => world.receive());
      if (n % 64 === 0) {
        await judged(means, "look", () => world.look());
        await delay(0);
      }
    }
    counts.add("corruption by another process", figures(what, await end).corruptions);
    for (const worker of workers) {
      worker.kill("SIGTERM");
      const { operations = 0, messages = 0, corrupt = 0 } = figures(what, await worker.ended());
      counts.add("operation of C", operations);
      counts.add("message", messages);
      counts.add("error SHM_CORRUPT", corrupt);
    }
    return counts;
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.stack : error}`, { cause: error });
  } finally {
    world.remove();
  }
}
