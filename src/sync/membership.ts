/**
 * Joining and leaving a shared object: a segment and a semaphore set under one key. A peer holds an
 * entry lock in the set while it joins or leaves, so that no peer joins what another one removes. A
 * reference count holds the number of peers that have joined. The kernel undoes both when a process
 * dies. Internal: used by mailbox and channel. `docs/wire_format.md` has the steps, and what a peer
 * leaves that is killed between two of them.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkKey, IPC_PRIVATE } from "../sysv/key.ts";
import { foreignUser, isGone, saysGone } from "../sysv/object_stat.ts";
import { Segment } from "../sysv/segment.ts";
import { untrusted } from "../sysv/segment_failure.ts";
import {
  findSegment,
  removeSegment,
  type SegmentStat,
  statFailure,
  tryStat,
} from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { findSemaphoreSet } from "../sysv/semaphore_stat.ts";
import { operate } from "../sysv/semaphore_wait.ts";
import { Deadline } from "./deadline.ts";
import { pause, waitSync } from "../sysv/wait.ts";
import { timedOut, WaitSchedule } from "./wait_schedule.ts";

/** Milliseconds that joining takes at most by default, and that leaving waits for the entry lock. */
const JOIN_MS = 5_000;
const LEAVE_MS = 1_000;

/** The semaphores that joining and leaving use, by number. */
export interface EntrySemaphores {
  /** The entry lock. */
  readonly lock: number;
  /** How many peers have joined and not left. */
  readonly users: number;
  /** 1 if the last peer to leave removes the segment. */
  readonly disposable: number;
}

/** A kind of shared object: how it is distinguished from other programs' objects, and how it is joined. */
export interface SharedObject<Inside> {
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
  /**
   * Enters the segment with the entry lock held, and prepares it if it is new. Returns `undefined` if it
   * had to remove the segment, so that joining starts over.
   */
  enter(segment: Segment, membership: Membership, deadline: Deadline): Inside | undefined;
  /** The error for an object that is another program's. */
  foreign(what: string, id?: number): ShmError;
}

/**
 * What happened to the segment when a peer left: `removed`; `kept` because it is persistent or existed
 * before; `unread` because a message is in it; `in use` because other processes are attached, or might
 * be; `not ours` because another user created it, and the next peer of that user to leave removes it.
 *
 * @example
 * ```ts
 * import { type LeaveResult, MailboxClient } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const client = MailboxClient.open({ key: 0x5eed0013 });
 * const result: LeaveResult = client.close();
 * assert.equal(result, "removed");
 * ```
 */
export type LeaveResult = "removed" | "kept" | "unread" | "in use" | "not ours";

/** The reason why joining starts over after a pause: other peers must finish first. */
class Occupied {
  /** The error if they never finish. */
  readonly error: ShmError;

  constructor(error: ShmError) {
    this.error = error;
  }
}

/** One process's membership of a shared object. */
export class Membership {
  readonly set: SemaphoreSet;
  readonly #object: SharedObject<unknown>;
  readonly #entry: EntrySemaphores;
  readonly #leaveMs: number;
  readonly #operations: EntryOperations;
  #dissolved = false;
  #left = false;

  private constructor(
    object: SharedObject<unknown>,
    set: SemaphoreSet,
    entry: EntrySemaphores,
    timeout: number,
  ) {
    this.#object = object;
    this.set = set;
    this.#entry = entry;
    this.#leaveMs = Math.min(timeout, LEAVE_MS);
    this.#operations = operationsOn(entry);
  }

