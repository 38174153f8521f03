/**
 * The state of a channel, read from outside and from inside: its producers, its consumer, and how full it
 * is. Reading changes nothing and does not join the channel.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { isGone } from "../sysv/object_stat.ts";
import { Segment } from "../sysv/segment.ts";
import { listSegments, type SegmentStat, segmentTable, statSegment } from "../sysv/segment_stat.ts";
import {
  findSemaphoreSet,
  listSemaphoreSets,
  type SemaphoreSetStat,
  tryStatSet,
} from "../sysv/semaphore_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { isReady, otherFormat, readHeader } from "./channel_header.ts";
import { HEADER, LANE, SEMAPHORE, SEMAPHORE_AFTER_LANES } from "./descriptor.ts";
import { LANE_WORD } from "./lane_words.ts";
import { capacityFor, laneOffset, lanesFor } from "./lanes.ts";
import type { Shape } from "./shape.ts";
import { readMessageCount } from "./message_counter.ts";

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
  const words = new Int32Array(memory, laneOffset(lane), LANE.size / 4);
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
  segmentTable.checkId(id);
  const { trust = false } = readLookOptions(options);
  const stat = statSegment(id);
  const setId = findSemaphoreSet(stat.key);
  const setStat = setId === undefined ? undefined : tryStatSet(setId);
  if (typeof setStat !== "object" || !areChannel(stat, setStat)) {
    throw otherFormat(
      { key: stat.key, id },
      "it is not a channel: its size, or that of its semaphore set, is not a channel's",
    );
  }
  return look(stat, setStat, trust);
}

/** Whether these can be the segment and the set of a channel, by the kernel's information. */
function areChannel({ size }: SegmentStat, { count }: SemaphoreSetStat): boolean {
  const lanes = lanesFor(count);
  return lanes !== undefined && capacityFor(lanes, size) !== undefined;
}

/** Reads the channel in a segment and set that passed {@linkcode areChannel}. */
function look(stat: SegmentStat, setStat: SemaphoreSetStat, trust: boolean): ChannelStat {
  const { id } = stat;
  using segment = Segment.attach(id, { readOnly: true, trust });
  const set = SemaphoreSet.attach(setStat.id, { trust });
  const { key, size } = stat;
  const header = segment.read(0, HEADER.size).buffer;
  const place = { key, id, size, semaphores: setStat.count };
  if (!isReady(header)) throw otherFormat(place, "it is not a channel, or not initialised yet");
  const shape = readHeader(header, place);
  const copy = segment.read(0, laneOffset(shape.lanes)).buffer;
  return { ...readStats(copy, set, shape), segment: stat, setId: set.id };
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
  const sets = new Map(listSemaphoreSets().map((set) => [set.key, set]));
  return listSegments().flatMap((stat) => {
    const set = stat.key === 0 ? undefined : sets.get(stat.key);
    if (set === undefined || !areChannel(stat, set)) return [];
    try {
      return [look(stat, set, trust)];
    } catch (error) {
      // It belongs to another user, is not a channel, or was removed since the listing
      const skipped = ["EFORMAT", "EUNTRUSTED", "EACCES"];
      if (error instanceof ShmError && (skipped.includes(error.code) || isGone(-error.errno))) {
        return [];
      }
      throw error;
    }
  });
}
