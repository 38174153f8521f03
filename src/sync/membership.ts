/**
 * Joining and leaving what several processes share: a segment and a semaphore set under one key. An
 * entry lock in the set is held while joining and leaving, so that no peer joins what another one
 * removes, and a reference count says how many have joined; the kernel takes back both when a process
 * dies. For the mailbox and the channel; the steps, and what a peer killed between two of them leaves,
 * are in `docs/wire_format.md`.
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

/** How long joining takes at most, in milliseconds, and how long leaving waits for the entry lock. */
const JOIN_MS = 5_000;
const LEAVE_MS = 1_000;

/** The semaphores of a set that joining and leaving are about, by number. */
export interface EntrySemaphores {
  /** The entry lock. */
  readonly lock: number;
  /** How many have joined and not left. */
  readonly users: number;
  /** 1 if the last one to leave removes the segment. */
  readonly disposable: number;
}

/** What is joined: how it is told from another program's objects, and what a joining peer does there. */
export interface SharedObject<Inside> {
  /** For errors: "mailbox". */
  readonly name: string;
  readonly key: number;
  /** Whether another user's is accepted. */
  readonly trust: boolean;
  /** What is created where nothing is there, or the error that says so. */
  readonly create: { readonly mode: number; readonly semaphores: number } | (() => ShmError);
  /** How many semaphores the set must have, if that does not depend on anything. */
  readonly semaphores?: number;
  /** Whether the segment may stand without a set. */
  readonly standsAlone: boolean;
  /**
   * Looks at a segment by the kernel's facts, before anything is done to segment or set; `others` are
   * attached to it. `false` if the caller wants it replaced.
   *
   * @throws {ShmError} it is something else
   */
  fits(segment: SegmentStat, others: number): boolean;
  /**
   * Which semaphores of `set` are the entry's.
   *
   * @throws {ShmError} the set is something else, or does not go with the segment beside it
   */
  entry(set: SemaphoreSet, segment: SegmentStat | undefined): EntrySemaphores;
  /** The size of the segment to create beside `set`. */
  size(set: SemaphoreSet): number;
  /**
   * Makes use of the segment, with the entry lock held; prepares it if it is new. `undefined` if it
   * had to go, so that joining starts over.
   */
  enter(segment: Segment, membership: Membership, deadline: Deadline): Inside | undefined;
  /** The error for what is something else. */
  foreign(what: string, id?: number): ShmError;
}

/**
 * What became of the segment when a peer left: `removed`; `kept` because that was asked for or because
 * it was there before us; `unread` because a message is in it; `in use` because others are attached,
 * or might be; `not ours` because another user created it, whose next one out removes it.
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

/** Why joining starts over after a while: other peers must be done first. */
class Occupied {
  /** What to say if they never are. */
  readonly error: ShmError;

  constructor(error: ShmError) {
    this.error = error;
  }
}

