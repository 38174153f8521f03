/**
 * The budget of promises that settle at once. A sequence of such promises delays timers, signals and
 * other work, so every function that may return one spends this budget.
 */

/** How long promises may settle at once before the event loop runs other work, in milliseconds. */
const BUDGET_MS = 5;

/** How many promises settle between two reads of the clock. */
const LOOKS = 64;

/** A budget. {@linkcode yieldBudget} is the budget of this event loop. */
export class YieldBudget {
  /** The time of the first read of the clock since the budget was full. */
  #since: number | undefined;
  #count = 0;
  #pause: Promise<void> | undefined;

  /**
   * Call it for each promise that would settle at once. Returns `undefined` if it may, otherwise a promise
   * to wait for. All callers during one pause get the same promise, so that they settle in their order.
   */
  pause(): Promise<void> | undefined {
    if (this.#pause !== undefined) return this.#pause;
    if (++this.#count < LOOKS) return undefined;
    this.#count = 0;
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since <= BUDGET_MS) return undefined;
    return this.#pause = new Promise((resolve) => {
      // The global function: an import of `node:timers` takes a third of a program's start
      globalThis.setImmediate(() => {
        this.#pause = undefined;
        this.refill();
        resolve();
      });
    });
  }

  /** Returns a promise of `value` that fulfils at once, or after a turn of the event loop. */
  resolve<Value>(value: Value): Promise<Value> {
    const pause = this.pause();
    return pause === undefined ? Promise.resolve(value) : pause.then(() => value);
  }

  /** Refills the budget after a turn of the event loop. It reads no clock, to save time at a wake. */
  refill(): void {
    this.#since = undefined;
    this.#count = 0;
  }
}

/** The budget of all promises of this event loop. */
export const yieldBudget: YieldBudget = new YieldBudget();
