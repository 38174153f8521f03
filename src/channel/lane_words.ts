/**
 * The memory of a lane: its words by name, and its ring. `descriptor.ts` defines which process writes
 * which word. Internal: used by the channel.
 */

import {
  CONSUMER,
  CONTROL,
  LANE,
  LANE_CONSUMER,
  LANE_PRODUCER,
  MESSAGE_COUNTER,
  RECORD_ALIGN,
} from "./descriptor.ts";
import { ringOffset, type Shape } from "./shape.ts";
import { GEOMETRY } from "./lanes.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;
const PRODUCER_LINE = LANE.fields.producer.offset;
const CONSUMER_LINE = LANE.fields.consumer.offset;

/** Number of words of one lane. They include the consumer's line, wherever it is among them. */
const LANE_WORDS = LANE.size / WORD;

/** The index of each word in {@linkcode LaneMemory.words}. */
export const LANE_WORD = {
  TAIL: (PRODUCER_LINE + LANE_PRODUCER.fields.tail.offset) / WORD,
  ASLEEP: (PRODUCER_LINE + LANE_PRODUCER.fields.asleep.offset) / WORD,
  OPENED: (PRODUCER_LINE + LANE_PRODUCER.fields.opened.offset) / WORD,
  CLOSED: (PRODUCER_LINE + LANE_PRODUCER.fields.closed.offset) / WORD,
  FULL_WAITS: (PRODUCER_LINE + LANE_PRODUCER.fields.full_waits.offset) / WORD,
  TAIL_COUNTERS: (PRODUCER_LINE + LANE_PRODUCER.fields.tallies.offset) / WORD,
  HEAD: (CONSUMER_LINE + LANE_CONSUMER.fields.head.offset) / WORD,
  HEAD_COUNTERS: (CONSUMER_LINE + LANE_CONSUMER.fields.tallies.offset) / WORD,
} as const;

/** The index of each word of the consumer's line. */
export const CONSUMER_WORD = {
  ASLEEP: CONSUMER.fields.asleep.offset / WORD,
  OPENED: CONSUMER.fields.opened.offset / WORD,
  IDENTITY: CONSUMER.fields.identity.offset / WORD,
} as const;

/** The index of each word of a message counter, and of the next counter. */
export const COUNTER_WORD = {
  POSITION: MESSAGE_COUNTER.fields.position.offset / WORD,
  LOW: MESSAGE_COUNTER.fields.count_low.offset / WORD,
  HIGH: MESSAGE_COUNTER.fields.count_high.offset / WORD,
  NEXT: MESSAGE_COUNTER.size / WORD,
} as const;

/** The offsets in the segment of the words that peers wait on. */
export const WAITER_FLAG_OFFSET = {
  CONSUMER: CONTROL.fields.consumer.offset + CONSUMER.fields.asleep.offset,
  laneOwner: (lane: number): number =>
    GEOMETRY.laneOffset(lane) + PRODUCER_LINE + LANE_PRODUCER.fields.asleep.offset,
} as const;

/** The memory of one lane as arrays, all of them empty after detach. */
export interface LaneMemory {
  readonly lane: number;
  /** The lane's own words. */
  readonly words: Int32Array<ArrayBuffer>;
  /** The ring as words, for the headers of records. */
  readonly ring: Int32Array<ArrayBuffer>;
  /** The ring as words of 8 bytes, for payloads: each record begins at such a word. */
  readonly wide: BigUint64Array<ArrayBuffer>;
  /** The ring as bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The arrays of a lane. */
export function laneMemory(memory: ArrayBuffer, shape: Shape, lane: number): LaneMemory {
  const ring = ringOffset(shape, lane);
  return {
    lane,
    words: new Int32Array(memory, GEOMETRY.laneOffset(lane), LANE_WORDS),
    ring: new Int32Array(memory, ring, shape.laneCapacity / WORD),
    wide: new BigUint64Array(memory, ring, shape.laneCapacity / BigUint64Array.BYTES_PER_ELEMENT),
    bytes: new Uint8Array(memory, ring, shape.laneCapacity),
  };
}

/** The words of the consumer's line. */
export function consumerWords(memory: ArrayBuffer): Int32Array<ArrayBuffer> {
  return new Int32Array(memory, CONTROL.fields.consumer.offset, CONSUMER.size / WORD);
}

/** Whether every message that was published in any lane was also received. */
export function isEmpty(memory: ArrayBuffer, shape: Shape): boolean {
  for (let lane = 0; lane < shape.lanes; lane++) {
    const words = new Int32Array(memory, GEOMETRY.laneOffset(lane), LANE_WORDS);
    if (Atomics.load(words, LANE_WORD.TAIL) !== Atomics.load(words, LANE_WORD.HEAD)) return false;
  }
  return true;
}

/** Whether these are possible as the two ends of the records in a ring. */
export function areEnds(head: number, tail: number, capacity: number): boolean {
  const bytes = (tail - head) | 0;
  return bytes >= 0 && bytes <= capacity && ((head | tail) & (RECORD_ALIGN - 1)) === 0;
}
