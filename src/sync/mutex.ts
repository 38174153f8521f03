/**
 * Mutexes: a {@linkcode Role} that is taken and released again and again, as a lock that ends with a
 * block. Nothing here but that shape; what makes it safe is the role.
 */

import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode } from "../sysv/object_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { Role } from "./role.ts";
import type { WaitOptions, WaitSyncOptions } from "./wait_schedule.ts";

/**
 * How {@linkcode Mutex.openOrCreate} finds or makes a mutex.
 *
 * @example
 * ```ts
 * import { Mutex, type MutexOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: MutexOptions = { key: 0x5eed2009, mode: 0o660 };
 * const mutex = Mutex.openOrCreate(options);
 * assert.equal(mutex.set.stat().mode, 0o660);
 * mutex.remove();
 * ```
 */
export interface MutexOptions {
  /** The key others find it by. */
  readonly key: number;
  /** Permission bits of a new one; 0o600 if not said. */
  readonly mode?: number;
  /** Accept one that another user, not root, created or owns. */
  readonly trust?: boolean;
}

const readMutexOptions = optionsReader(
  { key: checkKey, mode: checkMode, trust: checkFlag },
  ["key"],
);

/**
 * A mutex while it is locked. `using` releases it at the end of the block.
 *
 * @example
 * ```ts
 * import { Mutex, type MutexLock } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const mutex = Mutex.openOrCreate({ key: 0x5eed200d });
 * const lock: MutexLock = mutex.lockSync();
 * assert.equal(mutex.tryLock(), undefined);
 * lock.release();
 * assert(!lock.held);
 * mutex.remove();
 * ```
 */
export interface MutexLock extends Disposable {
  /** Whether it was not released yet. */
  readonly held: boolean;
  /** Lets the next one have the mutex. Twice is once. */
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
 * The kernel frees it when the process or the Worker that holds it ends, by SIGKILL and `terminate()`
 * too ({@linkcode Role} says where a Worker's lock stays with its process instead, and the way out).
 * The next holder is not told, so let what the mutex guards say for itself when a change of it is half
 * done. Lock and release in the same process; locking again what one holds waits like anybody.
 *
 * A lock that is dropped without being released stays held until its process ends: when garbage is
 * collected says nothing about when the work under the lock is over. So write `using`.
 *
 * @example
 * ```ts
 * import { Mutex, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.openOrCreate({ key: 0x5eed200a, size: 8 });
 * const mutex = Mutex.openOrCreate({ key: 0x5eed200a });
 * const counter = new Float64Array(segment.buffer);
 * {
 *   using _lock = await mutex.lock();
 *   counter[0]! += 1; // no other process is here at the same time
 * }
 * assert.equal(counter[0], 1);
 * mutex.remove();
 * segment.remove();
 * ```
 */
export class Mutex {
  readonly #set: SemaphoreSet;
  readonly #semaphore: number;
  readonly #view: Role;
  /** What the lock that was given out last holds. */
  #last: Role | undefined;

  /**
   * The mutex that is semaphore number `semaphore` of `set`, which is 0 while nobody holds it.
   *
   * @throws {RangeError} no such semaphore in the set
   */
  constructor(set: SemaphoreSet, semaphore = 0) {
    this.#set = set;
    this.#semaphore = semaphore;
    this.#view = new Role(set, semaphore);
    Object.freeze(this);
  }

  /** The semaphore set it is in. */
  get set(): SemaphoreSet {
    return this.#set;
  }

  /** Which semaphore of the set it is. */
  get semaphore(): number {
    return this.#semaphore;
  }

  /**
   * Finds the mutex that holds `key`, a set of one semaphore, or creates it, free.
   *
   * @throws {ShmError} as {@linkcode SemaphoreSet.openOrCreate}
   * @throws {RangeError} a key or mode out of range
   */
  static openOrCreate(options: MutexOptions): Mutex {
    const read = readMutexOptions(options);
    return new Mutex(SemaphoreSet.openOrCreate({ ...read, count: 1 }));
  }

  /**
   * Locks it as soon as nobody else has. When `signal` aborts, the promise rejects with its reason,
   * within 100 ms, and nothing is locked.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over (the message names the holder), `EIDRM` the
   * mutex was removed while we waited, `EINVAL` before, `EACCES`
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
   * As {@linkcode Mutex.lock}, blocking the thread.
   *
   * @throws {ShmError} also `EDEADLK` this very mutex is locked already, and the thread that could
   * release it would sleep
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
    // What this very mutex has locked is waited for in vain: the role itself refuses
    const role = this.#last?.held === true ? this.#last : new Role(this.#set, this.#semaphore);
    role.acquireSync(options);
    return this.#locked(role);
  }

  /**
   * Locks it if nobody else has, and gives `undefined` otherwise. Never waits.
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

  /** The process that has it locked, or `undefined`; 0 if that is in another pid namespace. */
  get holder(): number | undefined {
    return this.#view.holder;
  }

  /**
   * Removes the semaphore set it is in; whoever waits for it wakes with `EIDRM`, and whoever has it
   * locked is alone no longer. For the last who needs it. Twice is once.
   *
   * @throws {ShmError} `EPERM` neither owner, creator nor root
   */
  remove(): void {
    this.#set.remove();
  }
}
