/**
 * Performs operations on a semaphore set: at once or not at all, or as soon as possible. One generator
 * serves blocking and asynchronous callers. Internal: used by this folder, `src/sync` and `src/mailbox`.
 *
 * The wait is the blocking system call itself, so that the kernel serves callers in the order of their
 * calls. A waiter that only polled would always lose to waiters in the queue. The wait is cut into slices
 * and queues again after each slice, so that an abort is noticed soon. Promises need another thread and
 * share a few: equal waits share one queue, different waits take turns.
 *
 * A Worker can be terminated while its call runs on another thread. Therefore this call only waits and
 * changes nothing. Then the Worker's own thread performs the operations. If another process was faster,
 * the Worker's thread joins the kernel's queue itself for a moment.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { BlockingCalls } from "../../ffi/blocking_calls.ts";
import { inWorker, workerUndoes } from "../../ffi/libc.ts";
import { semop, semtimedop, semtimedopAsync } from "../../ffi/sem.ts";
import { isGone } from "./object_stat.ts";
import { blockedFailure, type NamedSet, setFailure } from "./semaphore_failure.ts";
import {
  type Operation,
  PackedOperations,
  type PreparedOperations,
} from "./semaphore_operations.ts";
import { tryReadValues } from "./semaphore_values.ts";
import type { Waiting } from "./wait.ts";
import { QueuedWait } from "./wait_queue.ts";

/** The parts of a set that operations need. */
export interface OperableSet extends NamedSet {
  /** The number of semaphores in the set. */
  readonly count: number;
  /** Returns the pid of the process that last changed a semaphore. */
  lastPid(semaphore: number): number;
}

/** Returns the length of the next slice in milliseconds. It throws when the wait must end. */
export interface WaitSlices {
  next(how: { readonly woken: boolean }): number;
}

const ACTION = "change the semaphores";

/** Calls on other threads, for promises. */
const calls = new BlockingCalls();

/** How long a Worker's own thread waits in the kernel's queue if others were faster, in milliseconds. */
const QUEUE_MS = 1;

/** Packs operations and checks that the set has their semaphores. */
export function operationsFor(
  set: OperableSet,
  operations: readonly Operation[] | PreparedOperations,
): PackedOperations {
  const packed = PackedOperations.of(operations);
  if (packed.reach <= set.count) return packed;
  throw new RangeError(
    `there is no semaphore ${packed.reach - 1} in a set of ${set.count}: 0 to ${set.count - 1}`,
  );
}

/** Performs all of `operations`, or none if one would have to wait. Returns whether they were performed. */
export function tryOperations(set: NamedSet, operations: PackedOperations): boolean {
  const result = attempt(set, operations);
  if (result === 0) return true;
  if (result === -ERRNO.EAGAIN) return false;
  throw setFailure(set, ACTION, "semop", -result);
}

/** Returns 0, or -errno: `EAGAIN` if they would have to wait. */
function attempt(set: NamedSet, operations: PackedOperations): number {
  for (;;) {
    const result = semop(set.id, operations.noWait);
    if (result !== -ERRNO.EINTR) return result;
  }
}

/**
 * Performs `operations` as soon as possible. `schedule` limits the wait.
 *
 * If the caller throws into the generator (an abort), no change remains: operations that another thread
 * had just performed are reverted. If that is not possible, because another process has used the change,
 * the generator returns as performed. So it throws if and only if no operation was performed.
 */