/** One process's membership. */
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
   * Joins `object`, and creates it if it is not there and that is wanted. Blocks while others join or
   * leave, for `timeout` milliseconds at most (defaults to 5000). Whatever fails, the entry lock is free
   * again and what was created here is gone.
   *
   * @throws {ShmError} `ETIMEDOUT` others did not finish in time; what `object` throws; `EUNTRUSTED`
   * @throws {RangeError} a timeout that is none, or the key `IPC_PRIVATE`
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

  /** `undefined`: what was there when we looked was removed, or something came, before we were in. */
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
      // What will be refused for its set keeps its segment
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

  /** Everything that is done with the entry lock held; it is free in the end if this succeeds. */
  #enter<Inside>(
    object: SharedObject<Inside>,
    seen: SegmentStat | undefined,
    deadline: Deadline,
  ): Inside | undefined {
    const segment = openSegment(object, this.set, seen);
    if (segment === undefined) return undefined;
    let inside: Inside | undefined;
    try {
      // Looked at already: the size of a segment is that of its id, and its owner was checked again
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

  /** Looks again at a segment that is attached by now, and so does not change any more. */
  #goesWith(segment: Segment, object: SharedObject<unknown>): boolean {
    const stat = segment.stat();
    if (!object.fits(stat, stat.nattch - 1)) return false;
    object.entry(this.set, stat);
    return true;
  }

  /** Detaches; a segment that we created goes again if nobody else is attached. */
  #letGo(segment: Segment): void {
    try {
      if (segment.created && segment.stat().nattch <= 1) this.#remove(segment);
    } finally {
      segment.detach();
    }
  }

  /** Leaves after a failure, with the entry lock held; a set that we created for nothing goes again. */
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

  /** Whether nobody else has joined. With the entry lock held. */
  get alone(): boolean {
    return this.set.value(this.#entry.users) <= 1;
  }

  /** Whether no role is held, nor anything else of the set, but what joining takes. With the entry lock held. */
  get idle(): boolean {
    const { lock, users, disposable } = this.#entry;
    return this.alone &&
      this.set.values().every((value, semaphore) =>
        value === 0 || [lock, users, disposable].includes(semaphore)
      );
  }

  /** Whether the last one to leave removes the segment. With the entry lock held. */
  get disposable(): boolean {
    return this.set.value(this.#entry.disposable) === 1;
  }

  set disposable(value: boolean) {
    this.set.setValue(this.#entry.disposable, value ? 1 : 0);
  }

  /**
   * Removes a segment of which nobody makes use, and with it the set. For {@linkcode SharedObject.enter},
   * which gives `undefined` then.
   */
  dissolve(segment: Segment): void {
    this.#remove(segment);
    this.#dissolved = true;
  }

  #remove(segment: Segment): void {
    // First: a set without a segment is used again only if all its values are 0
    this.disposable = false;
    segment.remove();
  }

  /**
   * Leaves and detaches `segment`; roles and other locks are released before. `decide` says what is to
   * become of the segment, with the entry lock held; it is told whether nobody else has joined.
   * Waits for the entry lock for a second at most, or as long as the timeout of joining if that is less.
   * Whatever fails, the segment is detached and the entry lock free again. Twice is once.
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
        // Memory that the caller gave away tells nothing
        const fate = segment.attached && segment.buffer.byteLength > 0 ? decide(alone) : "in use";
        result = fate === "removed" ? this.#tryRemove(segment) : fate;
        removing = alone && (this.#object.standsAlone || result === "removed");
      }
    } catch (error) {
      // The set went at that moment: there is nothing to leave
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
      // For the next one out, who may
      this.disposable = true;
      if (error instanceof ShmError && error.errno === ERRNO.EPERM) return "not ours";
      throw error;
    }
  }

  /**
   * Takes the entry lock in order to leave. If that cannot be, because the set has gone or a stopped
   * process holds it, we are not counted any more and all stays as it is.
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
      if (!(error instanceof ShmError && error.errno === ERRNO.ETIMEDOUT)) throw error;
    } finally {
      if (!taken) quietly(set, uncount);
    }
    return taken;
  }

  /** Goes, with the entry lock held: it is free then. */
  #exit(removing: boolean): void {
    let removed = false;
    try {
      removed = removing && tryRemoveSet(this.set);
    } finally {
      if (!removed && !quietly(this.set, this.#operations.exit)) {
        // In one step nothing is done if one of both cannot be, as when somebody reset a value
        quietly(this.set, this.#operations.uncount);
        quietly(this.set, this.#operations.unlock);
      }
    }
  }
}

/** Does what never waits, and says whether; what cannot be is let be: we are leaving. */
function quietly(set: SemaphoreSet, operations: PreparedOperations): boolean {
  try {
    return set.tryOp(operations);
  } catch (error) {
    if (error instanceof ShmError) return false;
    throw error;
  }
}

/** Removes the set if that is ours to do, and says whether. */
function tryRemoveSet(set: SemaphoreSet): boolean {
  try {
    set.remove();
    return true;
  } catch (error) {
    if (error instanceof ShmError && error.errno === ERRNO.EPERM) return false;
    throw error;
  }
}

/** What joining and leaving do on a set. */
interface EntryOperations {
  readonly takeLock: PreparedOperations;
  /** Takes the lock and counts. */
  readonly enter: PreparedOperations;
  readonly unlock: PreparedOperations;
  readonly uncount: PreparedOperations;
  /** Counts no more and unlocks. */
  readonly exit: PreparedOperations;
}

/** Packed once for each entry there is: a mailbox has one, and channels one for each number of lanes. */
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

/** The segment under the key by the kernel's facts, and whether it can be joined or is to be replaced. */
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

/** The set under the key, created if there is none. `undefined`: it came or went while we looked. */
function findSet(
  object: SharedObject<unknown>,
  segment: SegmentStat | undefined,
): SemaphoreSet | undefined {
  const { key, trust, semaphores } = object;
  const wanted = { trust, ...(semaphores === undefined ? {} : { count: semaphores }) };
  // Asked first where none is expected: an error that is caught takes longer than all the rest
  if (segment !== undefined || findSemaphoreSet(key) !== undefined) {
    const found = unless(ERRNO.ENOENT, () => SemaphoreSet.open(key, wanted));
    if (found !== undefined) return found;
  }
  if (segment !== undefined && !object.standsAlone) {
    // The set comes before the segment and goes after it
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

/** Takes the entry lock and is counted, which is `true`; or says that joining starts over. */
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
    // It may be anything's. In one step: if all its values are 0, it is ours to use
    const unused = Array.from({ length: set.count }, (_, semaphore) => ({ semaphore, add: 0 }));
    const counting = [lock, users].map((semaphore) => ({ semaphore, add: 1, undo: true }));
    if (set.tryOp([...unused, ...counting])) return true;
  } catch (error) {
    if (saysGone(error)) return undefined;
    // Created for nothing. What others have entered meanwhile is theirs
    if (set.created && isUnused(set)) set.remove();
    throw error;
  }
  return whoUses(object, set, entry, undefined);
}

/** Whether the set has other values by now, somebody had its lock since `last` had, or it has gone. */
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
 * Says of a set whose segment is not there, or cannot be joined, whether it can be that of peers who join or
 * leave: it pays to wait. `undefined`: it is not in use any more, or another segment is at the key by now.
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
    // Peers that come meanwhile and are killed leave such values too, and a segment, which others remove
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

/** The segment, with the entry lock held. `undefined`: somebody who does not know the lock created one. */
function openSegment(
  object: SharedObject<unknown>,
  set: SemaphoreSet,
  seen: SegmentStat | undefined,
): Segment | undefined {
  const { key, trust } = object;
  // As for the set
  if (seen !== undefined || findSegment(key) !== undefined) {
    const found = unless(ERRNO.ENOENT, () => Segment.open(key, { trust }));
    if (found !== undefined) return found;
  }
  const { mode } = creation(object);
  return unless(ERRNO.EEXIST, () => Segment.create({ key, size: object.size(set), mode }));
}

/** What is to be created. */
function creation(
  { create }: SharedObject<unknown>,
): { readonly mode: number; readonly semaphores: number } {
  if (typeof create === "function") throw create();
  return create;
}

/** What `action` gives, or `undefined` if it fails with `errno`: others come and go meanwhile. */
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
