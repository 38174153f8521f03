/**
 * How long waits last: what a caller can say about it, and the slices that waits are cut into, because
 * a killed peer may owe a wake and a classic peer never wakes.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { type LibcCall, ShmError } from "../../ffi/shm_error.ts";
import { checkSignal, checkTimeout, optionsReader } from "../layout/arguments.ts";
import { Deadline } from "./deadline.ts";

/**
 * How long a wait that blocks the thread may take.
 *
 * @example
 * ```ts
 * import { Mutex, type WaitSyncOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: WaitSyncOptions = { timeout: 5_000 };
 * const mutex = Mutex.openOrCreate({ key: 0x5eed2007 });
 * {
 *   using lock = mutex.lockSync(options);
 *   assert(lock.held);
 * }
 * mutex.remove();
 * ```
 */
export interface WaitSyncOptions {
  /** Milliseconds to wait at most; then `ETIMEDOUT`. Defaults to no limit. */
  readonly timeout?: number;
}

/**
 * As {@linkcode WaitSyncOptions}, and what can end a promise's wait.
 *
 * @example
 * ```ts
 * import { Segment, type WaitOptions, AtomicInt32 } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: WaitOptions = { signal: AbortSignal.timeout(10) };
 * using segment = Segment.create({ size: 64 });
 * segment.remove();
 * await assert.rejects(new AtomicInt32(segment, 0).wait(0, options), { name: "TimeoutError" });
 * ```
 */
export interface WaitOptions extends WaitSyncOptions {
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

/** What an object with {@linkcode WaitSyncOptions} may hold. */
export const WAIT_SYNC = { timeout: checkTimeout };

/** What an object with {@linkcode WaitOptions} may hold. */
export const WAIT = { ...WAIT_SYNC, signal: checkSignal };

/** Options as the waits inside have them: with the deadline that a timeout is once the call begins. */
export type Limited<Options> = Omit<Options, "timeout"> & { readonly deadline?: Deadline };

/** The limits of a wait, inside. */
export type WaitLimits = Limited<WaitOptions>;

/** Puts a deadline, from now on, in the place of the timeout. */
export function withDeadline<Options extends { readonly timeout?: number }>(
  read: Options,
): Limited<Options> {
  const { timeout, ...rest } = read;
  return timeout === undefined ? read : { ...rest, deadline: Deadline.after(timeout) };
}

const readSync = optionsReader(WAIT_SYNC);
const readAsync = optionsReader(WAIT);

/** Reads {@linkcode WaitSyncOptions}. */
export function readWaitSyncOptions(options: unknown): Limited<WaitSyncOptions> {
  return withDeadline<WaitSyncOptions>(readSync(options));
}

/** Reads {@linkcode WaitOptions}. */
export function readWaitOptions(options: unknown): WaitLimits {
  return withDeadline<WaitOptions>(readAsync(options));
}

/** A sleeping peer looks again at least this often, in milliseconds (DESIGN: crash rules). */
export const MAX_SLICE_MS = 100;

/** The first look again is soon: peers that never wake anybody are answered fast while active. */
const FIRST_SLICE_MS = 1;

/** The lengths of the slices of one wait: short ones first, each twice the last, never past the end. */
export class WaitSchedule {
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
