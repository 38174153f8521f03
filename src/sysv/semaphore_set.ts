/**
 * Semaphore sets: counters in the kernel that several operations change in one step, and that the
 * kernel itself sets back when a process dies (`undo`). Every lock and role of this library is one.
 */

import { IPC, SEM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import {
  packSembufs,
  platform,
  type Sembufs,
  semctl,
  semctlBuffer,
  semget,
  semop,
  semtimedop,
  semtimedopAsync,
} from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkKey } from "./key.ts";
import { KernelStructReader, withPerm } from "./kernel_struct.ts";
import {
  checkMode,
  foreignUser,
  formatMode,
  isGone,
  type ObjectStat,
  type PermName,
  readPerm,
  readTime,
} from "./object_stat.ts";

/**
 * One operation of several that happen in one step or not at all.
 *
 * @example
 * ```ts
 * import { type Operation, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const take: Operation = { semaphore: 0, add: -1 };
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed000e, count: 1 });
 * assert.equal(set.tryOp(SemaphoreSet.prepare([take])), false);
 * set.setValue(0, 1);
 * assert.equal(set.tryOp(SemaphoreSet.prepare([take])), true);
 * set.remove();
 * ```
 */
export interface Operation {
  /** Which semaphore of the set, from 0. */
  readonly semaphore: number;
  /** Added to its value, which never falls below 0: a subtraction waits. 0 waits for zero. */
  readonly add: number;
  /** Whether the kernel takes it back when this process ends, however it ends. */
  readonly undo?: boolean;
}

/**
 * What the kernel knows of one semaphore set. Source: `struct semid_ds`, semctl(2).
 *
 * @example
 * ```ts
 * import { SemaphoreSet, type SemaphoreSetStat } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed000f, count: 3 });
 * const stat: SemaphoreSetStat = set.stat();
 * set.remove();
 * assert.equal(stat.count, 3);
 * assert.equal(stat.otime, null);
 * ```
 */
export interface SemaphoreSetStat extends ObjectStat {
  /** How many semaphores it has. */
  readonly count: number;
  /** Last `semop`, to the second. */
  readonly otime: Date | null;
  /** Creation or last change by `semctl`, to the second. */
  readonly ctime: Date | null;
}

/**
 * How {@linkcode SemaphoreSet.openOrCreate} finds or makes a set.
 *
 * @example
 * ```ts
 * import { SemaphoreSet, type SemaphoreSetOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SemaphoreSetOptions = { key: 0x5eed0010, count: 2, mode: 0o660 };
 * const set = SemaphoreSet.openOrCreate(options);
 * assert.equal(set.stat().mode, 0o660);
 * set.remove();
 * ```
 */
export interface SemaphoreSetOptions {
  /** The key others find it by. */
  readonly key: number;
  /** How many semaphores: of an existing set exactly as many are asked. They start at 0 (Linux). */
  readonly count: number;
  /** Permission bits of a new set; 0o600 if not said. */
  readonly mode?: number;
  /** Accept a set that another user, not root, created or owns. */
  readonly trust?: boolean;
}

/**
 * Operations packed once for many calls, by {@linkcode SemaphoreSet.prepare}.
 *
 * @example
 * ```ts
 * import { type PreparedOperations, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const up: PreparedOperations = SemaphoreSet.prepare([{ semaphore: 0, add: 1 }]);
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed0011, count: 1 });
 * for (let i = 0; i < 3; i++) set.tryOp(up);
 * assert.equal(set.value(0), 3);
 * set.remove();
 * ```
 */
export interface PreparedOperations {
  /** As given. */
  readonly waiting: Int16Array<ArrayBuffer>;
  /** The same with `IPC_NOWAIT` on each. */
  readonly noWait: Int16Array<ArrayBuffer>;
}

