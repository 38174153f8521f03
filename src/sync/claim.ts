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
    yield* acquiring(this.#set, this.#take, this.#release, slices);
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
 * Does `operations` as soon as they can be done, waiting in `slices`; `undoing` takes them back.
 *
 * The wait is the operations themselves, so that the kernel gives us our turn in the order of asking:
 * who only watched for the moment would find others, who queue, ahead each time. Asynchronously they
 * are done on another thread, in the name of this process all the same (its threads share one list of
 * undo operations); if that succeeds just as the caller gives up, they are taken back.
 */
export function* acquiring(
  set: SemaphoreSet,
  operations: PreparedOperations,
  undoing: PreparedOperations,
  slices: Slices,
): Waiting<void> {
  let done = set.tryOp(operations);
  while (!done) {
    const ms = slices.next({ woken: true });
    try {
      yield {
        block: () => done = set.opSync(operations, ms),
        sleep: async () => done = await set.op(operations, ms),
      };
    } catch (reason) {
      if (done) set.tryOp(undoing);
      throw reason;
    }
    // Why it was not done stays on the other thread: asking again here gives the error
    done ||= set.tryOp(operations);
  }
}
