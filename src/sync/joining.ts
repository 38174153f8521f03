/**
 * The steps of joining a shared object: looking at its segment, finding or creating its semaphore set, and
 * taking the entry lock, without which no peer creates or removes anything. Each step says if joining must
 * start over, because other peers and other programs come and go at any time. Internal: used by
 * `membership.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { isGone, saysGone } from "../sysv/object_stat.ts";
import { Segment } from "../sysv/segment.ts";
import {
  findSegment,
  removeSegment,
  type SegmentStat,
  segmentTable,
  tryStat,
} from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { findSemaphoreSet } from "../sysv/semaphore_stat.ts";
import { operate } from "../sysv/semaphore_wait.ts";
import { waitSync } from "../sysv/wait.ts";
import type { Deadline } from "./deadline.ts";
import { timedOut, WaitSchedule } from "./wait_schedule.ts";

/** The semaphores that joining and leaving use, by number. */
export interface EntrySemaphores {
  /** The entry lock. */
  readonly lock: number;
  /** How many peers have joined and not left. */
  readonly users: number;
  /** 1 if the last peer to leave removes the segment. */
  readonly disposable: number;
}

/** A kind of shared object: how it is distinguished from other programs' objects, and created. */
export interface Joinable {
  /** The object's name in errors: "mailbox". */
  readonly name: string;
  readonly key: number;
  /** Whether an object of another user is accepted. */
  readonly trust: boolean;
  /** How to create the object if it does not exist, or the error to throw then. */
  readonly create: { readonly mode: number; readonly semaphores: number } | (() => ShmError);
  /** How many semaphores the set must have, if that number is fixed. */
  readonly semaphores?: number;
  /** Whether the segment may exist without a set. */
  readonly standsAlone: boolean;
  /**
   * Checks a segment by the kernel's facts, before segment or set are changed; `others` is the number
   * of other processes attached to it. Returns `false` if the caller wants it replaced.
   *
   * @throws {ShmError} the segment is another program's
   */
  fits(segment: SegmentStat, others: number): boolean;
  /**
   * Returns which semaphores of `set` are the entry's.
   *
   * @throws {ShmError} the set is another program's, or does not match the segment with the same key
   */
  entry(set: SemaphoreSet, segment: SegmentStat | undefined): EntrySemaphores;
  /** The size of the segment to create beside `set`. */
  size(set: SemaphoreSet): number;
  /** The error for an object that is another program's. */
  foreign(what: string, id?: number): ShmError;
}

/** The reason why joining starts over after a pause: other peers must finish first. */
export class Occupied {
  /** The error if they never finish. */
  readonly error: ShmError;

  constructor(error: ShmError) {
    this.error = error;
  }
}

/** What is wrong with a segment that never exists without a set. */
export const NO_SET =
  "no semaphore set has this key: the segment is another program's, or its set was removed " +
  "(`ipcrm -s`); choose another key, or remove the segment";

/** The prepared operations of joining and leaving. */
export interface EntryOperations {
  readonly takeLock: PreparedOperations;
  /** Takes the lock and adds us to the count. */
  readonly enter: PreparedOperations;
  readonly unlock: PreparedOperations;
  readonly uncount: PreparedOperations;
  /** Removes us from the count and unlocks. */
  readonly exit: PreparedOperations;
}

/** Packed once for each entry: a mailbox has one, and a channel one for each number of lanes. */
const packed = new Map<string, EntryOperations>();

/** The operations for an entry. */
export function operationsOn({ lock, users }: EntrySemaphores): EntryOperations {
  const name = `${lock} ${users}`;
  let operations = packed.get(name);
  if (operations === undefined) {
    const takeLock = [{ semaphore: lock, add: 0 }, { semaphore: lock, add: 1, undo: true }];
    const unlock = { semaphore: lock, add: -1, undo: true };
    const uncount = { semaphore: users, add: -1, undo: true };
    operations = {
      takeLock: SemaphoreSet.prepare(takeLock),
      enter: SemaphoreSet.prepare([...takeLock, { semaphore: users, add: 1, undo: true }]),
      unlock: SemaphoreSet.prepare([unlock]),
      uncount: SemaphoreSet.prepare([uncount]),
      exit: SemaphoreSet.prepare([uncount, unlock]),
    };
    packed.set(name, operations);
  }
  return operations;
}

