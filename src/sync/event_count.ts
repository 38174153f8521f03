/**
 * An event count: the word by which many readers of one memory ask its writers to wake them. Bit 0 is set
 * while a reader sleeps or is about to; the other bits count the wakes, so a wake adds 1 to an odd word.
 *
 * A flag that is 1 or 0 is not enough where several readers share it: between the last check of a reader
 * and its sleep, a writer may wake all and another reader may set the flag again. The first one would then
 * sleep on the value that it expects. A count has another value after each wake.
 *
 * SYNC waiting: each side stores first and loads second, in one order for all (sequential consistency). A
 * reader sets bit 0 and then looks for what it waits for; a writer publishes and then loads the word. So
 * either the reader sees what was published, or the writer sees the bit.
 *
 * Internal: used by the protocols whose readers are many.
 */

import { memoryOf, type Segment } from "../sysv/segment.ts";
import type { Wait } from "../sysv/wait.ts";
import { AsyncFutex } from "./async_futex.ts";
import { AtomicInt32, changedFrom } from "./atomic_int32.ts";

/** The bit that says that a reader sleeps or is about to. */
const SLEEPING = 1;

/** The event count of one reader or one writer; all of them share the word. */
export class EventCount {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #word: AtomicInt32;
  readonly #futex = new AsyncFutex();
  readonly #readOnly: boolean;

  /** The word at `offset` of the segment. */
  constructor(segment: Segment, offset: number) {
    this.#words = new Int32Array(memoryOf(segment, "use an event count").buffer, offset, 1);
    this.#word = new AtomicInt32(segment, offset);
    this.#readOnly = segment.readOnly;
  }

  /** Wakes all readers that sleep or are about to. Call it right after the store that they wait for. */
  wake(): void {
    if ((Atomics.load(this.#words, 0) & SLEEPING) !== 0) this.#wake();
  }

  #wake(): void {
    // Where two writers add at once the word is odd again, which costs the next one a wake
    Atomics.add(this.#words, 0, 1);
    this.#word.notify();
  }

  /**
   * Announces that we are about to sleep, and returns the count to sleep on. The caller must check its
   * condition again after this. A reader without write access cannot announce anything: it sleeps for
   * short times, and is woken earlier if another reader has announced itself.
   */
  announce(): number {
    // SYNC waiting: this store comes before that check
    return this.#readOnly
      ? Atomics.load(this.#words, 0)
      : Atomics.or(this.#words, 0, SLEEPING) | SLEEPING;
  }

  /** Sleeps at most `ms` milliseconds until the count differs from `count`. Calls `ended` every 100 ms. */
  sleep(count: number, ms: number, ended?: () => boolean): Wait {
    return changedFrom(this.#word, count, ms, this.#futex, ended);
  }

  /** Ends our sleep if one is under way, and releases the futex. */
  close(): void {
    // Other readers wake too, look, and sleep again
    if (this.#words.length > 0) this.#word.notify();
    this.#futex.close();
  }
}
