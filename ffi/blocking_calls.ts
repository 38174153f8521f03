/**
 * Calls that block one of Deno's threads. An event loop has 32 threads for all its work, including file
 * reads and name look-ups. So only a few of these calls run at a time and the others wait for a turn.
 * Internal: used by `src/sysv` and `src/sync`.
 */

/** The largest number of calls of one kind that run at a time. */
const MOST = 4;

/** How long a call waits at least for its turn before its caller checks the state, in milliseconds. */
const LOOK_MS = 5;

/** With more waiting calls each checks less often, so that all check at most 10 000 times a second. */
const LOOKS_PER_MS = 10;

/** Runs calls of one kind. */
export class BlockingCalls {
  readonly #most: number;
  readonly #lookMs: number;
  #running = 0;
  /** The calls that wait for a turn, in their order. */
  readonly #waiting = new Set<() => void>();

  constructor(most: number = MOST, lookMs: number = LOOK_MS) {
    this.#most = most;
    this.#lookMs = lookMs;
  }

  /**
   * Makes `call` with the rest of `ms` milliseconds, and returns its result. Returns `undefined` if its
   * turn did not come soon enough: then the caller checks the state that it waits for, and calls again.
   */
  async run<Result>(
    ms: number,
    call: (ms: number) => Promise<Result>,
  ): Promise<Result | undefined> {
    const began = performance.now();
    if (this.#running >= this.#most) {
      if (
        !await this.#turn(Math.min(ms, Math.max(this.#lookMs, this.#waiting.size / LOOKS_PER_MS)))
      ) {
        return undefined;
      }
    } else this.#running++;
    try {
      return await call(Math.max(0, ms - (performance.now() - began)));
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Waits for a turn. Returns whether it came within `ms` milliseconds. */
  #turn(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const ours = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(ours);
      resolve(true);
    };
    const timer = setTimeout(() => {
      this.#waiting.delete(ours);
      resolve(false);
    }, ms);
    this.#waiting.add(ours);
    return promise;
  }
}
