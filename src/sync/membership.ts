/**
 * One process's membership of a shared object, a segment and a semaphore set under one key, from joining
 * to leaving. A peer holds an entry lock in the set while it joins or leaves, so that no peer joins what
 * another one removes. A reference count holds the number of peers that have joined. The kernel undoes
 * both when a process dies. `joining.ts` has the steps up to the entry lock; `docs/wire_format.md` has all
 * steps, and what a peer leaves that is killed between two of them. Internal: used by the mailbox and by
 * `headed_object.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkKey, IPC_PRIVATE } from "../sysv/key.ts";
import { saysGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import { findSegment, type SegmentStat } from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { operate } from "../sysv/semaphore_wait.ts";
import { pause, waitSync } from "../sysv/wait.ts";
import { Deadline } from "./deadline.ts";
import {
  enterObject,
  type EntryOperations,
  type EntrySemaphores,
  type Joinable,
  lockHeld,
  Occupied,
  openSegment,
  operationsOn,
} from "./joining.ts";
import { timedOut, WaitSchedule } from "./wait_schedule.ts";

/** Milliseconds that joining takes at most by default, and that leaving waits for the entry lock. */
export const JOIN_MS = 5_000;
const LEAVE_MS = 1_000;

/**
 * What happened to the segment when a peer left: `removed`; `kept` because it is persistent or existed
 * before; `unread` because a message is in it; `in use` because other processes are attached, or might
 * be; `not ours` because another user created it, and the next peer of that user to leave removes it.
 */
export type LeaveResult = "removed" | "kept" | "unread" | "in use" | "not ours";

/** A kind of shared object, and how it is entered. */
export interface SharedObject<Inside> extends Joinable {
  /**
   * Enters the segment with the entry lock held, and prepares it if it is new. Returns `undefined` if it
   * had to remove the segment, so that joining starts over.
   */
  enter(segment: Segment, membership: Membership, deadline: Deadline): Inside | undefined;
}

/** @throws {RangeError} the key is none, or `IPC_PRIVATE` */
export function checkSharedKey({ name, key }: Pick<Joinable, "name" | "key">): void {
  if (checkKey(key) === IPC_PRIVATE) {
    throw new RangeError(`a ${name} needs a key that others can find`);
  }
}

/** What the error for a removed object says of it. */
type Removable = Pick<Joinable, "name" | "standsAlone">;

function removed(
  { name, standsAlone }: Removable,
  { key, id }: Segment,
  what: string,
  call: "shmctl" | "semctl",
): ShmError {
  return new ShmError(`go on using the ${name}`, call, ERRNO.EIDRM, {
    key,
    id,
    facts: `its ${what} was removed while in use, perhaps with ipcrm`,
    // A segment of such an object cannot be joined without its set
    remedy: what === "segment" || standsAlone
      ? "start its programs again"
      : `end its programs, remove the segment that is left (\`ipcrm -m ${id}\`), and start them again`,
  });
}

/**
 * The value of a semaphore in the set of an object that is in use.
 *
 * @throws {ShmError} `EIDRM` the set was removed
 */
export function presentValue(
  object: Removable,
  segment: Segment,
  set: SemaphoreSet,
  semaphore: number,
): number {
  try {
    return set.value(semaphore);
  } catch (error) {
    if (saysGone(error)) throw removed(object, segment, "semaphore set", "semctl");
    throw error;
  }
}

/** One process's membership of a shared object. */
export class Membership {
  readonly set: SemaphoreSet;
  readonly #object: Joinable;
  readonly #entry: EntrySemaphores;
  readonly #leaveMs: number;
  readonly #operations: EntryOperations;
  #dissolved = false;
  #left = false;

  private constructor(
    object: Joinable,
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
    checkSharedKey(object);
    let expired = (): ShmError =>
      timedOut(`join the ${name}`, "semop", {
        key,
        remedy: "other programs keep removing it",
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
    const entered = enterObject(object, deadline);
    if (entered === undefined || entered instanceof Occupied) return entered;
    const { set, entry, stat } = entered;
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
  #goesWith(segment: Segment, object: Joinable): boolean {
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

  /**
   * Checks that segment and set are not removed, and returns how many attached processes have not joined:
   * they use the memory, but none of the set. Two system calls: only for waits.
   *
   * @throws {ShmError} `EIDRM` one of them was removed while in use, `EDETACHED` after leaving
   */
  checkPresent(segment: Segment): number {
    const { markedForRemoval, nattch } = segment.stat();
    if (markedForRemoval) throw removed(this.#object, segment, "segment", "shmctl");
    return nattch - presentValue(this.#object, segment, this.set, this.#entry.users);
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
