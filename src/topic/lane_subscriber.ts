/**
 * The subscribing end of a lane: reads records in order, and notices when it is overrun. It only reads, and
 * the owner never waits for it. Never waits itself. Internal: used by `lane_rotation.ts`.
 *
 * All bytes of a lane are untrusted data, and may be overwritten while they are read. They are copied
 * first. Then `intent` and the tail tell whether the copy is whole: only then it is parsed, and every
 * number in it is bounded.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { loadFence } from "../sync/load_fence.ts";
import { refusePromise, type VisitResult } from "../sync/visit.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { findOldest, longestReach, type OldRecord } from "./lane_history.ts";
import { recordSize } from "./lane_publisher.ts";
import {
  ATTEMPTS,
  LANE_WORD,
  type LaneMemory,
  type LaneState,
  readState,
  RECORD_WORD,
  STATE_WORD,
  stateAt,
} from "./lane_words.ts";
import type { RecordCopy } from "./record_copy.ts";
import { maxMessage } from "./shape.ts";

const { INTENT, TAIL } = LANE_WORD;
const { LENGTH, TAG, NUMBER } = RECORD_WORD;
const HEADER = RECORD.size;
const TWO_32 = 2 ** 32;
/** {@linkcode PADDING} as a signed word. */
const PADDING_WORD = PADDING | 0;
/** Overruns in a row after which a lane starts at its tail. */
const MOST_OVERRUNS = 8;
const AT_TAIL: OldRecord = { behind: 0, messages: 0 };
const NO_STATE = "its words are impossible";
const NO_RECORD = "the record before another one is not there";

/**
 * The function that {@linkcode Subscriber.drain} calls with each message: its payload, tag and lane, and
 * how many messages of its lane were missed right before it. The payload is valid only during the call, so
 * the function must not be asynchronous: a promise as its result is an error. The bytes are the
 * subscriber's own copy.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import type { TopicVisit } from "@sysv/shm/topic";
 * import assert from "node:assert/strict";
 *
 * let total = 0;
 * const count: TopicVisit = (bytes) => total += bytes.length;
 * using topic = Topic.openOrCreate({ key: 0x5eed6001, laneCapacity: 4096 });
 * using subscriber = topic.subscriber();
 * using publisher = topic.publisher();
 * publisher.publish(new Uint8Array(100));
 * subscriber.drain(count);
 * assert.equal(total, 100);
 * ```
 */
export type TopicVisit<Payload = Uint8Array<ArrayBuffer>> = (
  payload: Payload,
  tag: number,
  lane: number,
  missed: number,
) => VisitResult;

/** The subscribing end of one lane. */
export class LaneSubscriber {
  readonly memory: LaneMemory;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #capacity: number;
  /** The shortest length, and how much longer the longest is: 0 if all messages have one length. */
  readonly #least: number;
  readonly #span: number;
  readonly #copy: RecordCopy;
  readonly #corrupt: (what: string) => ShmError;
  /** The position up to which messages were handed out, and the high half of its 64 bits. */
  #position = 0;
  #positionHigh = 0;
  /** The number of the next message, as two words. */
  #nextLow = 0;
  #nextHigh = 0;
  /** How many bytes to go back after an overrun: at most, and now. */
  readonly #longest: number;
  #reach: number;
  /** Messages missed so far, and those of them that no message has reported yet. */
  #missed = 0;
  #unreported = 0;
  /** Whether the lane was corrupt, and has no state yet to start from. */
  #lost = false;
  #failure: ShmError | undefined;

