/**
 * Calls that block one of Deno's threads. An event loop has 32 of them for everything, its file reads and
 * name look-ups too, so few of ours run at a time and the others take turns. Used by `src/sysv` and
 * `src/sync`.
 */

/** Calls of one kind that run at a time. */
const MOST = 4;

/** The shortest time a call waits for its turn before its caller looks for itself, in milliseconds. */
const LOOK_MS = 5;

/** The more wait, the more rarely each looks, so that together they look 10 000 times a second at most. */
const LOOKS_PER_MS = 10;

/** Calls of one kind. */
export class BlockingCalls {
  readonly #most: number;
  readonly #lookMs: number;
  #running = 0;
  /** Who waits for a turn, in the order of asking. */
  readonly #waiting = new Set<() => void>();

  constructor(most: number = MOST, lookMs: number = LOOK_MS) {
    this.#most = most;
    this.#lookMs = lookMs;
  }

  /**
   * Makes `call` with what is left of `ms` milliseconds, and gives its result. `undefined` if its turn
   * did not come soon enough: the caller looks at what it waits for, and asks again.
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

  /** Whether a call that ended has left its place to us within `ms` milliseconds. */
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