  /**
   * Joins `object`, and creates it if it does not exist and `object.create` allows it. Blocks while
   * other peers join or leave, for `timeout` milliseconds at most (defaults to 5000). After any failure
   * the entry lock is free again and everything that was created here is removed.
   *
   * @throws {ShmError} `ETIMEDOUT` others did not finish in time; what `object` throws; `EUNTRUSTED`
   * @throws {RangeError} the timeout is invalid, or the key is `IPC_PRIVATE`
   */
  static join<Inside>(
    object: SharedObject<Inside>,
    timeout = JOIN_MS,
  ): { readonly membership: Membership; readonly inside: Inside } {
    const { name, key } = object;
    if (checkKey(key) === IPC_PRIVATE) {
      throw new RangeError(`a ${name} needs a key that others can find`);
    }
    let expired = (): ShmError =>
      timedOut(`join the ${name}`, "semop", {
        key,
        remedy: "other programs remove it again and again",
      });
    const deadline = Deadline.after(timeout);
    const schedule = new WaitSchedule(deadline, () => expired());
    for (;;) {
      const outcome = Membership.#tryJoin(object, timeout, deadline);
      if (outcome instanceof Occupied) {
        expired = () => outcome.error;
        pause(schedule.next()).block();
      } else if (outcome !== undefined) return outcome;
      else if (deadline.passed) throw expired();
    }
  }

