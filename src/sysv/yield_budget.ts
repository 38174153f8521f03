/**
 * The budget of promises that settle at once. Such promises keep timers, signals and other work waiting
 * for as long as they follow each other, so every function that may give one spends this budget.
 */

/** How long promises may settle at once before the event loop gets a turn, in milliseconds. */
const BUDGET_MS = 5;

/** Promises between two looks at the clock. */
const LOOKS = 64;

/** One budget; {@linkcode yieldBudget} is the one of this event loop. */
export class YieldBudget {
  /** When it was full, or the first look at the clock after that. */
  #since: number | undefined;
  #count = 0;
  #pause: Promise<void> | undefined;

  /**
   * To be asked for each promise that is about to settle at once: `undefined` if it may, otherwise what
   * it has to wait for. All who ask during one pause get the same, so that they settle in their order.
   */
  pause(): Promise<void> | undefined {
    if (this.#pause !== undefined) return this.#pause;
    if (++this.#count < LOOKS) return undefined;
    this.#count = 0;
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since <= BUDGET_MS) return undefined;
    return this.#pause = new Promise((resolve) => {
      // The global one: importing `node:timers` takes a program a third of its start
      globalThis.setImmediate(() => {
        this.#pause = undefined;
        this.refill();
        resolve();
      });
    });
  }

  /** A promise of `value`: fulfilled at once, or after a turn of the event loop. */
  resolve<Value>(value: Value): Promise<Value> {
    const pause = this.pause();
    return pause === undefined ? Promise.resolve(value) : pause.then(() => value);
  }

  /** Says that the event loop has just turned. It looks at no clock: a waiter that wakes is in a hurry. */
  refill(): void {
    this.#since = undefined;
    this.#count = 0;
  }
}

/** The budget of all promises of this event loop. */
export const yieldBudget: YieldBudget = new YieldBudget();
