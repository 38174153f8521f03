/**
 * The publishing end of a lane: writes records at the tail, over the oldest ones. Never waits. Internal:
 * used by `publisher.ts`.
 *
 * Before any byte of the ring changes, `intent` says how far. A subscriber that copies a record finds out
 * by it whether the record was being overwritten. Our own positions are private; memory only receives
 * copies of them.
 */

import { SMALL, SmallPayload } from "../sync/payload_views.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { LANE_WORD, type LaneMemory, readState, RECORD_WORD, STATE_WORD } from "./lane_words.ts";

const { INTENT, TAIL, STATE_0, STATE_1 } = LANE_WORD;
const { LENGTH, TAG, NUMBER, BACK } = RECORD_WORD;
const { TAIL: STATE_TAIL, LAST, COUNT_LOW, COUNT_HIGH, TAIL_HIGH } = STATE_WORD;
const HEADER = RECORD.size;
const ROUND_UP = RECORD_ALIGN - 1;
const TWO_32 = 2 ** 32;
/** Payloads up to this many bytes are copied one by one: `set` costs more than that. */
const FEW = 16;
/** The part of the ring that is announced in advance, and so lost to subscribers that are behind. */
const AHEAD_PART = 64;

/** Bytes of the record of a payload of `length` bytes. */
export function recordSize(length: number): number {
  return (length + HEADER + ROUND_UP) & ~ROUND_UP;
}

/** One lane, for its owner. */
export class LanePublisher {
  readonly memory: LaneMemory;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #wide: BigUint64Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #capacity: number;
  readonly #mask: number;
  /** How many bytes are announced in advance. */
  readonly #ahead: number;
  readonly #small = new SmallPayload();
  /** The position up to which the ring may have been written. */
  #intent: number;
  /** The position up to which records are published, and the high half of its 64 bits. */
  #published: number;
  #publishedHigh: number;
  /** The position of the newest published record. */
  #publishedLast: number;
  /** The state that has the published tail. */
  #state: number;
  /** Messages ever published, as two words: the engine would keep one number as floating-point. */
  #countLow: number;
  #countHigh: number;
  /** The position up to which there are records. */
  #tail: number;
  /** The position of the newest record. */
  #last: number;
  #staged = 0;

  /**
   * Continues at the published tail, over what a killed owner may have begun behind it. `corrupt` makes
   * the error for an impossible value.
   *
   * @throws {ShmError} `ECORRUPT` the words are impossible for a lane
   */
  constructor(memory: LaneMemory, corrupt: (what: string) => Error) {
    const { words } = memory;
    this.memory = memory;
    this.#words = words;
    this.#ring = memory.ring;
    this.#wide = memory.wide;
    this.#bytes = memory.bytes;
    this.#capacity = memory.bytes.length;
    this.#mask = this.#capacity - 1;
    this.#ahead = (this.#capacity / AHEAD_PART) & ~ROUND_UP;
    // SYNC role: the semaphore orders this after all actions of the lane's last owner
    const state = readState(words);
    const intent = this.#intent = Atomics.load(words, INTENT);
    if (state === undefined) throw corrupt("its words are impossible");
    const tail = state.end | 0;
    if (((intent - tail) >>> 0) > this.#capacity || (intent & ROUND_UP) !== 0) {
      throw corrupt(`its tail is ${tail >>> 0} and its intent ${intent >>> 0}`);
    }
    this.#published = this.#tail = tail;
    this.#publishedHigh = (state.end / TWO_32) | 0;
    this.#publishedLast = this.#last = state.last;
    this.#state = state.at;
    this.#countLow = state.count | 0;
    this.#countHigh = (state.count / TWO_32) | 0;
  }

  /** The number of messages ever published, which is the number of the newest one. */
  get count(): number {
    const low = this.#countLow;
    const high = this.#countHigh;
    // Most counts are small, and those are integers to the engine
    return high === 0 && low >= 0 ? low : (low >>> 0) + (high >>> 0) * TWO_32;
  }