  /** Returns `undefined` if an object was removed or created between the check and our entry. */
  static #tryJoin<Inside>(
    object: SharedObject<Inside>,
    timeout: number,
    deadline: Deadline,
  ): { readonly membership: Membership; readonly inside: Inside } | Occupied | undefined {
    const found = lookAtSegment(object);
    const stat = found?.fits === true ? found.stat : undefined;
    if (stat === undefined) creation(object);
    const set = findSet(object, stat);
    if (set === undefined) return undefined;
    const entry = object.entry(set, stat);
    if (found?.fits === false) {
      // If the set will be refused, the segment stays
      const user = whoUses(object, set, entry, found.stat.id);
      if (user !== undefined) return user;
      unless(ERRNO.EINVAL, () => removeSegment(found.stat.id));
    }
    const entered = enterSet(object, set, entry, stat !== undefined, deadline);
    if (entered !== true) return entered;
    const membership = new Membership(object, set, entry, timeout);
    let inside: Inside | undefined;
    try {
      inside = membership.#enter(object, stat, deadline);
    } finally {
      if (inside === undefined) membership.#abandon();
    }
    return inside === undefined ? undefined : { membership, inside };
  }

  /** Does everything that needs the entry lock, and unlocks it if this succeeds. */
  #enter<Inside>(
    object: SharedObject<Inside>,
    seen: SegmentStat | undefined,
    deadline: Deadline,
  ): Inside | undefined {
    const segment = openSegment(object, this.set, seen);
    if (segment === undefined) return undefined;
    let inside: Inside | undefined;
    try {
      // Checked already: the size of a segment belongs to its id, and its owner was checked again
      const known = segment.created || (segment.id === seen?.id && segment.size === seen.size);
      if (known || this.#goesWith(segment, object)) {
        const found = object.enter(segment, this, deadline);
        if (found !== undefined) this.set.tryOp(this.#operations.unlock);
        inside = found;
      }
    } finally {
      if (inside === undefined) this.#letGo(segment);
    }
    return inside;
  }

  /** Checks a segment again that is now attached, so that it does not change any more. */
  #goesWith(segment: Segment, object: SharedObject<unknown>): boolean {
    const stat = segment.stat();
    if (!object.fits(stat, stat.nattch - 1)) return false;
    object.entry(this.set, stat);
    return true;
  }

  /** Detaches, and removes a segment that we created if no other process is attached. */
  #letGo(segment: Segment): void {
    try {
      if (segment.created && segment.stat().nattch <= 1) this.#remove(segment);
    } finally {
      segment.detach();
    }
  }

  /** Leaves after a failure, with the entry lock held; removes a set that we created for nothing. */
  #abandon(): void {
    const { standsAlone, key } = this.#object;
    let removing = false;
    try {
      removing = this.alone && (this.#dissolved ||
        this.set.created && (standsAlone || findSegment(key) === undefined));
    } finally {
      this.#exit(removing);
    }
  }

  /** Whether no other peer has joined. Requires the entry lock. */
  get alone(): boolean {
    return this.set.value(this.#entry.users) <= 1;
  }

  /** Whether only joining holds anything of the set: no role is held. Requires the entry lock. */
  get idle(): boolean {
    const { lock, users, disposable } = this.#entry;
    return this.alone &&
      this.set.values().every((value, semaphore) =>
        value === 0 || [lock, users, disposable].includes(semaphore)
      );
  }

  /** Whether the last peer to leave removes the segment. Requires the entry lock. */
  get disposable(): boolean {
    return this.set.value(this.#entry.disposable) === 1;
  }

  set disposable(value: boolean) {
    this.set.setValue(this.#entry.disposable, value ? 1 : 0);
  }

  /**
   * Removes a segment that no process uses, and with it the set. {@linkcode SharedObject.enter} calls it
   * and returns `undefined` then.
   */
  dissolve(segment: Segment): void {
    this.#remove(segment);
    this.#dissolved = true;
  }

  #remove(segment: Segment): void {
    // Comes first: a set without a segment is used again only if all its values are 0
    this.disposable = false;
    segment.remove();
  }

  /**
   * Leaves and detaches `segment`; the caller releases roles and other locks before. `decide` is called
   * with the entry lock held, with whether no other peer has joined, and returns what must happen to
   * the segment. Waits for the entry lock for a second at most, or for the timeout of joining if that
   * is less. After any failure the segment is detached and the entry lock is free again. Calling it
   * again does nothing.
   */
  leave(
    segment: Segment,
    decide: (alone: boolean) => Exclude<LeaveResult, "not ours">,
  ): LeaveResult {
    if (this.#left) return "in use";
    this.#left = true;
    let locked = false;
    let removing = false;
    let result: LeaveResult = "in use";
    try {
      locked = this.#lock();
      if (locked) {
        const { alone } = this;
        // If the caller transferred the buffer, the memory cannot be read
        const fate = segment.attached && segment.buffer.byteLength > 0 ? decide(alone) : "in use";
        result = fate === "removed" ? this.#tryRemove(segment) : fate;
        removing = alone && (this.#object.standsAlone || result === "removed");
      }
    } catch (error) {
      // The set was just removed: there is nothing to leave
      if (!saysGone(error)) throw error;
    } finally {
      try {
        segment.detach();
      } finally {
        if (locked) this.#exit(removing);
      }
    }
    return result;
  }

  #tryRemove(segment: Segment): LeaveResult {
    try {
      this.#remove(segment);
      return "removed";
    } catch (error) {
      // The next peer to leave may be permitted to remove it
      this.disposable = true;
      if (ShmError.is(error, "EPERM")) return "not ours";
      throw error;
    }
  }

  /**
   * Takes the entry lock in order to leave. If that fails, because the set is gone or a stopped process
   * holds the lock, we are no longer counted and everything else stays as it is.
   */
  #lock(): boolean {
    const { set } = this;
    const { lock } = this.#entry;
    const { takeLock, uncount } = this.#operations;
    let taken = false;
    try {
      if (!set.tryOp(takeLock)) {
        const deadline = Deadline.after(this.#leaveMs);
        const schedule = new WaitSchedule(
          deadline,
          () => lockHeld(this.#object, set, lock, "leave"),
        );
        waitSync(operate(set, takeLock, schedule));
      }
      taken = true;
    } catch (error) {
      if (!ShmError.is(error, "ETIMEDOUT")) throw error;
    } finally {
      if (!taken) quietly(set, uncount);
    }
    return taken;
  }

  /** The last step of leaving, with the entry lock held: uncounts and unlocks, or removes the set. */
  #exit(removing: boolean): void {
    let removed = false;
    try {
      removed = removing && tryRemoveSet(this.set);
    } finally {
      if (!removed && !quietly(this.set, this.#operations.exit)) {
        // The single step does nothing if one of the two fails, as after another process reset a value
        quietly(this.set, this.#operations.uncount);
        quietly(this.set, this.#operations.unlock);
      }
    }
  }
}

/** Tries operations that never wait, and returns whether they succeeded. Ignores failures: we leave. */
function quietly(set: SemaphoreSet, operations: PreparedOperations): boolean {
  try {
    return set.tryOp(operations);
  } catch (error) {
    if (error instanceof ShmError) return false;
    throw error;
  }
}

/** Removes the set if we are permitted to, and returns whether it did. */
function tryRemoveSet(set: SemaphoreSet): boolean {
  try {
    set.remove();
    return true;
  } catch (error) {
    if (ShmError.is(error, "EPERM")) return false;
    throw error;
  }
}

/** The prepared operations of joining and leaving. */
interface EntryOperations {
  readonly takeLock: PreparedOperations;
  /** Takes the lock and adds us to the count. */
  readonly enter: PreparedOperations;
  readonly unlock: PreparedOperations;
  readonly uncount: PreparedOperations;
  /** Removes us from the count and unlocks. */
  readonly exit: PreparedOperations;
}

/** Packed once for each entry: mailboxes have one, and channels one for each number of lanes. */
const packed = new Map<string, EntryOperations>();

function operationsOn({ lock, users }: EntrySemaphores): EntryOperations {
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

/** The kernel's facts of the key's segment, and whether it fits: `false` if it must be replaced. */
function lookAtSegment(
  object: SharedObject<unknown>,
): { readonly stat: SegmentStat; readonly fits: boolean } | undefined {
  for (;;) {
    const id = findSegment(object.key);
    if (id === undefined) return undefined;
    const stat = tryStat(id);
    if (typeof stat === "number" && isGone(stat)) continue;
    if (typeof stat === "number") throw statFailure(id, -stat);
    const fits = object.fits(stat, stat.nattch);
    const user = object.trust ? undefined : foreignUser(stat);
    if (user !== undefined) throw untrusted(stat, user, object.key);
    return { stat, fits };
  }
}

/** The set under the key, created if there is none; `undefined` if it came or went during the check. */
function findSet(
  object: SharedObject<unknown>,
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
    throw object.foreign(
      "no semaphore set stands beside the segment. It is another program's, or somebody removed the " +
        "set (`ipcrm -s`): choose another key, or remove it (`rm`)",
      segment.id,
    );
  }
  const { semaphores: count, mode } = creation(object);
  return unless(ERRNO.EEXIST, () => SemaphoreSet.create({ key, count, mode }));
}

/** Takes the entry lock and counts us, which is `true`; otherwise joining starts over. */
function enterSet(
  object: SharedObject<unknown>,
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
  return whoUses(object, set, entry, undefined);
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
function whoUses(
  object: SharedObject<unknown>,
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
      `semaphore set ${id} has this key, with other values than 0 and without a segment: another ` +
        "program's, or left over where the segment was removed. Nothing was done to it: choose " +
        `another key, or, if nobody needs it, remove it (\`ipcrm -s ${id}\`)`,
    );
  }
  if (values[lock] === 1) return new Occupied(held);
  const remedy =
    `semaphore set ${id} is in use and has no segment, which somebody removed, or the ` +
    "set is another program's. Nothing was done to it: end its users, or choose another key";
  return new Occupied(timedOut(`join the ${object.name}`, "semop", { key, id, remedy }));
}

/** The segment, with the entry lock held; `undefined` if a process that ignores the lock created one. */
function openSegment(
  object: SharedObject<unknown>,
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
  return unless(ERRNO.EEXIST, () => Segment.create({ key, size: object.size(set), mode }));
}

/** How to create the object; throws its error if it must exist already. */
function creation(
  { create }: SharedObject<unknown>,
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

function lockHeld(
  { name }: SharedObject<unknown>,
  set: SemaphoreSet,
  lock: number,
  verb: "join" | "leave",
): ShmError {
  return timedOut(`${verb} the ${name}`, "semop", {
    key: set.key,
    remedy: `process ${set.lastPid(lock)} has been joining or leaving for too long; is it stopped?`,
  });
}
