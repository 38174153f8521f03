/**
 * Peers in several processes while an intruder, `channel_hostile.c`, writes over their channel as fast
 * as it can: TypeScript and C, in both roles. And the C side by itself.
 */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  Channel,
  type Consumer,
  listChannels,
  type Producer,
  removeSegment,
  removeSemaphoreSet,
  ShmError,
  statChannel,
} from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { maxMessage, ringOffset } from "../../src/channel/shape.ts";
import { SMALL } from "../../src/sync/payload_views.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { Counts } from "./counts.ts";
import { figures } from "./hostile_program.ts";
import { Random } from "./random.ts";

/** A run of the C program that needs no other process. */
export interface CRun {
  readonly mode: "fuzz" | "workers";
  readonly corruptions: number;
  readonly seed: number;
}

/** All peers and the intruder in C: in one process, or each in its own. */
export async function runC(
  program: string,
  { mode, corruptions, seed }: CRun,
): Promise<Record<string, number>> {
  const key = freshKey();
  try {
    await using peer = Peer.start(program, [mode, key, seed, corruptions].map(String));
    return figures(`C ${mode}, seed ${seed}`, await peer.ended());
  } finally {
    const [segment, set] = [findSegment(key), findSemaphoreSet(key)];
    if (segment !== undefined) removeSegment(segment);
    if (set !== undefined) removeSemaphoreSet(set);
  }
}

/** Who has which role. */
export interface Pairing {
  readonly producer: Language;
  readonly consumer: Language;
}
type Language = "TypeScript" | "C";

/** Every pairing of the two languages. */
export const PAIRINGS: readonly Pairing[] = [
  { producer: "TypeScript", consumer: "TypeScript" },
  { producer: "TypeScript", consumer: "C" },
  { producer: "C", consumer: "TypeScript" },
  { producer: "C", consumer: "C" },
];

const SHAPE = { lanes: 3, laneCapacity: 1024, messageSize: 0 } as const;

/** One peer's errors, each of which must be one that may come. */
function judge(error: unknown, counts: Counts, allowed = ["ECORRUPT", "ETIMEDOUT"]): ShmError {
  if (!(error instanceof ShmError)) throw error;
  assert(allowed.includes(error.code), error.message);
  counts.add(`error ${error.code}`);
  return error;
}

/** What a peer in this process works with. */
interface Work {
  readonly channel: Channel;
  readonly random: Random;
  readonly counts: Counts;
  /** Whether the intruder has ended. */
  readonly over: () => boolean;
}

/** Lets the other things of this process go on. */
const breath = (): Promise<void> => delay(0);

async function produce({ channel, random, counts, over }: Work): Promise<void> {
  let producer: Producer | undefined;
  for (let n = 0; !over(); n++) {
    if (n % 64 === 0) await breath();
    const bytes = new Uint8Array(random.below(200));
    const timeout = 1;
    try {
      producer ??= channel.producer({ spin: random.of([0, 20]) });
      counts.add("operation send");
      switch (random.below(6)) {
        case 0:
          await producer.send(bytes, { timeout });
          break;
        case 1:
          producer.sendSync(bytes, { timeout });
          break;
        case 2:
          producer.sendBatch([bytes, bytes, bytes]);
          break;
        case 3: {
          const reservation = producer.claim(bytes.length);
          reservation?.bytes.set(bytes);
          if (random.below(2) === 0) reservation?.commit();
          else reservation?.abort();
          break;
        }
        case 4:
          producer.stage(bytes);
          producer.publish();
          break;
        default:
          producer.trySend(bytes);
      }
    } catch (error) {
      if (judge(error, counts).code !== "ECORRUPT") continue;
      producer?.close();
      producer = undefined;
      await breath();
    }
  }
  producer?.close();
}

