/**
 * Doing operations on a semaphore set: now or not at all, or as soon as they can be done. Written once
 * for those who block and those who await, for `semaphore_set.ts`, `src/sync` and `src/mailbox`.
 *
 * The wait is the operations themselves, so that the kernel gives us our turn in the order of asking: a
 * waiter that only watched for the moment would find others, who queue, ahead each time. It is cut into
 * slices, after each of which we queue anew, so that an abort is seen soon. Promises need another thread
 * for it, of which they share a few: equal waits stand in one line, different ones take turns.
 *
 * A Worker can be terminated while its call runs on another thread. So the call of a Worker only waits,
 * and changes nothing; its own thread then does the operations, or, where others were faster, stands in
 * the kernel's queue for a moment itself.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { BlockingCalls } from "../../ffi/blocking_calls.ts";
import { inWorker, semop, semtimedop, semtimedopAsync, workerUndoes } from "../../ffi/libc.ts";
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

/** A set as operations need it. */
export interface OperableSet extends NamedSet {
  /** How many semaphores it has. */
  readonly count: number;
  /** The process that changed a semaphore last. */
  lastPid(semaphore: number): number;
}

/** Gives out the lengths of the slices, and throws when there are to be no more. */
export interface WaitSlices {
  next(how: { readonly woken: boolean }): number;
}

const ACTION = "change the semaphores";

/** Calls on other threads, for promises. */
const calls = new BlockingCalls();

/** How long a Worker's own thread stands in the kernel's queue when others were faster, in milliseconds. */
const QUEUE_MS = 1;

/** Checks that the set has the semaphores named. */
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

/** Does all of `operations`, or none if one would have to wait, and says whether. */
export function tryOperations(set: OperableSet, operations: PackedOperations): boolean {
  const result = attempt(set, operations);
  if (result === 0) return true;
  if (result === -ERRNO.EAGAIN) return false;
  throw setFailure(set, ACTION, "semop", -result);
}

/** 0, or -errno: `EAGAIN` if they would have to wait. */
function attempt(set: OperableSet, operations: PackedOperations): number {
  for (;;) {
    const result = semop(set.id, operations.noWait);
    if (result !== -ERRNO.EINTR) return result;
  }
}

/**
 * Does `operations` as soon as they can be done, waiting in `schedule`.
 *
 * If the waiter throws into it (an abort), nothing is left done: what another thread had just done is
 * taken back. Where that is not possible, because somebody has used what we gave already, the work
 * ends as done instead. So it throws if and only if nothing was done.
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
      // Those before us in the line wait for the same in vain
      if (place?.first === false) continue;
      // Why it was not done may have stayed on the other thread: asking again tells
      result = attempt(set, packed);
      // It was there when we began
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
 * Does `operations` on another thread within `ms` milliseconds; in a Worker that thread waits, and this
 * one does them. 0, or `-EAGAIN` if they were not done, for whatever reason.
 */
async function callElsewhere(
  set: OperableSet,
  operations: PackedOperations,
  ms: number,
): Promise<number> {
  // The threads that are no Worker's share one list of undo operations: what one does is the process's
  const sembufs = inWorker ? operations.probe : operations.given;
  const done = await calls.run(ms, (left) => semtimedopAsync(set.id, sembufs, left));
  if (done !== true) return -ERRNO.EAGAIN;
  if (!inWorker || attempt(set, operations) === 0) return 0;
  // What it gets while it ends is undone only if the system lets it
  const queued = workerUndoes() && semtimedop(set.id, operations.given, QUEUE_MS) === 0;
  return queued ? 0 : -ERRNO.EAGAIN;
}

/** Whether nothing of `operations`, which were done, is left. */
function takeBack(set: OperableSet, operations: PackedOperations): boolean {
  const { inverse } = operations;
  if (inverse === undefined) return true;
  const result = attempt(set, inverse);
  return result === 0 || isGone(result);
}

/** An operation that could not be done, and the value in its way. */
interface Obstacle extends Operation {
  readonly value: number;
}

/**
 * The operation that has to wait, found as semop(2) finds it, on all values at one instant;
 * `undefined` if just now none has to. The kernel does not tell, and after a call on another thread
 * not even whether it was one that is not to wait.
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
  const wanted = add === 0 ? "0 is waited for" : `${-add} is to be taken`;
  return `semaphore ${semaphore} is ${value} (changed last by process ` +
    `${set.lastPid(semaphore)}) and ${wanted}`;
}

/** The error for operations that could not be done in time. */
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
