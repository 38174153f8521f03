/**
 * How long waits last: the options of a caller, and the slices of a wait. Waits are sliced because a killed
 * peer may not have sent its wake, and a classic peer never sends one.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { type LibcCall, ShmError } from "../../ffi/shm_error.ts";
import { checkSignal, checkTimeout, optionsReader, type Read } from "../layout/arguments.ts";
import { promised, waitAsync, type Waiting, waitSync } from "../sysv/wait.ts";
import { Deadline } from "./deadline.ts";

/** How long a wait that blocks the thread may take. */
export interface WaitSyncOptions {
  /** Milliseconds to wait at most; then `ETIMEDOUT`. Defaults to no limit. */
  readonly timeout?: number;
}

/** As {@linkcode WaitSyncOptions}, and what can end a promise's wait. */
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
  if (read.timeout === undefined) return read;
  const { timeout, ...rest } = read;
  return { ...rest, deadline: Deadline.after(timeout) };
}

const readSync = optionsReader(WAIT_SYNC);

/** Reads {@linkcode WaitOptions} of several waits: each of them has the whole timeout. */
export const readEachWaitOptions: (options: unknown) => Read<typeof WAIT> = optionsReader(WAIT);

/** Reads {@linkcode WaitSyncOptions}. */
export function readWaitSyncOptions(options: unknown): Limited<WaitSyncOptions> {
  return withDeadline<WaitSyncOptions>(readSync(options));
}

/** Reads {@linkcode WaitOptions}. */
export function readWaitOptions(options: unknown): WaitLimits {
  return withDeadline<WaitOptions>(readEachWaitOptions(options));
}

/** Does `work` with a promise, within the limits of {@linkcode WaitOptions}. */
export function waitWithin<Result>(
  options: unknown,
  work: (deadline: Deadline) => Waiting<Result>,
): Promise<Result> {
  return promised(() => {
    const { deadline = Deadline.never, signal } = readWaitOptions(options);
    return waitAsync(work(deadline), signal);
  });
}

/** Does `work` blocking the thread, within the limits of {@linkcode WaitSyncOptions}. */
export function waitWithinSync<Result>(
  options: unknown,
  work: (deadline: Deadline) => Waiting<Result>,
): Result {
  const { deadline = Deadline.never } = readWaitSyncOptions(options);
  return waitSync(work(deadline));
}

/** A sleeping peer checks again after at most this many milliseconds. */
export const MAX_SLICE_MS = 100;

/**
 * A waiter that checks the memory by itself in the meantime asks the kernel after at most this many
 * milliseconds whether its objects still exist.
 */
const MAX_CHECKED_SLICE_MS = 1_000;

/** The first slice is short, so peers that never wake others get fast answers while they are active. */
const FIRST_SLICE_MS = 1;

/** The lengths of the slices of one wait: each is twice the one before, up to the maximum or the end. */
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

  /** The sum of the slices so far, in milliseconds. */
  get waited(): number {
    return this.#waited;
  }

  /**
   * The length of the next slice in milliseconds. Pass `woken` if every peer that can end the wait also
   * wakes this one, so that short slices are not needed. Pass `checked` if the wait itself checks the
   * memory every {@linkcode MAX_SLICE_MS}: once it has lasted that long, slices are longer.
   *
   * @throws {ShmError} the error of `expired`, if the wait timed out
   */
  next({ woken = false, checked = false }: {
    readonly woken?: boolean;
    readonly checked?: boolean;
  } = {}): number {
    const left = this.#deadline.remaining;
    if (left === 0) throw this.#expired();
    const longest = checked && this.#waited >= MAX_SLICE_MS ? MAX_CHECKED_SLICE_MS : MAX_SLICE_MS;
    const slice = Math.min(woken ? longest : this.#next, left);
    if (!woken) this.#next = Math.min(this.#next * 2, longest);
    this.#waited += slice;
    return slice;
  }
}

/** The error of a wait that timed out. */
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