/** A set that this process has entered: it holds the entry lock and is counted. */
export interface Entered {
  readonly set: SemaphoreSet;
  readonly entry: EntrySemaphores;
  /** The segment that was there before; `undefined` if none was, or it did not fit and was removed. */
  readonly stat: SegmentStat | undefined;
}

/**
 * Finds or creates the set of `object` and enters it. Joining starts over if other peers must finish first,
 * which is `Occupied`, or if an object was removed or created between two steps, which is `undefined`.
 */
export function enterObject(object: Joinable, deadline: Deadline): Entered | Occupied | undefined {
  const found = lookAtSegment(object);
  const stat = found?.fits === true ? found.stat : undefined;
  if (stat === undefined) creation(object);
  const set = findSet(object, stat);
  if (set === undefined) return undefined;
  const entry = object.entry(set, stat);
  if (found?.fits === false) {
    // If the set will be refused, the segment stays
    const occupied = checkOccupied(object, set, entry, found.stat.id);
    if (occupied !== undefined) return occupied;
    unless(ERRNO.EINVAL, () => removeSegment(found.stat.id));
  }
  const entered = enterSet(object, set, entry, stat !== undefined, deadline);
  return entered === true ? { set, entry, stat } : entered;
}

/** The kernel's facts of the key's segment, and whether it fits: `false` if it must be replaced. */
function lookAtSegment(
  object: Joinable,
): { readonly stat: SegmentStat; readonly fits: boolean } | undefined {
  for (;;) {
    const id = findSegment(object.key);
    if (id === undefined) return undefined;
    const stat = tryStat(id);
    if (typeof stat === "number" && isGone(stat)) continue;
    if (typeof stat === "number") throw segmentTable.statFailure(id, -stat);
    const fits = object.fits(stat, stat.nattch);
    segmentTable.checkTrust(stat, object.key, object.trust);
    return { stat, fits };
  }
}

/** The set under the key, created if there is none; `undefined` if it came or went during the check. */
function findSet(
  object: Joinable,
  segment: SegmentStat | undefined,
): SemaphoreSet | undefined {
  const { key, trust, semaphores } = object;
  const wanted = { trust, ...(semaphores === undefined ? {} : { count: semaphores }) };
  // If no set is expected, this asks first: catching an error takes longer than everything else here
  if (segment !== undefined || findSemaphoreSet(key) !== undefined) {
    const found = unless(ERRNO.ENOENT, () => SemaphoreSet.open(key, wanted));
    if (found !== undefined) return found;
  }
  if (segment !== undefined && !object.standsAlone) {
    // The set is created before the segment and removed after it
    if (findSegment(key) !== segment.id) return undefined;
    throw object.foreign(NO_SET, segment.id);
  }
  const { semaphores: count, mode } = creation(object);
  return unless(ERRNO.EEXIST, () => SemaphoreSet.create({ key, count, mode }));
}

/** Takes the entry lock and counts us, which is `true`; otherwise joining starts over. */
function enterSet(
  object: Joinable,
  set: SemaphoreSet,
  entry: EntrySemaphores,
  besideSegment: boolean,
  deadline: Deadline,
): true | Occupied | undefined {
  const { lock, users } = entry;
  try {
    if (besideSegment) {
      const { enter } = operationsOn(entry);
      if (set.tryOp(enter)) return true;
      const schedule = new WaitSchedule(deadline, () => lockHeld(object, set, lock, "join"));
      waitSync(operate(set, enter, schedule));
      return true;
    }
    // The set may be any program's. Tested and taken in one step: if all its values are 0, it is unused
    const unused = Array.from({ length: set.count }, (_, semaphore) => ({ semaphore, add: 0 }));
    const counting = [lock, users].map((semaphore) => ({ semaphore, add: 1, undo: true }));
    if (set.tryOp([...unused, ...counting])) return true;
  } catch (error) {
    if (saysGone(error)) return undefined;
    // Created for nothing. If other peers have entered it since then, it is theirs
    if (set.created && isUnused(set)) set.remove();
    throw error;
  }
  return checkOccupied(object, set, entry, undefined);
}

