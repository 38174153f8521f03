/**
 * Semaphore sets: counters in the kernel. Several operations change them in one step, and the kernel
 * reverts the changes of a process that dies (`undo`). Every lock and role of this library is a semaphore.
 */

import { SEM } from "../../ffi/constants.ts";
import { semctl } from "../../ffi/sem.ts";
import { mistyped } from "../layout/refusal.ts";
import type { PermissionChange } from "./object_stat.ts";
import { setFailure } from "./semaphore_failure.ts";
import {
  attachSet,
  createSet,
  type OpenedSet,
  openOrCreateSet,
  openSet,
} from "./semaphore_opening.ts";
import {
  type Operation,
  PackedOperations,
  type PreparedOperations,
} from "./semaphore_operations.ts";
import {
  checkSemaphore,
  checkValue,
  checkValues,
  type OperationOptions,
  type OperationSyncOptions,
  readOperationOptions,
  readOperationSyncOptions,
  type SemaphoreSetAttachOptions,
  type SemaphoreSetCreateOptions,
  type SemaphoreSetOpenOptions,
  type SemaphoreSetOpenOrCreateOptions,
} from "./semaphore_options.ts";
import { type SemaphoreSetStat, semaphoreTable } from "./semaphore_stat.ts";
import { tryReadValues, tryWriteValues } from "./semaphore_values.ts";
import {
  operate,
  operationsExpired,
  operationsFor,
  tryOperations,
  type WaitSlices,
} from "./semaphore_wait.ts";
import { waitAsync, waitSync } from "./wait.ts";

/** The longest slice of a wait in milliseconds. An abort is noticed at most this late. */
const SLICE_MS = 100;

let isSet: (value: unknown) => value is SemaphoreSet;

/** Throws a `TypeError` unless `value` is a real `SemaphoreSet` and not an object that looks like one. */
export function checkSet(value: unknown, name: string): SemaphoreSet {
  if (isSet(value)) return value;
  throw mistyped(name, "a SemaphoreSet", value);
}

/**
 * A System V semaphore set.
 *
 * `tryOp` never waits, `opSync` blocks the thread, `op` returns a promise. Several operations happen
 * in one step or not at all. The kernel reverts operations with `undo` when this process ends, also
 * after SIGKILL. A Worker counts as a separate process, except where the system forbids unshare(2),
 * as some containers do: there, its operations are undone when its process ends. Therefore acquire and
 * release with `undo` in the same Worker.
 *
 * @example A counting semaphore: at most three processes work at the same time
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const places = SemaphoreSet.openOrCreate({ key: 0x5eed000e, count: 1, values: [3] });
 * const take = SemaphoreSet.prepare([{ semaphore: 0, add: -1, undo: true }]);
 * const giveBack = SemaphoreSet.prepare([{ semaphore: 0, add: 1, undo: true }]);
 * await places.op(take, { timeout: 5_000 });
 * try {
 *   assert.equal(places.value(0), 2);
 * } finally {
 *   places.opSync(giveBack);
 * }
 * places.remove();
 * ```
 *
 * @example A lock that the kernel releases when its holder dies
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed0005, count: 1 });
 * const lock = SemaphoreSet.prepare([
 *   { semaphore: 0, add: 0 }, // wait until no process holds it, and in the same step
 *   { semaphore: 0, add: 1, undo: true }, // take it
 * ]);
 * assert(set.tryOp(lock));
 * assert(!set.tryOp(lock));
 * assert.equal(set.lastPid(0), Deno.pid);
 * set.remove();
 * ```
 */
export class SemaphoreSet {
  static {
    isSet = (value): value is SemaphoreSet =>
      typeof value === "object" && value !== null && #count in value;
  }

  readonly #key: number;
  readonly #id: number;
  readonly #count: number;
  readonly #created: boolean;
  readonly #othersMayWrite: boolean;
  #removed = false;

