/**
 * Deadlines: points in time at which a wait ends. A timeout is relative and starts again with every
 * step of a long wait; a deadline is absolute and does not.
 */

import { checkTimeout } from "../layout/arguments.ts";

/** A point in time on this process's monotonic clock. */
export class Deadline {
  static readonly #never = new Deadline(Infinity);
  readonly #at: number;

  private constructor(at: number) {
    this.#at = at;
    Object.freeze(this);
  }

  /** The deadline that never passes. */
  static get never(): Deadline {
    return Deadline.#never;
  }

  /**
   * The deadline `ms` milliseconds from now. With 0 it has already passed.
   *
   * @throws {RangeError} negative or not a number
   */
  static after(ms: number): Deadline {
    return new Deadline(performance.now() + checkTimeout(ms, "ms"));
  }

  /** Milliseconds left, at least 0. */
  get remaining(): number {
    // Many waits have no deadline, and in cold code reading the clock takes microseconds
    return this.#at === Infinity ? Infinity : Math.max(0, this.#at - performance.now());
  }

  /** Whether the deadline has passed. */
  get passed(): boolean {
    return this.remaining === 0;
  }
}
