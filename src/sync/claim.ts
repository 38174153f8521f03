/**
 * Claims: locks and roles that one process holds and that the kernel takes back when it dies, by
 * SIGKILL too, at once.
 *
 * A claim is a semaphore that is 0 while free. Taking it waits for 0 and adds 1 in one step, so there
 * is nothing to initialise and no moment between the two (DESIGN: crash rules; semop(2), SEM_UNDO).
 */

import { type PreparedOperations, SemaphoreSet } from "../sysv/semaphore_set.ts";
import type { Slices, Waiting } from "./waiting.ts";

/** One semaphore of a set, used as a claim. */
export class Claim {
  readonly #set: SemaphoreSet;
  readonly #semaphore: number;
  readonly #take: PreparedOperations;
  readonly #release: PreparedOperations;

  constructor(set: SemaphoreSet, semaphore: number) {
    this.#set = set;
    this.#semaphore = semaphore;
    this.#take = SemaphoreSet.prepare([
      { semaphore, add: 0 },
      { semaphore, add: 1, undo: true },
    ]);
    this.#release = SemaphoreSet.prepare([{ semaphore, add: -1, undo: true }]);
  }

  /** Takes it if nobody holds it, and says whether. */
  tryTake(): boolean {
    return this.#set.tryOp(this.#take);
  }

  /** Takes it, waiting in `slices`. */
  *taking(slices: Slices): Waiting<void> {
    yield* acquiring(this.#set, this.#take, this.#semaphore, slices);
  }

  /** Lets it go. Only who holds it may: the value of a claim that is free cannot fall. */
  release(): void {
    this.#set.tryOp(this.#release);
  }

  /** The process that holds it, or `undefined`. */
  get holder(): number | undefined {
    return this.#set.value(this.#semaphore) === 0 ? undefined : this.#set.lastPid(this.#semaphore);
  }
}

/**
 * Does `operations` as soon as they can be done, waiting in `slices` for `semaphore` to be 0.
 *
 * The wait on the other thread only looks; the operations themselves are always done from here. A
 * claim taken by a thread whose caller has given up would be held by nobody who knows of it.
 */
export function* acquiring(
  set: SemaphoreSet,
  operations: PreparedOperations,
  semaphore: number,
  slices: Slices,
): Waiting<void> {
  const zero = SemaphoreSet.prepare([{ semaphore, add: 0 }]);
  while (!set.tryOp(operations)) {
    const ms = slices.next();
    yield { block: () => set.opSync(zero, ms), sleep: () => set.op(zero, ms) };
  }
}
