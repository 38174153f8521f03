/**
 * A serial queue: it runs asynchronous tasks one at a time, in the order of the calls.
 * Internal: used by mailbox and channel.
 */

import { carryOut, type Waiting } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import { Deadline } from "./deadline.ts";
import type { WaitLimits } from "./wait_schedule.ts";

/** A fulfilled promise: its callbacks run with the next microtask. */
const NOW: Promise<void> = Promise.resolve();

/** A queue of the waits of one object in this process. */
export class SerialQueue {
  #last: Promise<void> = NOW;
  #waiting = 0;
  #handing = false;
  #handed: unknown;

  /** How many tasks are under way or wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether a value passed to `handOver` has not reached its caller yet. */
  get handing(): boolean {
    return this.#handing;
  }

  /**
   * Returns a promise of `value`, which was available without waiting for a turn. Until the value
   * reaches its caller, all other tasks wait for their turn.
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
   * Runs `work` when all tasks before it are over and the {@linkcode yieldBudget} allows it. The signal
   * and the deadline (`expired` makes its error) also end a task that waits for its turn. The promise
   * settles when the work ends, before any other task starts.
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
      // If this task stopped waiting, the next one still waits for the tasks before this one
      before.then(endTurn);
    };
    // Attached first, so it has run before the caller of `run` continues
    result.then(over, over);
    return result;
  }
}

/** A timer that is set to more than this, 25 days, fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for `before`, unless the signal or the deadline comes first. */
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
