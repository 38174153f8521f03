/**
 * The state of a channel, read from outside and from inside: its producers, its consumer, and how full it
 * is. Reading changes nothing and does not join the channel.
 */

import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { listHeaded, statHeaded } from "../sync/headed_stat.ts";
import type { ReadOnlySegment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { LANE, SEMAPHORE, SEMAPHORE_AFTER_LANES } from "./descriptor.ts";
import { LANE_WORD } from "./lane_words.ts";
import { readMessageCount } from "./message_counter.ts";
import { CHANNEL } from "./protocol.ts";
import type { Shape } from "./shape.ts";
import { GEOMETRY } from "./lanes.ts";

/**
 * One lane, at approximately one instant.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import type { LaneStat } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4014, lanes: 1, laneCapacity: 4096 });
 * using producer = channel.producer();
 * producer.trySend(Uint8Array.of(1));
 * const lane: LaneStat = channel.stats().lanes[0]!;
 * assert.deepEqual([lane.depth, lane.bytes, lane.messages], [1, 16, 1]);
 * assert.deepEqual([lane.pid, lane.alive], [Deno.pid, true]);
 * using consumer = channel.consumer();
 * consumer.drain(() => {});
 * ```
 */
export interface LaneStat {
  /** The number of the lane, from 0. */
  readonly lane: number;
  /** Messages that were sent and not yet received. */
  readonly depth: number;
  /** Bytes that they occupy in the ring. */
  readonly bytes: number;
  /** Messages ever sent through the lane. */
  readonly messages: number;
  /** How often a producer found too little room and waited. */
  readonly fullWaits: number;
  /** How many producers have opened it. */
  readonly opened: number;
  /** How many of them closed it; the others died or aborted their stream, or one still owns it. */
  readonly closed: number;
  /** The process that owns it or owned it last; `undefined` if no process ever did. */
  readonly pid: number | undefined;
  /** Whether that process owns it now. */
  readonly alive: boolean;
}

/** A channel, at approximately one instant. */
export interface ChannelStats {
  /** Bytes of the ring of one lane. */
  readonly laneCapacity: number;
  /** Bytes of every message, or 0 if lengths differ. */
  readonly messageSize: number;
  /** The pid of the consumer; `undefined` if there is none. */
  readonly consumerPid: number | undefined;
  /** How many times the channel is open now, in all processes. */
  readonly users: number;
  /** Whether the channel stays when the last process leaves. */
  readonly persistent: boolean;
  /** The lanes, in order. */
  readonly lanes: readonly LaneStat[];
}

/** A channel and its segment. */
export interface ChannelStat extends ChannelStats {
  /** The kernel's information about the segment. */
  readonly segment: SegmentStat;
  /** The id of the channel's semaphore set. */
  readonly setId: number;
  /** The hash of the struct of its messages; 0 if its creator stated none. */
  readonly typeHash: number;
}

/** The state from the set and the memory. `copy` has at least the words before the rings. */
export function readStats(copy: ArrayBuffer, set: SemaphoreSet, shape: Shape): ChannelStats {
  const values = set.values();
  const { CONSUMER } = SEMAPHORE;
  return {
    laneCapacity: shape.laneCapacity,
    messageSize: shape.messageSize,
    consumerPid: values[CONSUMER] === 0 ? undefined : set.lastPid(CONSUMER),
    users: values[shape.lanes + SEMAPHORE_AFTER_LANES.USERS]!,
    persistent: values[shape.lanes + SEMAPHORE_AFTER_LANES.DISPOSABLE] !== 1,
    lanes: Array.from({ length: shape.lanes }, (_, lane) => {
      const semaphore = SEMAPHORE.LANE + lane;
      const figures = readLane(copy, lane, shape.laneCapacity);
      // The creator of the channel waited for the zero of all semaphores, which set the last pid
      const pid = figures.opened === 0 ? 0 : set.lastPid(semaphore);
      return {
        ...figures,
        pid: pid === 0 ? undefined : pid,
        alive: values[semaphore] !== 0,
      };
    }),
  };
}

/** The number of times to read again while the figures change. */
const TRIES = 3;

function readLane(
  memory: ArrayBuffer,
  lane: number,
  capacity: number,
): Omit<LaneStat, "pid" | "alive"> {
  const words = new Int32Array(memory, GEOMETRY.laneOffset(lane), LANE.size / 4);
  const { HEAD, TAIL, HEAD_COUNTERS, TAIL_COUNTERS, FULL_WAITS, OPENED, CLOSED } = LANE_WORD;
  for (let tries = 1;; tries++) {
    const head = Atomics.load(words, HEAD);
    const taken = readMessageCount(words, HEAD_COUNTERS, head);
    const tail = Atomics.load(words, TAIL);
    const messages = readMessageCount(words, TAIL_COUNTERS, tail);
    const still = Atomics.load(words, HEAD) === head && Atomics.load(words, TAIL) === tail;
    if (!still && tries < TRIES) continue;
    return {
      lane,
      depth: Math.max(0, messages - taken),
      bytes: Math.min((tail - head) >>> 0, capacity),
      messages,
      fullWaits: words[FULL_WAITS]! >>> 0,
      opened: words[OPENED]! >>> 0,
      closed: words[CLOSED]! >>> 0,
    };
  }
}

const readLookOptions = optionsReader({ trust: checkFlag });

/**
 * Reads the state of the channel in the segment with this id, without joining it.
 *
 * @throws {ShmError} `EFORMAT` it is not a channel, `EINVAL` the segment does not exist, `EACCES` no read
 * permission, `EUNTRUSTED` another user created or owns it
 * @throws {RangeError} an id out of range
 *
 * @example
 * ```ts
 * import { Channel, statChannel } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4017, lanes: 2, laneCapacity: 4096 });
 * assert.equal(statChannel(channel.id).lanes.length, 2);
 * ```
 */
export function statChannel(
  id: number,
  options?: { readonly trust?: boolean },
): ChannelStat {
  const { trust = false } = readLookOptions(options);
  return statHeaded(CHANNEL, id, trust, readCopy);
}

/** The state from a copy of the words before the rings. */
function readCopy(segment: ReadOnlySegment, set: SemaphoreSet, shape: Shape): ChannelStats {
  return readStats(segment.read(0, GEOMETRY.laneOffset(shape.lanes)).buffer, set, shape);
}

/**
 * Returns all channels of the system that this user may read and trusts.
 *
 * @example
 * ```ts
 * import { listChannels } from "@sysv/shm";
 *
 * for (const { segment, lanes } of listChannels()) {
 *   console.log(segment.key, lanes.reduce((sum, { depth }) => sum + depth, 0));
 * }
 * ```
 */
export function listChannels(options?: { readonly trust?: boolean }): ChannelStat[] {
  const { trust = false } = readLookOptions(options);
  return listHeaded(CHANNEL, trust, readCopy);
}
