/**
 * The flag by which a peer that sleeps tells others to wake it, and the wake itself: one word of shared
 * memory, which the sleeper stores and a waker exchanges for 0.
 */

import type { Segment } from "../sysv/segment.ts";
import type { Wait } from "../sysv/wait.ts";
import { AsyncFutex } from "./async_futex.ts";
import { AtomicInt32 } from "./atomic_int32.ts";

/** A word that says whether somebody sleeps, and those who are to be woken by it. */
export class WaiterFlag {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #index: number;
  readonly #word: AtomicInt32;
  readonly #futex = new AsyncFutex();

  /** The word `index` of `words`, which is at `offset` of the segment. */
  constructor(
    segment: Segment,
    words: Int32Array<ArrayBuffer>,
    index: number,
    offset: number,
  ) {
    this.#words = words;
    this.#index = index;
    this.#word = new AtomicInt32(segment, offset);
  }

  /**
   * Wakes whoever sleeps, or is about to. To be called right after the store they wait for.
   *
   * SYNC asleep: both sides store first and load then, in one order for all (sequential consistency).
   * So either this load sees the sleeper's 1, or the sleeper's look sees what was stored before.
   */
  wake(): void {
    if (Atomics.load(this.#words, this.#index) !== 0) this.#wake();
  }

  #wake(): void {
    if (Atomics.exchange(this.#words, this.#index, 0) !== 0) this.#word.notify();
  }

  /** Says that we are about to sleep. What is waited for is to be looked at after this. */
  announce(): void {
    // SYNC asleep: this store comes before that look
    Atomics.store(this.#words, this.#index, 1);
  }

  /** Sleeps until somebody wakes us, at most `ms` milliseconds. */
  sleep(ms: number): Wait {
    return this.#word.changedFrom(1, ms, this.#futex);
  }

  /** Wakes a `sleep` of ours that is under way, for good. */
  close(): void {
    if (this.#words.length > 0) this.wake();
    this.#futex.close();
  }

  /** Says that we are awake. */
  retract(): void {
    if (this.#words.length > 0) Atomics.store(this.#words, this.#index, 0);
  }
}
