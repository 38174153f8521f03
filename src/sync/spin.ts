/**
 * Looking again and again for a short while, before sleeping: who is answered within microseconds needs
 * no system call. For the rooms to the right.
 */

import { checkNumber } from "../layout/arguments.ts";

/**
 * How long to look before sleeping, in microseconds, if the caller does not say: about what going to
 * sleep and being woken on the event loop costs, so that spinning in vain at most doubles it.
 */
export const USUAL_SPIN_US = 250;

/** Looks between two looks at the clock. */
const LOOKS = 32;

/** Whether `ready` says so within `microseconds`; asks it at least once. */
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

/** So many short sleeps at most go by before spinning is tried again. */
const MOST_RESTS = 64;

/**
 * Spins only while it pays. After a long sleep it does not, until one is short. Where it was in vain
 * though sleeps are short, as it is where both sides share a core, it is tried again ever more rarely, and
 * each time that it was not in vain makes that half as rare.
 */
export class Spinning {
  readonly #microseconds: number;
  /** Short sleeps to go until spinning is tried again. */
  #rests = 0;
  /** What {@linkcode Spinning.#rests} begins with when it is in vain again. */
  #nextRests = 1;
  #began = 0;
  /** The same on the coarse clock, in milliseconds. */
  #beganAbout = 0;

  constructor(microseconds: number) {
    this.#microseconds = checkSpin(microseconds);
  }

  /** As {@linkcode spin}, with no time while that does not pay. */
  look(ready: () => boolean): boolean {
    const spins = this.#rests === 0 && this.#microseconds > 0;
    const found = spin(spins ? this.#microseconds : 0, ready);
    if (!spins) return found;
    if (found) this.#nextRests = Math.max(1, this.#nextRests >> 1);
    else {
      this.#rests = this.#nextRests;
      this.#nextRests = Math.min(2 * this.#nextRests, MOST_RESTS);
    }
    return found;
  }

  /** Says that a sleep begins. */
  sleeps(): void {
    this.#began = performance.now();
    this.#beganAbout = Date.now();
  }

  /** Says that it is over: was it so short that looking on might have been better? */
  woke(): void {
    const short = 2 * this.#microseconds;
    // After a long sleep the fine clock takes microseconds, in which somebody waits; the coarse one does not
    const wasShort = (Date.now() - this.#beganAbout - 1) * 1000 < short &&
      (performance.now() - this.#began) * 1000 < short;
    if (!wasShort) this.#rests = 1;
    else if (this.#rests > 0) this.#rests--;
  }
}

/**
 * Checks what a caller says.
 *
 * @throws {RangeError} not 0 or more microseconds, at most a second
 */
export function checkSpin(value: unknown): number {
  const microseconds = checkNumber(value, "spin");
  if (microseconds >= 0 && microseconds <= 1_000_000) return microseconds;
  throw new RangeError(`spin ${microseconds} is not from 0 to 1000000 microseconds`);
}
