/**
 * Waiting, written once for both kinds of caller.
 *
 * What waits is a generator: it looks at the shared state, and where it cannot go on it yields a
 * {@linkcode Wait}. `waitSync` carries that out by blocking the thread, `waitAsync` by a promise. So
 * each protocol stands in one place, and cleaning up after an abort is the generator's `catch` and
 * `finally`.
 */

import { yieldBudget } from "./yield_budget.ts";

/** Begins what gives a promise, so that what is refused at once rejects too. */
export function promised<Result>(begin: () => Promise<Result>): Promise<Result> {
  try {
    return begin();
  } catch (failure) {
    return Promise.reject(failure);
  }
}

/** One slice of waiting. Whether it ended by a wake, by its time or early is for the waiter to see. */
export interface Wait {
  /** Blocks this thread. */
  block(): void;
  /** The same as a promise. */
  sleep(): Promise<unknown>;
  /**
   * The same with a function that is called when it is over, later and once; `false` if that cannot be.
   * To be preferred to `sleep` where it is there: no promise stands between the waker and the work.
   */
  listen?(done: () => void): boolean;
  /** Ends a wait under way soon, if that is possible; it ends by itself within its slice. */
  interrupt?(): void;
}

/** Nobody changes it: what waits on it waits for time to pass. */
const clock = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** A wait for nothing but `ms` milliseconds to pass. */
export function pause(ms: number): Wait {
  let end: (() => void) | undefined;
  return {
    block: () => void Atomics.wait(clock, 0, 0, ms),
    sleep: () =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    interrupt: () => end?.(),
  };
}

/** A piece of work that waits now and then. */
export type Waiting<Result> = Generator<Wait, Result, void>;

/** Carries out `work`, blocking the thread. What a wait throws is thrown inside `work` where it waits. */
export function waitSync<Result>(work: Waiting<Result>): Result {
  let step = work.next();
  while (step.done !== true) {
    try {
      step.value.block();
    } catch (failure) {
      step = work.throw(failure);
      continue;
    }
    step = work.next();
  }
  return step.value;
}

/**
 * Carries out `work` without blocking the thread. When `signal` aborts, its reason is thrown inside
 * `work` where it waits, once, after the slice under way has ended: nothing is left running, and
 * `work` may wait on for what it must still settle. So is what a wait itself throws.
 *
 * Work that never waits is done when this returns, and its promise spends the {@linkcode yieldBudget}.
 */
export function waitAsync<Result>(work: Waiting<Result>, signal?: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    let atOnce = true;
    const settle = (how: () => void): void => {
      const pause = atOnce ? yieldBudget.pause() : undefined;
      if (pause === undefined) how();
      else pause.then(how);
    };
    carryOut(
      work,
      signal,
      (result) => settle(() => resolve(result)),
      (failure) => settle(() => reject(failure)),
    );
    atOnce = false;
  });
}

/** As {@linkcode waitAsync}, for callers who have asked the budget: calls one of the two in the end. */
export function carryOut<Result>(
  work: Waiting<Result>,
  signal: AbortSignal | undefined,
  resolve: (result: Result) => void,
  reject: (failure: unknown) => void,
): void {
  let wait: Wait | undefined;
  let aborted = false;
  const interrupt = (): void => wait?.interrupt?.();

  const proceed = (): void => follow(false, undefined);
  const fail = (reason: unknown): void => follow(true, reason);

  const follow = (failed: boolean, reason: unknown): void => {
    if (wait !== undefined) yieldBudget.refill();
    try {
      if (signal?.aborted === true && !aborted && !failed) {
        aborted = failed = true;
        reason = signal.reason;
      }
      const step = failed ? work.throw(reason) : work.next();
      if (step.done !== true) return begin(step.value);
      resolve(step.value);
    } catch (failure) {
      reject(failure);
    }
    signal?.removeEventListener("abort", interrupt);
  };

  const begin = (next: Wait): void => {
    wait = next;
    try {
      if (next.listen?.(proceed) !== true) next.sleep().then(proceed, fail);
    } catch (failure) {
      fail(failure);
    }
  };

  signal?.addEventListener("abort", interrupt);
  proceed();
}
