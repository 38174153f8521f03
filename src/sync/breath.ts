/**
 * Letting the event loop breathe: promises that are always fulfilled at once keep timers, signals and
 * other work waiting for ever. For the rooms to the right.
 */

import { setImmediate } from "node:timers";

/** How long promises may follow each other before everything else gets its turn, in milliseconds. */
const BREATH_MS = 5;

/** Promises between two looks at the clock. */
const LOOKS = 64;

/** Says now and then that it is time. */
export class Breath {
  /** When the last one was over, or the first time after it that we looked at the clock. */
  #since: number | undefined;
  #count = 0;

  /** To be asked at each promise that could be fulfilled at once: whether to `take` a breath first. */
  get due(): boolean {
    if (++this.#count < LOOKS) return false;
    this.#count = 0;
    const now = performance.now();
    this.#since ??= now;
    return now - this.#since > BREATH_MS;
  }

  /** Lets everything else have its turn. */
  async take(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.taken();
  }

  /**
   * Says that everything else has just had its turn. It looks at no clock: who has just been woken is in
   * a hurry.
   */
  taken(): void {
    this.#since = undefined;
    this.#count = 0;
  }
}
