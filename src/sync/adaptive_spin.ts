/**
 * Spinning: checks a condition repeatedly for a short time before it sleeps, because an answer within
 * microseconds needs no system call. Internal: used by mailbox and channel.
 */

import { checkNumber } from "../layout/arguments.ts";

/**
 * How long to spin before sleeping by default, in microseconds. It is about the cost of a sleep and a wake
 * on the event loop, so spinning without success at most doubles that cost.
 */
export const DEFAULT_SPIN_US = 250;

/** Checks between two reads of the clock. */
const LOOKS = 32;

/** Whether `ready` returns `true` within `microseconds`. Calls it at least once. */
export function spin(microseconds: number, ready: () => boolean): boolean {
  if (ready()) return true;
  if (microseconds === 0) return false;
  const end = performance.now() + microseconds / 1000;
  do {
    for (let look = 0; look < LOOKS; look++) {
      if (ready()) return true;
      Atomics.pause();
    }
  } while (performance.now() < end);
  return false;
}

/** The largest number of short sleeps before spinning is tried again. */
const MOST_RESTS = 64;

/** A wait follows a silence if it begins more than this many milliseconds after the last one ended. */
const SILENCE_MS = 1;

/**
 * Spins only while it pays. It does not spin in the first wait after a silence or a long sleep, because the
 * peer is asleep too and may need this core to wake up. Where spinning fails although sleeps are short, as
 * where both sides share a core, it is tried after 1, 2, 4 and up to 64 short sleeps; each success halves
 * that number.
 */
export class AdaptiveSpin {
  readonly #microseconds: number;
  /** Short sleeps to go until spinning is tried again. */
  #rests = 0;
  /** The next start value of {@linkcode AdaptiveSpin.#rests}, after spinning fails again. */
  #nextRests = 1;
  #began = 0;
  /** The same time on the coarse clock, in milliseconds. */
  #beganAbout = 0;
  /** When the last wait ended, on the coarse clock. */
  #endedAbout = 0;
  /** Whether a first check has succeeded since then. */
  #flows = false;

  constructor(microseconds: number) {
    this.#microseconds = checkSpin(microseconds);
  }

  /** As {@linkcode spin}, but checks only once while spinning does not pay. */
  look(ready: () => boolean): boolean {
    if (ready()) return this.#flows = true;
    if (this.#rests > 0 || this.#microseconds === 0 || this.#isSilent()) return false;
    const found = spin(this.#microseconds, ready);
    this.#endedAbout = Date.now();
    if (found) this.#nextRests = Math.max(1, this.#nextRests >> 1);
    else {
      this.#rests = this.#nextRests;
      this.#nextRests = Math.min(2 * this.#nextRests, MOST_RESTS);
    }
    return found;
  }

  #isSilent(): boolean {
    const flows = this.#flows;
    this.#flows = false;
    return !flows && Date.now() - this.#endedAbout > SILENCE_MS;
  }

  /** Call it when a sleep begins. */
  sleeps(): void {
    this.#began = performance.now();
    this.#beganAbout = Date.now();
  }

  /** Call it when the sleep is over. A short one means that spinning longer might have been better. */
  woke(): void {
    const short = 2 * this.#microseconds;
    // After a long sleep the fine clock costs microseconds of latency, and the coarse clock does not
    const wasShort = (Date.now() - this.#beganAbout - 1) * 1000 < short &&
      (performance.now() - this.#began) * 1000 < short;
    this.#endedAbout = Date.now();
    if (!wasShort) this.#rests = Math.max(1, this.#rests);
    else if (this.#rests > 0) this.#rests--;
  }
}

/**
 * Checks the option `spin`.
 *
 * @throws {RangeError} not 0 or more microseconds, at most a second
 */
export function checkSpin(value: unknown): number {
  const microseconds = checkNumber(value, "spin");
  if (microseconds >= 0 && microseconds <= 1_000_000) return microseconds;
  throw new RangeError(`spin ${microseconds} is not from 0 to 1000000 microseconds`);
}
