/**
 * Semaphore sets without opening them: finds and lists them, reads what the kernel reports about one, and
 * changes or removes one by its id.
 */

import { SEM } from "../../ffi/constants.ts";
import { platform } from "../../ffi/libc.ts";
import { semctlBuffer, semget } from "../../ffi/sem.ts";
import { withPerm } from "./kernel_struct.ts";
import { type ObjectStat, type PermissionChange, readPerm, readTime } from "./object_stat.ts";
import { ObjectTable } from "./object_table.ts";

/** What the kernel reports about one semaphore set. Source: `struct semid_ds`, semctl(2). */
export interface SemaphoreSetStat extends ObjectStat {
  /** The number of semaphores in the set. */
  readonly count: number;
  /** The time of the last `semop`, to the second. */
  readonly otime: Date | null;
  /** The time of creation or of the last change by `semctl`, to the second. */
  readonly ctime: Date | null;
}

type SemidName = "sem_otime" | "sem_ctime" | "sem_nsems";

/** The table of semaphore sets. Internal. */
export const semaphoreTable = new ObjectTable<SemaphoreSetStat, SemidName>({
  names: ["semaphore set", "set", "SemaphoreSet"],
  tableName: "semaphores",
  prefix: "sem",
  letter: "s",
  commands: SEM,
  find: (key) => semget(key, 0, 0),
  control: semctlBuffer,
  struct: () => {
    const { semid_ds, ipc_perm } = platform().structs;
    const { sem_perm: _nested, ...fields } = semid_ds.fields;
    return withPerm({ size: semid_ds.size, fields }, ipc_perm);
  },
  infoStruct: () => platform().structs.seminfo,
  read: (id, struct) => ({
    ...readPerm(id, struct),
    count: struct.number("sem_nsems"),
    otime: readTime(struct, "sem_otime"),
    ctime: readTime(struct, "sem_ctime"),
  }),
  describe: ({ count }) => [`${count} semaphores`, ""],
});

/** Returns the stat of the set, or -errno. Without read permission, the stat comes from the list. */
export function tryStatSet(id: number): SemaphoreSetStat | number {
  return semaphoreTable.tryStat(id);
}

/**
 * Returns what the kernel reports about the semaphore set with this id. It works for other users' sets.
 *
 * @throws {ShmError} `EINVAL` no such set; `EACCES` no read permission, on Linux before 4.17
 * @throws {RangeError} the id is out of range
 *
 * @example
 * ```ts
 * import { SemaphoreSet, statSemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ count: 3, mode: 0o640 });
 * assert.equal(statSemaphoreSet(set.id).mode, 0o640);
 * set.remove();
 * ```
 */
export function statSemaphoreSet(id: number): SemaphoreSetStat {
  return semaphoreTable.stat(id);
}

/**
 * Returns all semaphore sets of this IPC namespace, of all users, in the order of the kernel's table.
 *
 * @throws {ShmError} the kernel has no System V semaphores
 *
 * @example
 * ```ts
 * import { listSemaphoreSets, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ count: 3 });
 * const ours = listSemaphoreSets().find(({ id }) => id === set.id);
 * set.remove();
 * assert.equal(ours?.count, 3);
 * ```
 */
export function listSemaphoreSets(): SemaphoreSetStat[] {
  return semaphoreTable.list();
}

/**
 * Returns the id of the semaphore set that holds `key`, or `undefined`. It needs no permission on it.
 *
 * @throws {TypeError} the key is not an integer
 * @throws {RangeError} the key is out of range
 *
 * @example
 * ```ts
 * import { findSemaphoreSet } from "@sysv/shm/sysv";
 * import { SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ key: 0x5eed2001, count: 1 });
 * assert.equal(findSemaphoreSet(0x5eed2001), set.id);
 * set.remove();
 * assert.equal(findSemaphoreSet(0x5eed2001), undefined);
 * ```
 */
export function findSemaphoreSet(key: number): number | undefined {
  return semaphoreTable.find(key);
}

/**
 * Removes the semaphore set with this id at once. Every waiting process gets `EIDRM`. Only the owner,
 * the creator and root may remove it.
 *
 * @throws {ShmError} `EINVAL` no such set, `EPERM` neither owner, creator nor root
 * @throws {RangeError} the id is out of range
 *
 * @example
 * ```ts
 * import { findSemaphoreSet } from "@sysv/shm/sysv";
 * import { removeSemaphoreSet, SemaphoreSet } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ key: 0x5eed2002, count: 1 });
 * removeSemaphoreSet(set.id);
 * assert.equal(findSemaphoreSet(0x5eed2002), undefined);
 * ```
 */
export function removeSemaphoreSet(id: number): void {
  semaphoreTable.remove(id);
}

/**
 * Changes mode, owner or group of the semaphore set with this id. What is left out keeps its current
 * value. The owner needs no permission bit. Source: `IPC_SET`, semctl(2).
 *
 * @throws {ShmError} `EINVAL` no such set, `EPERM` neither owner, creator nor root
 * @throws {RangeError} an id, mode, user id or group id is out of range
 *
 * @example
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import { setSemaphoreSetPermissions } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ count: 1, mode: 0o600 });
 * setSemaphoreSetPermissions(set.id, { mode: 0o640 });
 * assert.equal(set.stat().mode, 0o640);
 * set.remove();
 * ```
 */
export function setSemaphoreSetPermissions(id: number, change: PermissionChange): void {
  semaphoreTable.setPermissions(id, change);
}