  private constructor({ key, id, count, created, othersMayWrite }: OpenedSet) {
    this.#key = key;
    this.#id = id;
    this.#count = count;
    this.#created = created;
    this.#othersMayWrite = othersMayWrite;
    Object.freeze(this);
  }

  /** The key that the set was created or opened with; 0 (`IPC_PRIVATE`) for a private set. */
  get key(): number {
    return this.#key;
  }

  /** The kernel's handle, "semid". 0 is a valid id. */
  get id(): number {
    return this.#id;
  }

  /** The number of semaphores in the set. */
  get count(): number {
    return this.#count;
  }

  /** Whether this call created the set. */
  get created(): boolean {
    return this.#created;
  }

  /**
   * Whether users other than the owner could change the set when it was opened (mode & 0o022). Always
   * false if this call created it: then the caller chose the mode.
   */
  get othersMayWrite(): boolean {
    return this.#othersMayWrite;
  }

  /**
   * Creates a new set.
   *
   * @throws {ShmError} `EEXIST` the key is taken, `EINVAL` more semaphores than a set may have,
   * `ENOSPC` a system limit is reached (the message names it), `EACCES` the mode does not let this
   * user itself set the start values (the new set is removed again)
   * @throws {RangeError} a key, count, mode or value is out of range
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const set = SemaphoreSet.create({ key: 0x5eed2004, count: 2 });
   * assert(set.created);
   * assert.deepEqual(set.values(), [0, 0]);
   * set.remove();
   * ```
   */
  static create(options: SemaphoreSetCreateOptions): SemaphoreSet {
    return new SemaphoreSet(createSet(options));
  }

  /**
   * Opens the set that holds `key`. The count is the one that the kernel reports.
   *
   * @throws {ShmError} `ENOENT` no such set, `EACCES` its mode gives this user no read permission,
   * `EUNTRUSTED` another user created or owns it, `EINVAL` its count does not match the options
   * @throws {RangeError} a key or count is out of range, or the key is `IPC_PRIVATE`
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const created = SemaphoreSet.create({ key: 0x5eed2005, count: 2 });
   * const opened = SemaphoreSet.open(0x5eed2005);
   * created.remove();
   * assert.equal(opened.count, 2);
   * assert(!opened.created);
   * ```
   */
  static open(key: number, options: SemaphoreSetOpenOptions = {}): SemaphoreSet {
    return new SemaphoreSet(openSet(key, options));
  }

  /**
   * Opens the set that holds `key`, or creates it. `created` reports which. An existing set keeps its
   * values and mode. With `values`, this call blocks for at most a second until the creator of an
   * existing set has written its start values. If the creator died before, the set is created again.
   *
   * @throws {ShmError} the errors of {@linkcode SemaphoreSet.create} and {@linkcode SemaphoreSet.open};
   * `ETIMEDOUT` another program's set whose start values have not been announced
   * @throws {RangeError} a key, count, mode or value is out of range
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const first = SemaphoreSet.openOrCreate({ key: 0x5eed2006, count: 1, values: [3] });
   * const second = SemaphoreSet.openOrCreate({ key: 0x5eed2006, count: 1, values: [3] });
   * assert.deepEqual([first.created, second.created], [true, false]);
   * assert.equal(second.value(0), 3);
   * first.remove();
   * ```
   */
  static openOrCreate(options: SemaphoreSetOpenOrCreateOptions): SemaphoreSet {
    return new SemaphoreSet(openOrCreateSet(options));
  }

  /**
   * Opens the set with this id.
   *
   * @throws {ShmError} `EINVAL` no such set, `EACCES` its mode gives this user no read permission,
   * `EUNTRUSTED` another user created or owns it
   * @throws {RangeError} an id is out of range
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const created = SemaphoreSet.create({ count: 1 });
   * const taken = SemaphoreSet.attach(created.id);
   * taken.setValue(0, 7);
   * assert.equal(created.value(0), 7);
   * created.remove();
   * ```
   */
  static attach(id: number, options: SemaphoreSetAttachOptions = {}): SemaphoreSet {
    return new SemaphoreSet(attachSet(id, options));
  }