  /**
   * Starts with the last `history` messages that can be read. `messageSize` is the length of every
   * message, or 0 if lengths differ; `copy` may be shared by all lanes of a subscriber; `corrupt` makes the
   * error for an impossible value.
   */
  constructor(
    memory: LaneMemory,
    messageSize: number,
    copy: RecordCopy,
    history: number,
    corrupt: (what: string) => ShmError,
  ) {
    this.memory = memory;
    this.#words = memory.words;
    this.#capacity = memory.bytes.length;
    this.#least = messageSize;
    this.#span = messageSize === 0 ? maxMessage(this.#capacity) : 0;
    this.#copy = copy;
    this.#corrupt = corrupt;
    this.#longest = this.#reach = longestReach(this.#capacity);
    const state = readState(memory.words);
    const oldest = state === undefined
      ? undefined
      : findOldest(memory, state, history, this.#reach);
    if (state === undefined || oldest === undefined) this.#spoil(NO_STATE);
    else this.#moveTo(state, oldest);
  }

  /** Messages that were overwritten before they could be handed out. */
  get missed(): number {
    return this.#missed;
  }

  /** The number of the next message; while a visitor is called, that of the message it is called with. */
  get next(): number {
    return (this.#nextLow >>> 0) + (this.#nextHigh >>> 0) * TWO_32;
  }

  /** The failure of the lane since the last call, if there was one. It has started again at its tail. */
  takeFailure(): ShmError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Whether there is a message, or a failure. */
  look(): boolean {
    if (this.hasCopied || this.#failure !== undefined) return true;
    const tail = Atomics.load(this.#words, TAIL);
    return tail !== this.#position || this.#isLapped(tail);
  }

  /** Whether messages are copied and not handed out. */
  get hasCopied(): boolean {
    const copy = this.#copy;
    return copy.owner === this && copy.at < copy.end;
  }

  /** Whether `tail`, which is the low half of the position, is that of a later round of 4 GiB. */
  #isLapped(tail: number): boolean {
    const at = stateAt(this.#words, tail);
    return at !== -1 && this.#words[at + STATE_WORD.TAIL_HIGH] !== this.#positionHigh;
  }

  /**
   * Hands out at most `most` messages: those that are copied, then those up to the present tail. An overrun
   * after the first message ends the call: the next one begins with what is left.
   *
   * @returns how many messages `visit` was called with and returned from
   */
  drain(visit: TopicVisit, most: number): number {
    const tail = Atomics.load(this.#words, TAIL); // SYNC tail
    let count = 0;
    do {
      if (!this.hasCopied && !this.#fill(tail, count === 0)) break;
      count += this.#handOut(visit, most - count);
    } while (count < most && ((tail - this.#position) | 0) > 0);
    if (this.#reach !== this.#longest && Atomics.load(this.#words, TAIL) === this.#position) {
      this.#reach = this.#longest;
    }
    return count;
  }

  #handOut(visit: TopicVisit, most: number): number {
    const copy = this.#copy;
    const { words, end } = copy;
    const { lane } = this.memory;
    const first = copy.at;
    let at = first;
    let count = 0;
    try {
      while (count < most && end - at >= HEADER) {
        const word = at >> 2;
        const length = words[word + LENGTH]!;
        const size = this.#sizeOf(length);
        // What does not belong here is copied again as the first one, and judged then
        if (size === 0 || words[word + NUMBER] !== this.#nextLow) break;
        const isLong = at + size > end;
        if (isLong && (at > 0 || copy.long.length !== length)) break;
        const payload = isLong ? copy.long : copy.payload(at, length);
        const returned = visit(payload, words[word + TAG]! >>> 0, lane, this.#unreported);
        if (returned !== undefined) refusePromise(returned);
        this.#unreported = 0;
        at += size;
        this.#countUp();
        count++;
      }
    } finally {
      // Only messages that `visit` returned from are handed out
      copy.at = at;
      if (count < most) copy.owner = undefined;
      this.#advance(at - first);
    }
    return count;
  }

  #countUp(): void {
    const before = this.#nextLow;
    const after = this.#nextLow = (before + 1) | 0;
    if (before < 0 && after >= 0) this.#nextHigh = (this.#nextHigh + 1) | 0;
  }

  /** The size of a record from its length; 0 if it is impossible. */
  #sizeOf(length: number): number {
    // Unsigned, a length below the least exceeds any span: one comparison checks both bounds
    return ((length - this.#least) >>> 0) <= this.#span ? recordSize(length) : 0;
  }

  #advance(bytes: number): void {
    const before = this.#position;
    const after = this.#position = (before + bytes) | 0;
    if (before < 0 && after >= 0) this.#positionHigh = (this.#positionHigh + 1) | 0;
  }

  /** Copies what is there up to `tail`. Returns whether the copy now begins with the next message. */
  #fill(tail: number, mayResync: boolean): boolean {
    for (let overruns = 0;; tail = Atomics.load(this.#words, TAIL)) {
      const there = (tail - this.#position) >>> 0;
      if (there === 0 && !this.#isLapped(tail)) return false;
      if (this.#lost) return this.#restart();
      if (there > 0 && there <= this.#capacity) {
        const outcome = this.#load(there);
        if (outcome === "message") return true;
        if (outcome === "padding") continue;
        if (outcome !== "overrun") return this.#spoil(outcome);
      }
      if (!mayResync) return false;
      const atTail = ++overruns > MOST_OVERRUNS;
      if (!this.#resync(atTail) || atTail) return false;
    }
  }

  /**
   * Copies from the position on, where `there` bytes are published, and checks the copy. Padding is
   * skipped. Anything else than the three words is what is wrong with the lane.
   */
  #load(there: number): "message" | "padding" | "overrun" | string {
    const { memory } = this;
    const copy = this.#copy;
    const index = this.#position & (this.#capacity - 1);
    const left = Math.min(there, this.#capacity - index);
    if ((there & (RECORD_ALIGN - 1)) !== 0) return `its tail is not a multiple of ${RECORD_ALIGN}`;
    const copied = copy.load(memory, index, left);
    if (!this.#isWhole()) return "overrun";
    const { words } = copy;
    const length = words[LENGTH]!;
    if (length === PADDING_WORD) {
      if (index === 0 || left !== this.#capacity - index) return this.#misfit("is padding");
      this.#advance(left);
      return "padding";
    }
    const size = this.#sizeOf(length);
    if (size === 0 || size > left) return this.#misfit(`has the length ${length >>> 0}`);
    const number = words[NUMBER]!;
    if (number !== this.#nextLow) {
      return this.#misfit(`has the number ${number >>> 0}, not ${this.#nextLow >>> 0}`);
    }
    if (size > copied) {
      copy.loadLong(memory, index, length);
      if (!this.#isWhole()) return "overrun";
    }
    copy.owner = this;
    return "message";
  }

  /** What is wrong with an impossible record. */
  #misfit(what: string): string {
    return `the record at position ${this.#position >>> 0} ${what}`;
  }

  /** Whether no byte from the position on was overwritten before this call. */
  #isWhole(): boolean {
    const words = this.#words;
    const position = this.#position;
    const capacity = this.#capacity;
    // All bytes are copied before the loads that follow
    loadFence();
    // SYNC overwrite: if a byte of the copy is of a later record, this load sees the intent to write it
    if (((Atomics.load(words, INTENT) - position) >>> 0) > capacity) return false;
    // The low half of a position comes again after 4 GiB. The tail tells, which is at most a ring behind
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const tail = Atomics.load(words, TAIL);
      const at = stateAt(words, tail);
      const high = at === -1 ? 0 : Atomics.load(words, at + STATE_WORD.TAIL_HIGH);
      if (Atomics.load(words, TAIL) !== tail) continue;
      const carry = tail >>> 0 < position >>> 0 ? 1 : 0;
      return at !== -1 && ((tail - position) >>> 0) <= capacity &&
        high === ((this.#positionHigh + carry) | 0);
    }
    return false;
  }

  /**
   * Goes on with the oldest message that can be read, or at the tail, and counts what is missed. Returns
   * `false` if that fails.
   */
  #resync(atTail: boolean): boolean {
    const state = readState(this.#words);
    if (state === undefined) return this.#spoil(NO_STATE);
    const oldest = findOldest(this.memory, state, atTail ? 0 : Infinity, this.#reach);
    // To walk far takes long: a subscriber that is a little too slow would be overrun in it each time. The
    // longest message fits a quarter of the ring, so the newest one is found
    this.#reach = this.#capacity / 4;
    if (oldest === undefined) {
      const now = readState(this.#words);
      // A walk that lasts for 4 GiB sees records of two rounds
      if (now !== undefined && now.end - state.end > this.#capacity) return true;
      return this.#spoil(NO_RECORD);
    }
    const expected = this.next;
    const position = (this.#positionHigh >>> 0) * TWO_32 + (this.#position >>> 0);
    const missed = state.count + 1 - oldest.messages - expected;
    if (missed < 0 || state.end - oldest.behind < position) {
      return this.#spoil(`its tail went back to ${state.end}, behind position ${position}`);
    }
    this.#moveTo(state, oldest);
    this.#count(missed);
    return true;
  }

  /** Moves to a record, or to the tail. */
  #moveTo({ end, count }: LaneState, { behind, messages }: OldRecord): void {
    const position = end - behind;
    const next = count + 1 - messages;
    this.#position = position | 0;
    this.#positionHigh = (position / TWO_32) | 0;
    this.#nextLow = next | 0;
    this.#nextHigh = (next / TWO_32) | 0;
  }

  #count(missed: number): void {
    this.#missed += missed;
    this.#unreported += missed;
  }

  /** Records that the lane cannot be read, and starts again at its tail. Returns `false`. */
  #spoil(what: string): false {
    this.#failure = this.#corrupt(what);
    this.#copy.owner = undefined;
    return this.#restart();
  }

  /** Starts again at the tail, if the lane has a state for it. Returns `false`: there is no message. */
  #restart(): false {
    const state = readState(this.#words);
    this.#lost = state === undefined;
    if (state === undefined) {
      this.#failure ??= this.#corrupt(NO_STATE);
      this.#position = Atomics.load(this.#words, TAIL);
      return false;
    }
    const expected = this.next;
    this.#moveTo(state, AT_TAIL);
    // What was not read is missed. A subscriber that has just started expects nothing
    if (expected > 0) this.#count(Math.max(0, this.next - expected));
    return false;
  }
}
