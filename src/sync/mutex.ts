/**
 * Mutexes: a {@linkcode Role} that is acquired and released repeatedly, as a lock that ends with a
 * block. This file adds only that interface; the role provides the safety.
 */

import { checkFlag, checkFunction, optionsReader } from "../layout/arguments.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode } from "../sysv/object_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { Role } from "./role.ts";
import type { WaitOptions, WaitSyncOptions } from "./wait_schedule.ts";

/** How {@linkcode Mutex.openOrCreate} finds or creates a mutex. */
export interface MutexOptions {
  /** The key by which other processes find the mutex. */
  readonly key: number;
  /** Permission bits of a new mutex. Defaults to 0o600. */
  readonly mode?: number;
  /** Accept a mutex that another user, other than root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
}

const readMutexOptions = optionsReader(
  { key: checkKey, mode: checkMode, trust: checkFlag },
  ["key"],
);

/** A mutex while it is locked. `using` releases it at the end of the block. */
export interface MutexLock extends Disposable {
  /** Whether the lock is still held: it was not released yet. */
  readonly held: boolean;
  /** Releases the mutex. Calling it again does nothing. */
  release(): void;
}

class Lock implements MutexLock {
  readonly #role: Role;

  constructor(role: Role) {
    this.#role = role;
    Object.freeze(this);
  }

  get held(): boolean {
    return this.#role.held;
  }

  release(): void {
    this.#role.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Mutual exclusion between processes, and between the tasks of one process.
 *
 * The kernel frees the mutex when the process or the Worker that holds it ends, also by SIGKILL and
 * `terminate()` ({@linkcode Role} describes where a Worker's lock stays with its process instead, and
 * the way out). The next holder is not notified, so the guarded data itself must show that a change is
 * incomplete. Lock and release in the same process. The mutex is not recursive: a holder that locks it
 * again waits like any other process.
 *
 * A lock that is dropped without release stays held until its process ends, because garbage collection
 * does not show that the work under the lock is over. So write `using`.
 *
 * @example
 * ```ts
 * import { Mutex, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.openOrCreate({ key: 0x5eed200a, size: 8 });
 * const mutex = Mutex.openOrCreate({ key: 0x5eed200a });
 * const counter = new Float64Array(segment.buffer);
 * await mutex.withLock(() => {
 *   counter[0]! += 1; // no other process does this at the same time
 * });
 * assert.equal(counter[0], 1);
 * mutex.remove();
 * segment.remove();
 * ```
 */
export class Mutex {
  readonly #set: SemaphoreSet;
  readonly #semaphore: number;
  readonly #view: Role;
  /** The role of the lock that was returned last. */
  #last: Role | undefined;

  /**
   * The mutex in semaphore number `semaphore` of `set`, which is 0 while no process holds it.
   *
   * @throws {RangeError} no such semaphore in the set
   */
  constructor(set: SemaphoreSet, semaphore = 0) {
    this.#set = set;
    this.#semaphore = semaphore;
    this.#view = new Role(set, semaphore);
    Object.freeze(this);
  }

  /** The semaphore set that holds the mutex. */
  get set(): SemaphoreSet {
    return this.#set;
  }

  /** The number of its semaphore in the set. */
  get semaphore(): number {
    return this.#semaphore;
  }

  /**
   * Finds the mutex with `key`, a set of one semaphore, or creates it unlocked.
   *
   * @throws {ShmError} as {@linkcode SemaphoreSet.openOrCreate}
   * @throws {RangeError} a key or mode out of range
   */
  static openOrCreate(options: MutexOptions): Mutex {
    const read = readMutexOptions(options);
    return new Mutex(SemaphoreSet.openOrCreate({ ...read, count: 1 }));
  }

  /**
   * Locks the mutex as soon as no other holder has it. When `signal` aborts, the promise rejects with
   * its reason within 100 ms, and nothing is locked.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over (the message names the holder), `EIDRM` the
   * mutex was removed during the wait, `EINVAL` it was removed before, `EACCES`
   *
   * @example
   * ```ts
   * import { Mutex } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const mutex = Mutex.openOrCreate({ key: 0x5eed200b });
   * {
   *   using _lock = await mutex.lock();
   *   await assert.rejects(mutex.lock({ timeout: 10 }), { code: "ETIMEDOUT" });
   * }
   * mutex.remove();
   * ```
   */
  async lock(options: WaitOptions = {}): Promise<MutexLock> {
    const role = new Role(this.#set, this.#semaphore);
    await role.acquire(options);
    return this.#locked(role);
  }

  /**
   * Locks the mutex, calls `body`, and releases the lock when the promise that `body` returns settles.
   * Returns what `body` returns. If `body` throws or rejects, the lock is released first.
   *
   * @throws {ShmError} as {@linkcode Mutex.lock}; then `body` is not called
   *
   * @example
   * ```ts
   * import { Mutex } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const mutex = Mutex.openOrCreate({ key: 0x5eed200e });
   * const pid = await mutex.withLock(() => mutex.holder, { timeout: 5_000 });
   * assert.equal(pid, Deno.pid);
   * assert.equal(mutex.holder, undefined);
   * mutex.remove();
   * ```
   */
  async withLock<Result>(
    body: () => Result | PromiseLike<Result>,
    options: WaitOptions = {},
  ): Promise<Result> {
    checkFunction(body, "body");
    using _lock = await this.lock(options);
    return await body();
  }

  /**
   * As {@linkcode Mutex.lock}, blocking the thread.
   *
   * @throws {ShmError} also `EDEADLK` this object has locked the mutex already, and the thread that
   * could release it would sleep
   *
   * @example
   * ```ts
   * import { Mutex } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const mutex = Mutex.openOrCreate({ key: 0x5eed200c });
   * {
   *   using _lock = mutex.lockSync();
   *   assert.equal(mutex.holder, Deno.pid);
   *   assert.throws(() => mutex.lockSync(), { code: "EDEADLK" });
   * }
   * assert.equal(mutex.holder, undefined);
   * mutex.remove();
   * ```
   */
  lockSync(options: WaitSyncOptions = {}): MutexLock {
    // A wait for a lock of this object would never end: its role throws EDEADLK
    const role = this.#last?.held === true ? this.#last : new Role(this.#set, this.#semaphore);
    role.acquireSync(options);
    return this.#locked(role);
  }

  /**
   * Locks the mutex if no other holder has it, and returns `undefined` otherwise. Never waits.
   *
   * @throws {ShmError} `EINVAL` the mutex was removed, `EACCES`
   */
  tryLock(): MutexLock | undefined {
    const role = new Role(this.#set, this.#semaphore);
    return role.tryAcquire() ? this.#locked(role) : undefined;
  }

  #locked(role: Role): MutexLock {
    this.#last = role;
    return new Lock(role);
  }

  /** The process that holds the lock, or `undefined`; 0 if it is in another pid namespace. */
  get holder(): number | undefined {
    return this.#view.holder;
  }

  /**
   * Removes the semaphore set that holds the mutex. Waiters fail with `EIDRM`, and a holder is no longer
   * protected, so only the last user may remove it. Calling it again does nothing.
   *
   * @throws {ShmError} `EPERM` the caller is neither owner, creator nor root
   */
  remove(): void {
    this.#set.remove();
  }
}
