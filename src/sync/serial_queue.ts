/**
 * SerialQueue: asynchronous work of which one piece is under way at a time, in the order it was asked for.
 * For the rooms to the right.
 */

import { carryOut, type Waiting } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import { Deadline } from "./deadline.ts";
import type { WaitLimits } from "./wait_schedule.ts";

/** A promise that is fulfilled: what follows it comes with the next microtask. */
const NOW: Promise<void> = Promise.resolve();

/** A queue of one process's own waits. */
export class SerialQueue {
  #last: Promise<void> = NOW;
  #waiting = 0;
  #handing = false;
  #handed: unknown;

  /** How many pieces of work are under way or wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether a value of `handOver` has not reached its caller yet. */
  get handing(): boolean {
    return this.#handing;
  }

  /**
   * A promise of `value`, which was had without waiting for a turn. Until its caller has it, all others
   * wait for their turn.
   */
  handOver<Value>(value: Value): Promise<Value> {
    this.#handing = true;
    this.#handed = value;
    return NOW.then(this.#arrive) as Promise<Value>;
  }

  readonly #arrive = (): unknown => {
    const value = this.#handed;
    this.#handing = false;
    this.#handed = undefined;
    return value;
  };

  /**
   * Does `work` when all before it is over and the {@linkcode yieldBudget} allows it. While it waits for
   * its turn, the signal and the deadline (`expired` makes its error) end it too. The promise settles in
   * the moment the work ends: nobody comes in between.
   */
  run<Result>(
    { signal, deadline = Deadline.never }: WaitLimits,
    expired: () => Error,
    work: () => Waiting<Result>,
  ): Promise<Result> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const before = this.#last;
    const { promise: turn, resolve: endTurn } = Promise.withResolvers<void>();
    this.#last = turn;
    const first = this.#waiting++ === 0 && !this.#handing;
    const result = new Promise<Result>((resolve, reject) => {
      const begin = (): void => carryOut(work(), signal, resolve, reject);
      const pause = yieldBudget.pause();
      if (!first) ended(before, signal, deadline, expired).then(begin, reject);
      else if (pause === undefined) begin();
      else pause.then(begin);
    });
    const over = (): void => {
      this.#waiting--;
      // Who gave up waiting lets nobody overtake those before it
      before.then(endTurn);
    };
    // Not in between: whoever awaits the result is woken by it, and finds this done
    result.then(over, over);
    return result;
  }
}

/** A timer that is to run longer, 25 days, runs out at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
  const timer = left > LONGEST_TIMER_MS
    ? undefined
    : setTimeout(() => stopped.reject(expired()), left);
  try {
    await Promise.race([before, stopped.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
    if (timer !== undefined) clearTimeout(timer);
  }
}
