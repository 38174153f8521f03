/**
 * Semaphore sets without opening them: finds and lists them, reads what the kernel reports about one, and
 * changes or removes one by its id.
 */

import { IPC, SEM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { platform } from "../../ffi/libc.ts";
import { semctl, semctlBuffer, semget } from "../../ffi/sem.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkNumber } from "../layout/arguments.ts";
import { checkKey } from "./key.ts";
import { KernelStructReader, withPerm } from "./kernel_struct.ts";
import {
  checkChange,
  formatMode,
  missingCallRemedy,
  type ObjectStat,
  type PermissionChange,
  type PermName,
  readPerm,
  readTime,
  unmappedAccount,
  writePerm,
} from "./object_stat.ts";

/**
 * What the kernel reports about one semaphore set. Source: `struct semid_ds`, semctl(2).
 *
 * @example
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import type { SemaphoreSetStat } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ count: 3 });
 * const stat: SemaphoreSetStat = set.stat();
 * set.remove();
 * assert.equal(stat.count, 3);
 * assert.equal(stat.otime, null);
 * ```
 */
export interface SemaphoreSetStat extends ObjectStat {
  /** The number of semaphores in the set. */
  readonly count: number;
  /** The time of the last `semop`, to the second. */
  readonly otime: Date | null;
  /** The time of creation or of the last change by `semctl`, to the second. */
  readonly ctime: Date | null;
}

type SemidName = "sem_otime" | "sem_ctime" | "sem_nsems";

let semid: KernelStructReader<SemidName | PermName> | undefined;

/** The shared `struct semid_ds` that `semctl` fills in. The fields are copied before the next call. */
function semidStruct(): KernelStructReader<SemidName | PermName> {
  if (semid === undefined) {
    const { semid_ds, ipc_perm } = platform().structs;
    const { sem_perm: _nested, ...fields } = semid_ds.fields;
    semid = new KernelStructReader(withPerm({ size: semid_ds.size, fields }, ipc_perm));
  }
  return semid;
}

function read(id: number, struct: KernelStructReader<SemidName | PermName>): SemaphoreSetStat {
  return {
    ...readPerm(id, struct),
    count: struct.number("sem_nsems"),
    otime: readTime(struct, "sem_otime"),
    ctime: readTime(struct, "sem_ctime"),
  };
}

/** Returns the stat of the set, or -errno: `EACCES` without read permission. */
export function tryReadSet(id: number): SemaphoreSetStat | number {
  const struct = semidStruct();
  const result = semctlBuffer(id, IPC.STAT, struct.bytes);
  return result < 0 ? result : read(id, struct);
}

/**
 * Returns the stat of the set, or -errno for callers that throw a more specific error. If its mode gives
 * this user no read permission (the owner may lack it, too), the stat comes from the list.
 */
export function tryStatSet(id: number): SemaphoreSetStat | number {
  const stat = tryReadSet(id);
  if (stat !== -ERRNO.EACCES) return stat;
  return listSemaphoreSets().find((each) => each.id === id) ?? stat;
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
  const stat = tryStatSet(checkSetId(id));
  if (typeof stat !== "number") return stat;
  throw new ShmError("look at the semaphore set", "semctl", -stat, {
    id,
    remedy: stat === -ERRNO.EACCES ? "its mode gives this user no read permission" : noSuchSet,
  });
}

/** The advice when no set has an id. */
export const noSuchSet = "no semaphore set has this id (any more); `ipcs -s` lists those there are";

/**
 * Checks the id of a set.
 *
 * @throws {RangeError} not an integer from 0 to 2^31 - 1
 */
export function checkSetId(value: unknown): number {
  const id = checkNumber(value, "id");
  // Foreign functions refuse -0
  if (Number.isInteger(id) && id >= 0 && id <= 0x7fffffff) return id | 0;
  throw new RangeError(`semaphore set id ${id} is not an integer from 0 to 2147483647`);
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
  const sets: SemaphoreSetStat[] = [];
  const highest = askAboutAllSets(SEM.INFO, new KernelStructReader(platform().structs.seminfo));
  for (let index = 0; index <= highest; index++) {
    const struct = semidStruct();
    let id = semctlBuffer(index, SEM.STAT_ANY, struct.bytes);
    // Linux before 4.17 has no STAT_ANY, and glibc before 2.33 loses its buffer; STAT leaves out sets
    // that this user may not read
    if (id === -ERRNO.EINVAL || id === -ERRNO.EFAULT) {
      id = semctlBuffer(index, SEM.STAT, struct.bytes);
    }
    if (id >= 0) sets.push(read(id, struct));
  }
  return sets;
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
  const checked = checkKey(key);
  // No set holds IPC_PRIVATE: semget would create a new one
  if (checked === IPC.PRIVATE) return undefined;
  const id = semget(checked, 0, 0);
  if (id >= 0) return id;
  if (id === -ERRNO.ENOENT) return undefined;
  throw new ShmError("look for a semaphore set", "semget", -id, { key: checked });
}

/** Fills `struct` with the kernel's limits or totals. Returns the highest used index of its table. */
export function askAboutAllSets(
  command: typeof IPC.INFO | typeof SEM.INFO,
  struct: KernelStructReader<string>,
): number {
  const highest = semctlBuffer(0, command, struct.bytes);
  if (highest >= 0) return highest;
  throw new ShmError("ask for the state of semaphores", "semctl", -highest, {
    remedy: missingCallRemedy(-highest),
  });
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
  const result = semctl(checkSetId(id), 0, IPC.RMID);
  if (result === 0) return;
  throw new ShmError("remove the semaphore set", "semctl", -result, {
    id,
    remedy: result === -ERRNO.EPERM
      ? `only its owner, its creator or root may remove it${describeSet(id)}`
      : noSuchSet,
  });
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
  const checkedId = checkSetId(id);
  const checked = checkChange(change);
  const stat = tryStatSet(checkedId);
  if (typeof stat === "number") throw changeFailure(id, -stat);
  const struct = semidStruct();
  writePerm(struct, stat, checked);
  const result = semctlBuffer(checkedId, IPC.SET, struct.bytes);
  if (result < 0) throw changeFailure(id, -result, { ...stat, ...checked });
}

function changeFailure(id: number, errno: number, wanted?: ObjectStat): ShmError {
  const unmapped = wanted === undefined ? undefined : unmappedAccount(wanted);
  return new ShmError("change the semaphore set", "semctl", errno, {
    id,
    remedy: errno === ERRNO.EPERM
      ? `only its owner, its creator and root may change it${describeSet(id)}`
      : unmapped ?? noSuchSet,
  });
}

/** Describes the set for an error message: count, owner and mode. Empty if it does not exist. */
export function describeSet(id: number): string {
  const stat = tryStatSet(id);
  if (typeof stat === "number") return "";
  return ` (set ${id} has ${stat.count} semaphores, owner uid ${stat.uid}, mode ` +
    `${formatMode(stat.mode)})`;
}