export function* operate(
  set: OperableSet,
  operations: readonly Operation[] | PreparedOperations,
  schedule: WaitSlices,
): Waiting<void> {
  const packed = operationsFor(set, operations);
  let result = attempt(set, packed);
  if (result !== 0 && result !== -ERRNO.EAGAIN) throw setFailure(set, ACTION, "semop", -result);
  let place: QueuedWait | undefined;
  try {
    while (result !== 0) {
      const obstacle = packed.impatient ? findObstacle(set, packed) : undefined;
      if (obstacle?.noWait === true) {
        throw blockedFailure(set, ERRNO.EAGAIN, describe(set, obstacle));
      }
      const ms = schedule.next({ woken: true });
      try {
        yield {
          block: () => result = semtimedop(set.id, packed.given, ms),
          sleep: async () => {
            place ??= new QueuedWait(`${set.id} ${packed.name}`);
            if (place.first) result = await callElsewhere(set, packed, ms);
            else await place.turn(ms);
          },
          interrupt: () => place?.interrupt(),
        };
      } catch (reason) {
        if (result === 0 && !takeBack(set, packed)) return;
        throw reason;
      }
      if (result === 0) return;
      // Waits ahead in the queue wait for the same and have not succeeded
      if (place?.first === false) continue;
      // The errno may be on the other thread: the same call on this thread returns it
      result = attempt(set, packed);
      // It existed when the wait began
      if (isGone(result)) throw setFailure(set, ACTION, "semtimedop", ERRNO.EIDRM);
      if (result !== 0 && result !== -ERRNO.EAGAIN) {
        throw setFailure(set, ACTION, "semtimedop", -result);
      }
    }
  } finally {
    place?.leave();
  }
}

/**
 * Performs `operations` on another thread within `ms` milliseconds. In a Worker, that thread only waits
 * and this thread performs them. Returns 0, or `-EAGAIN` if they were not performed for any reason.
 */
async function callElsewhere(
  set: OperableSet,
  operations: PackedOperations,
  ms: number,
): Promise<number> {
  // All threads outside Workers share one list of undo operations, that of the process
  const sembufs = inWorker ? operations.probe : operations.given;
  const done = await calls.run(ms, (left) => semtimedopAsync(set.id, sembufs, left));
  if (done !== true) return -ERRNO.EAGAIN;
  if (!inWorker || attempt(set, operations) === 0) return 0;
  // A Worker may end during this call: then the change is undone only if the system supports that
  const queued = workerUndoes() && semtimedop(set.id, operations.given, QUEUE_MS) === 0;
  return queued ? 0 : -ERRNO.EAGAIN;
}

/** Reverts `operations`, which were performed. Returns whether no change remains. */
function takeBack(set: OperableSet, operations: PackedOperations): boolean {
  const { inverse } = operations;
  if (inverse === undefined) return true;
  const result = attempt(set, inverse);
  return result === 0 || isGone(result);
}

/** An operation that has to wait, and the value that prevents it. */
interface Obstacle extends Operation {
  readonly value: number;
}

/**
 * Returns the operation that has to wait, or `undefined` if none has to now. It evaluates all values of
 * one instant in the same way as semop(2). The kernel does not report this operation. After a call on
 * another thread it is not even known whether it was one with `noWait`.
 */
function findObstacle(
  set: OperableSet,
  { operations }: PackedOperations,
): Obstacle | undefined {
  const values = tryReadValues(set.id, set.count);
  if (typeof values === "number") return undefined;
  for (const operation of operations) {
    const value = values[operation.semaphore]!;
    if (operation.add === 0 ? value > 0 : value + operation.add < 0) return { ...operation, value };
    values[operation.semaphore] = value + operation.add;
  }
  return undefined;
}

function describe(set: OperableSet, { semaphore, add, value }: Obstacle): string {
  const wanted = add === 0 ? "waits for 0" : `subtracts ${-add}`;
  return `semaphore ${semaphore} is ${value} (last changed by process ` +
    `${set.lastPid(semaphore)}), and the operation ${wanted}`;
}

/** The error for operations that were not possible in time. */
export function operationsExpired(
  set: OperableSet,
  operations: readonly Operation[] | PreparedOperations,
): Error {
  const obstacle = findObstacle(set, PackedOperations.of(operations));
  return blockedFailure(
    set,
    ERRNO.ETIMEDOUT,
    obstacle === undefined ? undefined : describe(set, obstacle),
  );
}