/**
 * A System V semaphore set.
 *
 * @example A lock the kernel frees when its holder dies
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.openOrCreate({ key: 0x5eed0005, count: 1 });
 * const lock = SemaphoreSet.prepare([
 *   { semaphore: 0, add: 0 }, // wait until nobody holds it, and in the same step
 *   { semaphore: 0, add: 1, undo: true }, // hold it
 * ]);
 * assert(set.tryOp(lock));
 * assert(!set.tryOp(lock));
 * assert.equal(set.lastPid(0), Deno.pid);
 * set.remove();
 * ```
 */
export class SemaphoreSet {
  /** The key it was opened with. */
  readonly key: number;
  /** The kernel's handle, "semid"; 0 is a valid one. */
  readonly id: number;
  /** How many semaphores it has. */
  readonly count: number;

  private constructor(key: number, id: number, count: number) {
    this.key = key;
    this.id = id;
    this.count = count;
  }

  /**
   * Opens the set that holds `key`, or creates it with all values 0.
   *
   * @throws {ShmError} `EINVAL` a set of another count holds the key, `EACCES` its mode does not let
   * this user in, `EUNTRUSTED` another user created or owns it, `ENOSPC` a system limit is reached
   * @throws {RangeError} a key, count or mode out of range
   */
  static openOrCreate(options: SemaphoreSetOptions): SemaphoreSet {
    const key = checkKey(options.key);
    const mode = checkMode(options.mode ?? 0o600);
    const { count } = options;
    if (!Number.isInteger(count) || count < 1 || count > 0x7fff) {
      throw new RangeError(`count ${count} is not an integer from 1 to 32767`);
    }
    for (;;) {
      const id = semget(key, count, IPC.CREAT | mode);
      if (id < 0) throw openFailure(key, count, -id);
      const stat = tryStat(id);
      // Removed between the two calls: its key is free again
      if (typeof stat === "number" && isGone(stat)) continue;
      if (typeof stat === "number") throw openFailure(key, count, -stat, id);
      if (stat.count !== count) throw openFailure(key, count, ERRNO.EINVAL, id);
      const user = options.trust === true ? undefined : foreignUser(stat);
      if (user !== undefined) throw untrusted(stat, user);
      return new SemaphoreSet(key, id, count);
    }
  }

  /** Packs operations for {@linkcode SemaphoreSet.tryOp} and the waits. */
  static prepare(operations: readonly Operation[]): PreparedOperations {
    const pack = (extra: number): Sembufs =>
      packSembufs(operations.map(({ semaphore, add, undo }) => ({
        semaphore,
        add,
        flags: (undo === true ? SEM.UNDO : 0) | extra,
      })));
    return { waiting: pack(0), noWait: pack(IPC.NOWAIT) };
  }

  /**
   * Does all the operations, or none of them if one would have to wait.
   *
   * @returns whether they were done
   * @throws {ShmError} `EIDRM` or `EINVAL` the set was removed, `ERANGE` a value beyond 32767,
   * `EACCES`
   */
  tryOp(operations: PreparedOperations): boolean {
    for (;;) {
      const result = semop(this.id, operations.noWait);
      if (result === 0) return true;
      if (result === -ERRNO.EAGAIN) return false;
      if (result !== -ERRNO.EINTR) throw this.#failure("change the semaphores", "semop", -result);
    }
  }

  /**
   * Blocks this thread for at most `timeoutMs` milliseconds, until all operations were done.
   *
   * @returns whether they were done; `false` after a signal too
   * @throws {ShmError} as {@linkcode SemaphoreSet.tryOp}
   */
  opSync(operations: PreparedOperations, timeoutMs: number): boolean {
    const result = semtimedop(this.id, operations.waiting, timeoutMs);
    if (result === 0) return true;
    if (result === -ERRNO.EAGAIN || result === -ERRNO.EINTR) return false;
    throw this.#failure("change the semaphores", "semtimedop", -result);
  }

  /**
   * As {@linkcode SemaphoreSet.opSync} without blocking this thread. Why it was not done cannot be
   * known: `tryOp` tells.
   */
  op(operations: PreparedOperations, timeoutMs: number): Promise<boolean> {
    return semtimedopAsync(this.id, operations.waiting, timeoutMs);
  }

