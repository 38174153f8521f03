/**
 * Turns: asynchronous work of which one piece is under way at a time, in the order it was asked for.
 * For the rooms to the right.
 */

import { Deadline } from "./deadline.ts";
import type { WaitOptions } from "./waiting.ts";

/** A queue of one process's own waits. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** How many pieces of work are under way or wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Does `work` when all before it is over. While it waits for that, the signal and the deadline
   * (`expired` makes its error) end it too.
   */
  take<Result>(
    { signal, deadline = Deadline.never }: WaitOptions,
    expired: () => Error,
    work: () => Promise<Result>,
  ): Promise<Result> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    const result = this.#waiting++ === 0
      ? work()
      : ended(before, signal, deadline, expired).then(() => {
        signal?.throwIfAborted();
        return work();
      });
    const over = (): void => {
      this.#waiting--;
      // Who gave up waiting lets nobody overtake those before it
      before.then(resolve);
    };
    // Not in between: whoever awaits the result is woken by it, and finds this done
    result.then(over, over);
    return result;
  }
}

/** Waits for `before`, unless the signal or the deadline is faster. */
async function ended(
  before: Promise<unknown>,
  signal: AbortSignal | undefined,
  deadline: Deadline,
  expired: () => Error,
): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const abort = (): void => stopped.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const left = deadline.remaining;
  const timer = left === Infinity ? undefined : setTimeout(() => stopped.reject(expired()), left);
  try {
    await Promise.race([before, stopped.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
    clearTimeout(timer);
  }
}
