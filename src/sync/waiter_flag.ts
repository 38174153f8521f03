/**
 * The flag with which a sleeping peer asks others to wake it, and the wake itself: one word of shared
 * memory, which the sleeper sets to 1 and a waker exchanges for 0.
 */

import type { Segment } from "../sysv/segment.ts";
import type { Wait } from "../sysv/wait.ts";
import { AsyncFutex } from "./async_futex.ts";
import { AtomicInt32, changedFrom } from "./atomic_int32.ts";

/** A word that is 1 while a peer sleeps on it, with the operations of the sleeper and the waker. */
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
   * Wakes every peer that sleeps or is about to. Call it right after the store that they wait for.
   *
   * SYNC asleep: each side stores first and loads second, in one order for all (sequential consistency).
   * So either this load sees the sleeper's 1, or the sleeper's load sees what was stored before.
   */
  wake(): void {
    if (Atomics.load(this.#words, this.#index) !== 0) this.#wake();
  }

  #wake(): void {
    if (Atomics.exchange(this.#words, this.#index, 0) !== 0) this.#word.notify();
  }

  /** Announces that we are about to sleep. The caller must check its condition again after this. */
  announce(): void {
    // SYNC asleep: this store comes before that check
    Atomics.store(this.#words, this.#index, 1);
  }

  /**
   * Sleeps until another peer wakes us, at most `ms` milliseconds. A peer that is killed before its wake
   * does not wake us: every 100 ms `ended` checks for what the wait is for.
   */
  sleep(ms: number, ended?: () => boolean): Wait {
    return changedFrom(this.#word, 1, ms, this.#futex, ended);
  }

  /** Ends our `sleep` if one is under way, and releases the futex. */
  close(): void {
    if (this.#words.length > 0) this.wake();
    this.#futex.close();
  }

  /** Clears the flag: we are awake. */
  retract(): void {
    if (this.#words.length > 0) Atomics.store(this.#words, this.#index, 0);
  }
}
