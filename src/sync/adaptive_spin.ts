/**
 * Looking again and again for a short while, before sleeping: who is answered within microseconds needs
 * no system call. For the rooms to the right.
 */

import { checkNumber } from "../layout/arguments.ts";

/**
 * How long to look before sleeping, in microseconds, if the caller does not say: about what going to
 * sleep and being woken on the event loop costs, so that spinning in vain at most doubles it.
 */
export const DEFAULT_SPIN_US = 250;

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

/** A wait that begins more than so many milliseconds after the last one ended follows a silence. */
const SILENCE_MS = 1;

/**
 * Spins only while it pays: not in the first wait after a silence or a long sleep, because the peer is
 * asleep too and may need this very core to wake up. Where spinning is in vain though sleeps are short, as
 * where both sides share a core, it is tried again ever more rarely, and each time that it is not in vain
 * makes that half as rare.
 */
export class AdaptiveSpin {
  readonly #microseconds: number;
  /** Short sleeps to go until spinning is tried again. */
  #rests = 0;
  /** What {@linkcode AdaptiveSpin.#rests} begins with when it is in vain again. */
  #nextRests = 1;
  #began = 0;
  /** The same on the coarse clock, in milliseconds. */
  #beganAbout = 0;
  /** When a wait ended last, on the coarse clock. */
  #endedAbout = 0;
  /** Whether something was there at a first look since then. */
  #flows = false;

  constructor(microseconds: number) {
    this.#microseconds = checkSpin(microseconds);
  }

  /** As {@linkcode spin}, with no time while that does not pay. */
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
    this.#endedAbout = Date.now();
    if (!wasShort) this.#rests = Math.max(1, this.#rests);
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
