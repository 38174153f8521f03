/**
 * Waiting, written once for blocking and asynchronous callers.
 *
 * A generator does the work. It reads the shared state and yields a {@linkcode Wait} if it cannot
 * continue. `waitSync` performs the wait by blocking the thread, `waitAsync` with a promise. So each
 * protocol is written once, and the generator's `catch` and `finally` clean up after an abort.
 */

import { yieldBudget } from "./yield_budget.ts";

/** Calls a function that returns a promise, and turns an exception into a rejection. */
export function promised<Result>(begin: () => Promise<Result>): Promise<Result> {
  try {
    return begin();
  } catch (failure) {
    return Promise.reject(failure);
  }
}

/** One slice of a wait. The waiter itself checks whether a wake, the time or an interrupt ended it. */
export interface Wait {
  /** Blocks this thread. */
  block(): void;
  /** Waits with a promise. */
  sleep(): Promise<unknown>;
  /**
   * Waits and then calls `done`, later and once. Returns `false` if that is not possible. Prefer it to
   * `sleep` where it exists: it needs no promise between the waker and the work.
   */
  listen?(done: () => void): boolean;
  /** Ends the current wait soon, if possible. Without it, the wait ends within its slice. */
  interrupt?(): void;
}

/** A value that never changes: a wait on it only lets time pass. */
const clock = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Returns a wait that only lets `ms` milliseconds pass. */
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

/** Work that yields its waits. */
export type Waiting<Result> = Generator<Wait, Result, void>;

/** Runs `work` and blocks the thread in its waits. An error of a wait is thrown inside `work`. */
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
 * Runs `work` without blocking the thread. When `signal` aborts, its reason is thrown inside `work`, once,
 * after the current slice has ended. So no wait is left running, and `work` may continue to wait for what
 * it must still settle. An error of a wait is also thrown inside `work`.
 *
 * Work that never waits is complete when this returns. Its promise spends the {@linkcode yieldBudget}.
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

/** Like {@linkcode waitAsync}, but calls `resolve` or `reject`. The caller has already spent the budget. */
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
