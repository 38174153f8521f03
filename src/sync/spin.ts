/**
 * Looking again and again for a short while, before sleeping: who is answered within microseconds needs
 * no system call. For the rooms to the right.
 */

/**
 * How long to look before sleeping, in microseconds, if the caller does not say: about what going to
 * sleep and being woken costs, so that spinning in vain at most doubles it.
 */
export const USUAL_SPIN_US = 50;

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

/**
 * Checks what a caller says.
 *
 * @throws {RangeError} not 0 or more microseconds, at most a second
 */
export function checkSpin(microseconds: number): number {
  if (microseconds >= 0 && microseconds <= 1_000_000) return microseconds;
  throw new RangeError(`spin ${microseconds} is not from 0 to 1000000 microseconds`);
}