  /**
   * Checks and packs operations once for many calls.
   *
   * @throws {RangeError} no operation, or a semaphore or summand is out of range
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const set = SemaphoreSet.create({ count: 2, values: [10, 0] });
   * const move = SemaphoreSet.prepare([{ semaphore: 0, add: -1 }, { semaphore: 1, add: 1 }]);
   * while (set.tryOp(move));
   * assert.deepEqual(set.values(), [0, 10]);
   * set.remove();
   * ```
   */
  static prepare(operations: readonly Operation[]): PreparedOperations {
    return new PackedOperations(operations);
  }

  /**
   * Performs all operations, or none of them if one would have to wait. Never waits.
   *
   * @returns whether they were performed
   * @throws {ShmError} `EINVAL` or `EIDRM` the set was removed, `ERANGE` a value beyond 32767,
   * `E2BIG` more operations than the system allows in one step, `EACCES`
   * @throws {RangeError} no operation, or one that is out of range for this set
   */
  tryOp(operations: readonly Operation[] | PreparedOperations): boolean {
    return tryOperations(this, operationsFor(this, operations));
  }

  /**
   * Performs all operations in one step, and blocks this thread until that is possible.
   *
   * @throws {ShmError} the errors of {@linkcode SemaphoreSet.tryOp}; `ETIMEDOUT` the timeout passed,
   * `EIDRM` the set was removed during the wait, `EAGAIN` an operation with `noWait` would have to wait.
   * After an error no operation was performed
   * @throws {RangeError} no operation, or one that is out of range for this set, or an invalid timeout
   *
   * @example Wait for zero: until all three have finished
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   *
   * const set = SemaphoreSet.create({ count: 1, values: [3] });
   * for (let i = 0; i < 3; i++) set.opSync([{ semaphore: 0, add: -1 }]);
   * set.opSync([{ semaphore: 0, add: 0 }], { timeout: 5_000 });
   * set.remove();
   * ```
   */
  opSync(
    operations: readonly Operation[] | PreparedOperations,
    options: OperationSyncOptions = {},
  ): void {
    const packed = operationsFor(this, operations);
    waitSync(operate(this, packed, this.#schedule(packed, readOperationSyncOptions(options))));
  }

  /**
   * Does the same as {@linkcode SemaphoreSet.opSync} without blocking this thread. When `signal` aborts,
   * the promise rejects with its reason within 100 ms. If a helper thread had just performed the
   * operations, they are reverted, and other processes may see the change and its reversal. If they
   * cannot be reverted, because another process has used the change, the promise resolves instead.
   *
   * Any number of calls may wait. Calls that wait for the same operations proceed in the order of the
   * calls. All share a few threads: with many different waits, one may be noticed up to 100 ms late.
   *
   * @example
   * ```ts
   * import { SemaphoreSet } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const set = SemaphoreSet.create({ count: 1 });
   * const taken = set.op([{ semaphore: 0, add: -1 }]);
   * set.opSync([{ semaphore: 0, add: 1 }]);
   * await taken;
   * assert.equal(set.value(0), 0);
   * set.remove();
   * ```
   */
  async op(
    operations: readonly Operation[] | PreparedOperations,
    options: OperationOptions = {},
  ): Promise<void> {
    const packed = operationsFor(this, operations);
    const read = readOperationOptions(options);
    await waitAsync(operate(this, packed, this.#schedule(packed, read)), read.signal);
  }

  #schedule(
    operations: PackedOperations,
    { timeout = Infinity }: OperationSyncOptions,
  ): WaitSlices {
    const end = performance.now() + timeout;
    return {
      next: () => {
        const left = end - performance.now();
        if (!(left > 0)) throw operationsExpired(this, operations);
        return Math.min(left, SLICE_MS);
      },
    };
  }

  /**
   * Returns all values, read at the same instant.
   *
   * @throws {ShmError} `EINVAL` the set was removed, `EACCES` no read permission
   */
  values(): number[] {
    const values = tryReadValues(this.#id, this.#count);
    if (typeof values !== "number") return Array.from(values);
    throw setFailure(this, "read the semaphores", "semctl", -values);
  }

  /**
   * Sets all values in one step, and clears every pending `undo` of them.
   *
   * @throws {ShmError} `EINVAL` the set was removed, `EACCES` no permission to change it
   * @throws {RangeError} not one value for each semaphore, or a value not from 0 to 32767
   */
  setValues(values: readonly number[]): void {
    const result = tryWriteValues(this.#id, checkValues(values, this.#count));
    if (result < 0) throw setFailure(this, "set the semaphores", "semctl", -result);
  }

  /**
   * Returns the value of a semaphore.
   *
   * @throws {ShmError} `EINVAL` the set was removed, `EACCES` no read permission
   * @throws {RangeError} no such semaphore in the set
   */
  value(semaphore: number): number {
    return this.#control("read a semaphore", semaphore, SEM.GETVAL);
  }

  /**
   * Sets the value of a semaphore, and clears every pending `undo` of it.
   *
   * @throws {ShmError} `EINVAL` the set was removed, `EACCES` no permission to change it
   * @throws {RangeError} no such semaphore in the set, or a value not from 0 to 32767
   */
  setValue(semaphore: number, value: number): void {
    checkSemaphore(semaphore, this.#count);
    this.#control("set a semaphore", semaphore, SEM.SETVAL, checkValue(value));
  }

  /**
   * Returns how many threads, in all processes, wait for the value to increase (`GETNCNT`). Promises
   * share threads: several promises that wait for the same operations count as one.
   */
  waitingForIncrease(semaphore: number): number {
    return this.#control("count the waiters", semaphore, SEM.GETNCNT);
  }

  /** Returns how many threads, in all processes, wait for the value to become zero (`GETZCNT`). */
  waitingForZero(semaphore: number): number {
    return this.#control("count the waiters", semaphore, SEM.GETZCNT);
  }

  /**
   * Returns the pid of the process that last changed the semaphore, or last waited for zero and got it
   * (`GETPID`). 0 if there is no such process, or if it is in another pid namespace.
   */
  lastPid(semaphore: number): number {
    return this.#control("read a semaphore", semaphore, SEM.GETPID);
  }

  #control(action: string, semaphore: number, command: number, value = 0): number {
    const result = semctl(this.#id, checkSemaphore(semaphore, this.#count), command, value);
    if (result < 0) throw setFailure(this, action, "semctl", -result);
    return result;
  }

  /**
   * Returns what the kernel reports about the set now.
   *
   * @throws {ShmError} `EINVAL` it was removed
   */
  stat(): SemaphoreSetStat {
    const stat = semaphoreTable.tryStat(this.#id);
    if (typeof stat !== "number") return stat;
    throw setFailure(this, "look at the semaphores", "semctl", -stat);
  }

  /**
   * Changes mode, owner or group. What is left out does not change. The owner needs no permission bit.
   *
   * @throws {ShmError} `EPERM` neither owner, creator nor root, `EINVAL` it was removed
   * @throws {RangeError} a mode, user id or group id is out of range
   */
  setPermissions(change: PermissionChange): void {
    semaphoreTable.setPermissions(this.#id, change);
  }

  /**
   * Removes the set at once. Every waiting process gets `EIDRM`. Calling it again does nothing.
   *
   * @throws {ShmError} `EPERM` neither owner, creator nor root
   */
  remove(): void {
    if (this.#removed) return;
    semaphoreTable.ensureRemoved(this.#id);
    this.#removed = true;
  }
}