  /** The value of a semaphore. */
  value(semaphore: number): number {
    return this.#control("read a semaphore", semaphore, SEM.GETVAL);
  }

  /** The process that changed or waited out a semaphore last; 0 if none did. */
  lastPid(semaphore: number): number {
    return this.#control("read a semaphore", semaphore, SEM.GETPID);
  }

  /** Sets a value outright, and drops what the kernel would have undone for it. */
  setValue(semaphore: number, value: number): void {
    this.#control("set a semaphore", semaphore, SEM.SETVAL, value);
  }

  #control(action: string, semaphore: number, command: number, value = 0): number {
    const result = semctl(this.id, semaphore, command, value);
    if (result < 0) throw this.#failure(action, "semctl", -result);
    return result;
  }

  /**
   * What the kernel knows of it now.
   *
   * @throws {ShmError} `EINVAL` it was removed, `EACCES`
   */
  stat(): SemaphoreSetStat {
    const stat = tryStat(this.id);
    if (typeof stat === "number") throw this.#failure("look at the semaphores", "semctl", -stat);
    return stat;
  }

  /**
   * Removes it at once; whoever waits on it wakes with `EIDRM`. Twice is once.
   *
   * @throws {ShmError} `EPERM` neither owner, creator nor root
   */
  remove(): void {
    const result = semctl(this.id, 0, IPC.RMID);
    if (result < 0 && !isGone(result)) {
      throw this.#failure("remove the semaphores", "semctl", -result);
    }
  }

  /** The error for a call on this set that failed. */
  #failure(
    action: string,
    call: "semop" | "semtimedop" | "semctl",
    errno: number,
  ): ShmError {
    return new ShmError(action, call, errno, {
      key: this.key,
      id: this.id,
      remedy: isGone(-errno)
        ? "the semaphore set was removed, perhaps with ipcrm: start over"
        : undefined,
    });
  }
}

type SemidName = "sem_otime" | "sem_ctime" | "sem_nsems";

function tryStat(id: number): SemaphoreSetStat | number {
  const { semid_ds, ipc_perm } = platform().structs;
  const { sem_perm: _nested, ...fields } = semid_ds.fields;
  const struct = new KernelStructReader<SemidName | PermName>(
    withPerm({ size: semid_ds.size, fields }, ipc_perm),
  );
  const result = semctlBuffer(id, IPC.STAT, struct.bytes);
  if (result < 0) return result;
  return {
    ...readPerm(id, struct),
    count: struct.number("sem_nsems"),
    otime: readTime(struct, "sem_otime"),
    ctime: readTime(struct, "sem_ctime"),
  };
}

function openFailure(key: number, count: number, errno: number, id?: number): ShmError {
  const hex = `0x${(key >>> 0).toString(16)}`;
  const remedies: Readonly<Record<number, string>> = {
    [ERRNO.EINVAL]:
      `another program's set with another number of semaphores holds this key: choose ` +
      `another key, or, if it is left over, remove it with \`ipcrm -S ${hex}\``,
    [ERRNO.EACCES]: "the set's mode does not let this user in: its owner can widen it",
    [ERRNO.ENOSPC]:
      "all semaphore sets or semaphores the system allows exist (sysctl kernel.sem): " +
      "remove sets nobody needs (`ipcs -s`, `ipcrm -s ID`)",
  };
  return new ShmError(`open a set of ${count} semaphores`, "semget", errno, {
    key,
    id,
    remedy: remedies[errno],
  });
}

function untrusted(stat: SemaphoreSetStat, user: number): ShmError {
  return new ShmError("use the semaphore set", "semop", "EUNTRUSTED", {
    key: stat.key,
    id: stat.id,
    remedy:
      `uid ${user} created or owns it (mode ${
        formatMode(stat.mode)
      }): pass trust: true (--trust) if ` +
      `that is meant`,
  });
}