async function consume({ channel, random, counts, over }: Work): Promise<void> {
  let consumer: Consumer | undefined;
  const most = SHAPE.lanes * SHAPE.laneCapacity / 8;
  const look = (bytes: Uint8Array | undefined, lane: number): void => {
    if (bytes === undefined) return;
    counts.add("message");
    assert(bytes.length <= maxMessage(SHAPE.laneCapacity));
    const { byteLength } = bytes.buffer;
    if (byteLength === bytes.length || byteLength === SMALL) return;
    const start = bytes.byteOffset - ringOffset(SHAPE, lane);
    assert(start >= 0 && start + bytes.length <= SHAPE.laneCapacity);
  };
  for (let n = 0; !over(); n++) {
    if (n % 64 === 0) await breath();
    const timeout = 1;
    const end = performance.now() + timeout;
    const ack = random.of(["before", "after"] as const);
    try {
      consumer ??= channel.consumer({ spin: random.of([0, 20]) });
      counts.add("operation receive");
      switch (random.below(9)) {
        case 0: {
          const { bytes, lane } = await consumer.receive({ timeout, ack });
          look(bytes, lane);
          break;
        }
        case 1: {
          const { bytes, lane } = consumer.receiveSync({ timeout, ack });
          look(bytes, lane);
          break;
        }
        case 2:
          await consumer.ready({ timeout });
          break;
        case 3:
          for await (const { bytes, lane } of consumer.messages({ timeout, until: "closed" })) {
            look(bytes, lane);
            if (performance.now() > end) break;
          }
          break;
        case 4:
          if (random.below(20) !== 0) consumer.nack();
          else {
            consumer.close();
            consumer = undefined;
          }
          break;
        case 5: {
          const message = consumer.tryReceive({ ack });
          look(message?.bytes, message?.lane ?? 0);
          break;
        }
        case 6:
          // Decoded while the intruder writes there
          consumer.drainText((text) => {
            counts.add("message");
            assert(text.length <= maxMessage(SHAPE.laneCapacity));
          }, { ack });
          break;
        default: {
          let visits = 0;
          consumer.drain((bytes, _, lane) => {
            assert(++visits <= most, "a drain without end");
            look(bytes, lane);
          }, { ack });
        }
      }
    } catch (error) {
      const { code, lane } = judge(error, counts);
      if (code === "ECORRUPT") consumer?.discard(lane!);
    }
  }
  consumer?.close();
}

/** Looks at the channel from outside, where a header may be in pieces. */
async function look({ channel, random, counts, over }: Work): Promise<void> {
  const { key, id } = channel;
  while (!over()) {
    await delay(5);
    counts.add("operation look");
    try {
      switch (random.below(4)) {
        case 0:
          statChannel(id);
          break;
        case 1:
          listChannels();
          break;
        case 2:
          Channel.open(key, { timeout: 1 }).close();
          break;
        default:
          channel.stats();
      }
    } catch (error) {
      judge(error, counts, ["EFORMAT", "ETIMEDOUT"]);
    }
  }
}

/** Two peers at work, in the languages asked for, under an intruder that is a process of its own. */
export async function runPairing(
  program: string,
  { producer, consumer }: Pairing,
  { corruptions, seed }: { readonly corruptions: number; readonly seed: number },
): Promise<Counts> {
  const what = `${producer} to ${consumer}, seed ${seed}`;
  const counts = new Counts();
  const channel = Channel.openOrCreate({ key: freshKey(), ...SHAPE });
  const start = (...words: string[]): Peer => Peer.start(program, words);
  try {
    // All open the channel while its header is still whole
    const roles = [producer === "C" ? "produce" : "", consumer === "C" ? "consume" : ""];
    const workers: Peer[] = [];
    await using stack = new AsyncDisposableStack();
    for (const role of roles) {
      if (role === "") continue;
      const worker = stack.use(start("work", role, `${channel.key}`, `${seed}`));
      workers.push(worker);
      await worker.line();
    }
    await using hammer = start("hammer", `${channel.key}`, `${seed}`, `${corruptions}`);
    await hammer.line();
    let ended = false;
    const end = hammer.ended().finally(() => ended = true);
    const work = (salt: number): Work => ({
      channel,
      counts,
      random: new Random(seed + salt),
      over: () => ended,
    });
    await Promise.all([
      look(work(1)),
      ...(producer === "TypeScript" ? [produce(work(2))] : []),
      ...(consumer === "TypeScript" ? [consume(work(3))] : []),
    ]);
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
    throw new Error(`${what}: ${error instanceof Error ? error.message : error}`, { cause: error });
  } finally {
    channel.remove();
    channel.close();
  }
}
