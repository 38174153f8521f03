/**
 * The memory of a lane: its words by name, its ring, and the state that its tail has. `descriptor.ts`
 * defines which process writes which word. Internal: used by the topic.
 */

import { CONTROL, LANE, LANE_STATE, RECORD, RECORD_ALIGN, WAITING } from "./descriptor.ts";
import { loadFence } from "../sync/load_fence.ts";
import { ringOffset, type Shape } from "./shape.ts";
import { GEOMETRY } from "./lanes.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;
const STATES = LANE.fields.states.offset / WORD;

/** The index of each word in {@linkcode LaneMemory.words}. */
export const LANE_WORD = {
  INTENT: LANE.fields.intent.offset / WORD,
  TAIL: LANE.fields.tail.offset / WORD,
  OPENED: LANE.fields.opened.offset / WORD,
  CLOSED: LANE.fields.closed.offset / WORD,
  /** The first word of each state. */
  STATE_0: STATES,
  STATE_1: STATES + LANE_STATE.size / WORD,
} as const;

/** The index of each word in a state. */
export const STATE_WORD = {
  TAIL: LANE_STATE.fields.tail.offset / WORD,
  LAST: LANE_STATE.fields.last.offset / WORD,
  COUNT_LOW: LANE_STATE.fields.count_low.offset / WORD,
  COUNT_HIGH: LANE_STATE.fields.count_high.offset / WORD,
  TAIL_HIGH: LANE_STATE.fields.tail_high.offset / WORD,
} as const;

/** The index of each word in a record. */
export const RECORD_WORD = {
  LENGTH: RECORD.fields.length.offset / WORD,
  TAG: RECORD.fields.tag.offset / WORD,
  NUMBER: RECORD.fields.number.offset / WORD,
  BACK: RECORD.fields.back.offset / WORD,
} as const;

/** The offset in the segment of the word that subscribers wait on. */
export const WAITING_OFFSET = CONTROL.fields.waiting.offset + WAITING.fields.waiting.offset;

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
    words: new Int32Array(memory, GEOMETRY.laneOffset(lane), LANE.size / WORD),
    ring: new Int32Array(memory, ring, shape.laneCapacity / WORD),
    wide: new BigUint64Array(memory, ring, shape.laneCapacity / BigUint64Array.BYTES_PER_ELEMENT),
    bytes: new Uint8Array(memory, ring, shape.laneCapacity),
  };
}

/** What a lane has published, at one instant. */
export interface LaneState {
  /** The first word of the state in memory. */
  readonly at: number;
  /** The tail as a number of 64 bits: all bytes ever published. */
  readonly end: number;
  /** The position of the newest record. */
  readonly last: number;
  /** The number of messages ever published. */
  readonly count: number;
}

/**
 * Attempts to read a state. An owner in C publishes every 50 ns and makes most of them fail, above all those
 * that the interpreter makes, before this code is compiled: after 1000 a subscriber took that for corruption.
 */
export const ATTEMPTS = 100_000;

const TWO_32 = 2 ** 32;
/** The first high half that a count cannot have: numbers are exact up to 2^53. */
const MOST_HIGH = 2 ** 21;

/** The first word of the state that has this tail; -1 if none has. */
export function stateAt(words: Int32Array<ArrayBuffer>, tail: number): number {
  const { STATE_0, STATE_1 } = LANE_WORD;
  if (Atomics.load(words, STATE_0 + STATE_WORD.TAIL) === tail) return STATE_0;
  return Atomics.load(words, STATE_1 + STATE_WORD.TAIL) === tail ? STATE_1 : -1;
}

/**
 * Reads the tail and its state. A state is overwritten at the second publication after it: if the tail is
 * still the same, the state was whole.
 *
 * @returns `undefined` if the words are impossible for a lane
 */
export function readState(words: Int32Array<ArrayBuffer>): LaneState | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const tail = Atomics.load(words, LANE_WORD.TAIL); // SYNC tail
    // Plain loads: five calls of Atomics take longer than a fast owner leaves the state alone
    const { STATE_0, STATE_1 } = LANE_WORD;
    const isFirst = words[STATE_0 + STATE_WORD.TAIL] === tail;
    const from = isFirst ? STATE_0 : STATE_1;
    const isOfTail = words[from + STATE_WORD.TAIL] === tail;
    const high = words[from + STATE_WORD.TAIL_HIGH]!;
    const last = words[from + STATE_WORD.LAST]!;
    const countLow = words[from + STATE_WORD.COUNT_LOW]! >>> 0;
    const countHigh = words[from + STATE_WORD.COUNT_HIGH]! >>> 0;
    loadFence();
    if (Atomics.load(words, LANE_WORD.TAIL) !== tail) continue;
    // A reader that was stopped for exactly 4 GiB finds the same tail, and another state
    if (Atomics.load(words, from + STATE_WORD.TAIL_HIGH) !== high) continue;
    const tailHigh = high >>> 0;
    const possible = isOfTail && ((tail | last) & (RECORD_ALIGN - 1)) === 0 &&
      countHigh < MOST_HIGH && tailHigh < MOST_HIGH;
    if (!possible) return undefined;
    return {
      at: from,
      last,
      end: tailHigh * TWO_32 + (tail >>> 0),
      count: countHigh * TWO_32 + countLow,
    };
  }
  return undefined;
}