  /** Bytes of the records that are not published, if one of `length` payload bytes is added. */
  stagedWith(length: number): number {
    const size = recordSize(length);
    const toEnd = this.#capacity - (this.#tail & this.#mask);
    return ((this.#tail - this.#published) | 0) + size + (size > toEnd ? toEnd : 0);
  }

  /** Records that are not published. */
  get staged(): number {
    return this.#staged;
  }

  /** Private memory of `length` bytes, at most {@linkcode SMALL}, that is copied the fastest. */
  scratch(length: number): Uint8Array<ArrayBuffer> {
    return this.#small.view(length);
  }

  /** Announces that the ring will be written up to `end`, and more, so that few records need it. */
  #announce(end: number): void {
    const intent = this.#intent = (end + this.#ahead) | 0;
    // SYNC overwrite: no byte of the ring changes before this store is visible. On ARMv8 later plain stores
    // may pass a releasing store, but not the acquiring load behind it
    Atomics.store(this.#words, INTENT, intent);
    Atomics.load(this.#words, INTENT);
  }

  /**
   * Writes a record. The payload must have `length` bytes, at most {@linkcode maxMessage}. No process sees
   * it before {@linkcode LanePublisher.publish}.
   */
  append(payload: Uint8Array, length: number, tag: number): void {
    const size = recordSize(length);
    const tail = this.#tail;
    let index = tail & this.#mask;
    const toEnd = this.#capacity - index;
    const position = size > toEnd ? (tail + toEnd) | 0 : tail;
    const end = (position + size) | 0;
    if (((end - this.#intent) | 0) > 0) this.#announce(end);
    const ring = this.#ring;
    if (position !== tail) {
      ring[(index >> 2) + LENGTH] = PADDING;
      index = 0;
    }
    const at = index >> 2;
    ring[at + LENGTH] = length;
    ring[at + TAG] = tag | 0;
    ring[at + NUMBER] = this.#countLow + this.#staged + 1;
    ring[at + BACK] = position - this.#last;
    this.#last = position;
    this.#tail = end;
    this.#staged++;
    const start = index + HEADER;
    const small = this.#small;
    if (length <= SMALL && small.has(payload, length)) {
      small.store(this.#wide, start >> 3, length);
      return;
    }
    const bytes = this.#bytes;
    if (length > FEW) bytes.set(payload, start);
    else for (let i = 0; i < length; i++) bytes[start + i] = payload[i]!;
  }

  /** Makes all records visible to subscribers. */
  publish(): void {
    const words = this.#words;
    // `| 0` tells V8 that a number is an integer: it takes 2 ns to find out at each store
    const tail = this.#tail | 0;
    const last = this.#last | 0;
    const before = this.#countLow;
    const low = this.#countLow = (before + this.#staged) | 0;
    // A low word wraps where, as a signed word, it changes from negative to not negative
    if (before < 0 && low >= 0) this.#countHigh = (this.#countHigh + 1) | 0;
    if (this.#published < 0 && tail >= 0) this.#publishedHigh = (this.#publishedHigh + 1) | 0;
    const at = this.#state = this.#state === STATE_0 ? STATE_1 : STATE_0;
    words[at + STATE_TAIL] = tail;
    words[at + LAST] = last;
    words[at + COUNT_LOW] = low;
    words[at + COUNT_HIGH] = this.#countHigh | 0;
    words[at + TAIL_HIGH] = this.#publishedHigh | 0;
    this.#publishedLast = last;
    this.#published = tail;
    this.#staged = 0;
    // SYNC tail: all records before it, and its state, come before this store
    Atomics.store(words, TAIL, tail);
  }

  /** Discards the records that are not published: no process has seen them. */
  discard(): void {
    this.#tail = this.#published;
    this.#last = this.#publishedLast;
    this.#staged = 0;
  }
}
