/**
 * The end of a stream of messages: there was a producer, none is left, and all messages were received. And
 * how many producers died instead of closing. Internal: used by `consumer.ts`.
 */

import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { SEMAPHORE } from "./descriptor.ts";
import type { LaneRotation } from "./lane_rotation.ts";
import { LANE_WORD } from "./lane_words.ts";

const { OPENED, CLOSED, TAIL, HEAD } = LANE_WORD;

/** The number of times to read again while producers come and go. */
const TRIES = 3;

/** The producers of a channel, as seen since its consumer was opened. */
export class EndOfStream {
  readonly #set: SemaphoreSet;
  readonly #lanes: LaneRotation;
  /** The words of each lane. */
  readonly #words: readonly Int32Array<ArrayBuffer>[];
  /** How often each lane had been opened at the start: shows which producers came later. */
  readonly #opened: readonly number[];
  /** How many producers of each lane had died before the start and left no message. */
  readonly #diedBefore: readonly number[];
  #producerSeen: boolean;

  constructor(set: SemaphoreSet, lanes: LaneRotation) {
    this.#set = set;
    this.#lanes = lanes;
    const words = this.#words = lanes.readers.map(({ memory }) => memory.words);
    this.#opened = words.map((words) => Atomics.load(words, OPENED));
    // Read after `opened`: one of the two shows a producer that opens in between
    this.#producerSeen = this.#producerPresent;
    const died = this.#died();
    this.#diedBefore = words.map((words, lane) =>
      Atomics.load(words, TAIL) === Atomics.load(words, HEAD) ? died[lane]! : 0
    );
  }

  /** Whether there was a producer, there is none now, and no message is left. */
  get reached(): boolean {
    // Read the past producers before the present ones: one that comes in between must not count as gone
    this.#producerSeen ||= this.#lanes.hasDelivered ||
      this.#words.some((words, lane) => Atomics.load(words, OPENED) !== this.#opened[lane]);
    const present = this.#producerPresent;
    this.#producerSeen ||= present;
    // This last look sees all messages of producers that were gone by then
    return this.#producerSeen && !present && !this.#lanes.look();
  }

  get #producerPresent(): boolean {
    const values = this.#set.values();
    return this.#words.some((_, lane) => values[SEMAPHORE.LANE + lane] !== 0);
  }

  /** How many producers of each lane died since the start, or before it if the lane was not empty then. */
  get deadByLane(): number[] {
    return this.#died().map((died, lane) => Math.max(0, died - this.#diedBefore[lane]!));
  }

  /** How many producers of each lane opened it, did not close it, and no longer own it. */
  #died(): number[] {
    const counted = (): number[] =>
      this.#words.flatMap((words) => [Atomics.load(words, OPENED), Atomics.load(words, CLOSED)]);
    for (let tries = 1;; tries++) {
      const counts = counted();
      const values = this.#set.values();
      // A producer that opens or closes in between must not be counted as dead
      const still = counted().every((count, i) => count === counts[i]);
      if (!still && tries < TRIES) continue;
      return this.#words.map((_, lane) => {
        const [opened, closed] = [counts[2 * lane]!, counts[2 * lane + 1]!];
        return Math.max(0, (opened - closed - values[SEMAPHORE.LANE + lane]!) | 0);
      });
    }
  }
}