/** Whether the values of the set changed, a process other than `last` had its lock, or it is gone. */
function hasChanged(
  set: SemaphoreSet,
  values: readonly number[],
  lock: number,
  last: number,
): boolean {
  try {
    return set.values().some((value, semaphore) => value !== values[semaphore]) ||
      set.lastPid(lock) !== last;
  } catch (error) {
    if (saysGone(error)) return true;
    throw error;
  }
}

/** Whether all values are 0. */
function isUnused(set: SemaphoreSet): boolean {
  return set.values().every((value) => value === 0);
}

/**
 * Checks a set whose segment is missing or cannot be joined: peers that join or leave may be using it,
 * so that a wait is worthwhile. Returns `undefined` if the set is not in use any more, or if another
 * segment has the key now.
 */
function checkOccupied(
  object: Joinable,
  set: SemaphoreSet,
  { lock, users }: EntrySemaphores,
  segment: number | undefined,
): Occupied | undefined {
  let last: number;
  let values: readonly number[];
  let held: ShmError;
  try {
    last = set.lastPid(lock);
    values = set.values();
    held = lockHeld(object, set, lock, "join");
  } catch (error) {
    if (saysGone(error)) return undefined;
    throw error;
  }
  if (values.every((value) => value === 0)) return undefined;
  const { key, id } = set;
  if (values[lock]! > 1 || values[users] === 0) {
    // Peers that join since then and are killed leave such values too, and a segment that others remove
    if (findSegment(key) !== segment || hasChanged(set, values, lock, last)) return undefined;
    throw object.foreign(
      `semaphore set ${id} has this key and values other than 0, and there is no segment: the set is ` +
        "another program's, or its segment was removed. The set was not changed; choose another " +
        `key, or, if no process needs the set, remove it (\`ipcrm -s ${id}\`)`,
    );
  }
  if (values[lock] === 1) return new Occupied(held);
  const remedy =
    `semaphore set ${id} is in use and there is no segment: the segment was removed, or the set is ` +
    "another program's. The set was not changed; end the programs that use it, or choose another key";
  return new Occupied(timedOut(`join the ${object.name}`, "semop", { key, id, remedy }));
}

/** Opens or creates the segment, with the entry lock held; `undefined` if a process that ignores the lock created one. */
export function openSegment(
  object: Joinable,
  set: SemaphoreSet,
  seen: SegmentStat | undefined,
): Segment | undefined {
  const { key, trust } = object;
  // Asks first, as for the set
  if (seen !== undefined || findSegment(key) !== undefined) {
    const found = unless(ERRNO.ENOENT, () => Segment.open(key, { trust }));
    if (found !== undefined) return found;
  }
  const { mode } = creation(object);
  const size = object.size(set);
  try {
    return unless(ERRNO.EEXIST, () => Segment.create({ key, size, mode }));
  } catch (error) {
    if (!ShmError.is(error, "ENOMEM")) throw error;
    // The advice of a segment names an option that this object does not have
    throw new ShmError(`create the ${object.name}`, "shmget", ERRNO.ENOMEM, {
      key,
      facts: `the system does not reserve its ${size} bytes`,
      remedy: "make it smaller: fewer lanes or cells, or less in each of them",
    });
  }
}

/** How to create the object; throws its error if it must exist already. */
function creation(
  { create }: Joinable,
): { readonly mode: number; readonly semaphores: number } {
  if (typeof create === "function") throw create();
  return create;
}

/** The result of `action`, or `undefined` if it fails with `errno`: other peers come and go. */
function unless<Result>(errno: number, action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof ShmError && error.errno === errno) return undefined;
    throw error;
  }
}

/** The error of a process that waited too long for the entry lock. */
export function lockHeld(
  { name }: Joinable,
  set: SemaphoreSet,
  lock: number,
  verb: "join" | "leave",
): ShmError {
  return timedOut(`${verb} the ${name}`, "semop", {
    key: set.key,
    remedy: `${
      formatProcess(set.lastPid(lock))
    } has been joining or leaving for too long; is it stopped?`,
  });
}
