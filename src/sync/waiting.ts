/**
 * Waiting, written once for both kinds of caller.
 *
 * What waits is a generator: it looks at the shared state, and where it cannot go on it yields a
 * {@linkcode Wait}. `waitSync` carries that out by blocking the thread, `waitAsync` by a promise. So
 * each protocol stands in one place, and cleaning up after an abort is the generator's `catch` and
 * `finally`.
 *
 * Waits are cut into slices, because a killed peer may owe a wake and a classic peer never wakes.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { type LibcCall, ShmError } from "../../ffi/shm_error.ts";
import type { Deadline } from "./deadline.ts";

/**
 * How long a wait that blocks the thread may take.
 *
 * @example
 * ```ts
 * import { Deadline, Mutex, type WaitSyncOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: WaitSyncOptions = { deadline: Deadline.after(5_000) };
 * const mutex = Mutex.openOrCreate({ key: 0x5eed2007 });
 * {
 *   using lock = mutex.lockSync(options);
 *   assert(lock.held);
 * }
 * mutex.remove();
 * ```
 */
export interface WaitSyncOptions {
  /** When to give up; never if not said. */
  readonly deadline?: Deadline;
}

/**
 * As {@linkcode WaitSyncOptions}, and what can end a promise's wait.
 *
 * @example
 * ```ts
 * import { Segment, type WaitOptions, Word } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: WaitOptions = { signal: AbortSignal.timeout(10) };
 * using segment = Segment.create({ size: 64 });
 * segment.remove();
 * await assert.rejects(new Word(segment, 0).wait(0, options), { name: "TimeoutError" });
 * ```
 */
export interface WaitOptions extends WaitSyncOptions {
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
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
 */
export function waitAsync<Result>(work: Waiting<Result>, signal?: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    let wait: Wait | undefined;
    let aborted = false;
    const interrupt = (): void => wait?.interrupt?.();

    const proceed = (): void => follow(false, undefined);
    const fail = (reason: unknown): void => follow(true, reason);

    const follow = (failed: boolean, reason: unknown): void => {
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

    signal?.throwIfAborted();
    signal?.addEventListener("abort", interrupt);
    proceed();
  });
}

/** A sleeping peer looks again at least this often, in milliseconds (DESIGN: crash rules). */
export const MAX_SLICE_MS = 100;

/** The first look again is soon: peers that never wake anybody are answered fast while active. */
const FIRST_SLICE_MS = 1;

/** The lengths of the slices of one wait: short ones first, each twice the last, never past the end. */
export class Slices {
  #next = FIRST_SLICE_MS;
  #waited = 0;
  readonly #deadline: Deadline;
  readonly #expired: () => ShmError;

  /** Gives up with the error of `expired` when the deadline passes. */
  constructor(deadline: Deadline, expired: () => ShmError) {
    this.#deadline = deadline;
    this.#expired = expired;
  }

  /** Milliseconds given out so far. */
  get waited(): number {
    return this.#waited;
  }

  /**
   * The length of the next slice in milliseconds. `woken` says that whoever ends the wait is sure to
   * wake us, so that there is no need to look soon.
   *
   * @throws {ShmError} the deadline has passed
   */
  next({ woken = false }: { readonly woken?: boolean } = {}): number {
    const left = this.#deadline.remaining;
    if (left === 0) throw this.#expired();
    const slice = Math.min(woken ? MAX_SLICE_MS : this.#next, left);
    if (!woken) this.#next = Math.min(this.#next * 2, MAX_SLICE_MS);
    this.#waited += slice;
    return slice;
  }
}

/** The error of a wait that was given up. */
export function timedOut(
  action: string,
  call: LibcCall,
  details: {
    readonly key?: number | undefined;
    readonly id?: number | undefined;
    readonly remedy?: string | undefined;
  },
): ShmError {
  return new ShmError(action, call, ERRNO.ETIMEDOUT, details);
}
