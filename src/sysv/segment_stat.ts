/**
 * Segments without attaching them: finds and lists them, reads what the kernel reports about one, and
 * changes or removes one by its id.
 */

import { IPC, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { platform } from "../../ffi/libc.ts";
import { shmctl, shmget } from "../../ffi/shm.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { checkNumber } from "../layout/arguments.ts";
import { checkKey } from "./key.ts";
import { KernelStructReader, withPerm } from "./kernel_struct.ts";
import {
  checkChange,
  formatMode,
  isGone,
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
 * What the kernel reports about one segment. Source: `struct shmid_ds`, shmctl(2).
 *
 * @example
 * ```ts
 * import { Segment, type SegmentStat } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 100 });
 * const stat: SegmentStat = segment.stat();
 * segment.remove();
 * assert.equal(stat.size, 100);
 * assert.equal(stat.nattch, 1);
 * assert.equal(stat.cpid, Deno.pid);
 * ```
 */
export interface SegmentStat extends ObjectStat {
  /**
   * The size in bytes that the creator asked for, not rounded to pages. Above 2^53, where no process can
   * attach it, the nearest number.
   */
  readonly size: number;
  /** The number of attaches, in all processes. */
  readonly nattch: number;
  /** The pid of the process that created it. */
  readonly cpid: number;
  /** The pid of the process that last attached or detached it; 0 if there is none. */
  readonly lpid: number;
  /** The time of the last attach, to the second. */
  readonly atime: Date | null;
  /** The time of the last detach, to the second. */
  readonly dtime: Date | null;
  /** The time of creation or of the last change of mode or owner, to the second. */
  readonly ctime: Date | null;
  /** Whether the kernel frees it after the last detach. Its key is already free. */
  readonly markedForRemoval: boolean;
  /** Whether it is locked in memory. Always false for huge pages, which are never swapped out. */
  readonly locked: boolean;
}

type ShmidName =
  | "shm_segsz"
  | "shm_atime"
  | "shm_dtime"
  | "shm_ctime"
  | "shm_cpid"
  | "shm_lpid"
  | "shm_nattch";

let shmid: KernelStructReader<ShmidName | PermName> | undefined;

/** The shared `struct shmid_ds` that `shmctl` fills in. The fields are copied before the next call. */
function shmidStruct(): KernelStructReader<ShmidName | PermName> {
  if (shmid === undefined) {
    const { shmid_ds, ipc_perm } = platform().structs;
    const { shm_perm: _nested, ...fields } = shmid_ds.fields;
    shmid = new KernelStructReader(withPerm({ size: shmid_ds.size, fields }, ipc_perm));
  }
  return shmid;
}

function read(id: number, struct: KernelStructReader<ShmidName | PermName>): SegmentStat {
  const flags = struct.number("mode");
  return {
    ...readPerm(id, struct),
    size: struct.number("shm_segsz"),
    nattch: struct.number("shm_nattch"),
    cpid: struct.number("shm_cpid"),
    lpid: struct.number("shm_lpid"),
    atime: readTime(struct, "shm_atime"),
    dtime: readTime(struct, "shm_dtime"),
    ctime: readTime(struct, "shm_ctime"),
    markedForRemoval: (flags & SHM.DEST) !== 0,
    locked: (flags & SHM.LOCKED) !== 0,
  };
}

/**
 * Returns the stat of the segment, or -errno for callers that throw a more specific error. If its mode
 * gives this user no read permission (the owner may lack it, too), the stat comes from the list.
 */
export function tryStat(id: number): SegmentStat | number {
  const struct = shmidStruct();
  const result = shmctl(id, IPC.STAT, struct.bytes);
  if (result === -ERRNO.EACCES) return listSegments().find((stat) => stat.id === id) ?? result;
  return result < 0 ? result : read(id, struct);
}

/** Whether the mode of the segment with this id lets this user read it. */
export function mayRead(id: number): boolean {
  return shmctl(id, IPC.STAT, shmidStruct().bytes) >= 0;
}

/**
 * Returns what the kernel reports about the segment with this id. It works for other users' segments.
 *
 * @throws {ShmError} `EINVAL` no such segment; `EACCES` no read permission, on Linux before 4.17
 * @throws {RangeError} the id is out of range
 *
 * @example
 * ```ts
 * import { Segment, statSegment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 100 });
 * segment.remove();
 * assert.equal(statSegment(segment.id).markedForRemoval, true);
 * ```
 */
export function statSegment(id: number): SegmentStat {
  const stat = tryStat(checkSegmentId(id));
  if (typeof stat !== "number") return stat;
  throw statFailure(id, -stat);
}

/** The error for a segment whose stat cannot be read. */
export function statFailure(id: number, errno: number): ShmError {
  return new ShmError("look at the segment", "shmctl", errno, {
    id,
    remedy: errno === ERRNO.EACCES
      ? "its mode gives this user no read permission"
      : idRemedy(errno),
  });
}

/**
 * Checks the id of a segment.
 *
 * @throws {RangeError} not an integer from 0 to 2^31 - 1
 */
export function checkSegmentId(value: unknown): number {
  const id = checkNumber(value, "id");
  // Foreign functions refuse -0
  if (Number.isInteger(id) && id >= 0 && id <= 0x7fffffff) return id | 0;
  throw new RangeError(`segment id ${id} is not an integer from 0 to 2147483647`);
}

/**
 * Returns the id of the segment that holds `key`, or `undefined`. It needs no permission on it.
 *
 * @throws {TypeError} the key is not an integer
 * @throws {RangeError} the key is out of range
 *
 * @example
 * ```ts
 * import { findSegment } from "@sysv/shm/sysv";
 * import { Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ key: 0x5eed0200, size: 100 });
 * assert.equal(findSegment(0x5eed0200), segment.id);
 * segment.remove();
 * assert.equal(findSegment(0x5eed0200), undefined);
 * ```
 */
export function findSegment(key: number): number | undefined {
  const checked = checkKey(key);
  // No segment holds IPC_PRIVATE: shmget would create a new one
  if (checked === IPC.PRIVATE) return undefined;
  const id = shmget(checked, 0, 0);
  if (id >= 0) return id;
  if (id === -ERRNO.ENOENT) return undefined;
  throw new ShmError("look for a segment", "shmget", -id, { key: checked });
}

/** The advice when no segment has an id. */
export const noSuchId = "no segment has this id (any more); `ipcs -m` lists those there are";

/** The advice for a failed call that took an id. */
function idRemedy(errno: number): string | undefined {
  return isGone(-errno) ? noSuchId : missingCallRemedy(errno);
}

/**
 * Returns all segments of this IPC namespace, of all users, in the order of the kernel's table.
 *
 * @throws {ShmError} the kernel has no System V shared memory
 *
 * @example
 * ```ts
 * import { listSegments, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 100 });
 * const ours = listSegments().find((stat) => stat.id === segment.id);
 * segment.remove();
 * assert.equal(ours?.size, 100);
 * ```
 */
export function listSegments(): SegmentStat[] {
  const segments: SegmentStat[] = [];
  const highest = askAboutAll(SHM.INFO, new KernelStructReader(platform().structs.shm_info));
  for (let index = 0; index <= highest; index++) {
    const struct = shmidStruct();
    let id = shmctl(index, SHM.STAT_ANY, struct.bytes);
    // Linux before 4.17 has no STAT_ANY; STAT leaves out segments that this user may not read
    if (id === -ERRNO.EINVAL) id = shmctl(index, SHM.STAT, struct.bytes);
    if (id >= 0) segments.push(read(id, struct));
  }
  return segments;
}

/** Fills `struct` with the kernel's limits or totals. Returns the highest used index of its table. */
export function askAboutAll(
  command: typeof IPC.INFO | typeof SHM.INFO,
  struct: KernelStructReader<string>,
): number {
  const highest = shmctl(0, command, struct.bytes);
  if (highest >= 0) return highest;
  throw new ShmError("ask for the state of shared memory", "shmctl", -highest, {
    remedy: missingCallRemedy(-highest),
  });
}

/**
 * Marks the segment with this id for removal. Its key is free at once; its memory stays until the last
 * detach. Only the owner, the creator and root may remove it.
 *
 * @throws {ShmError} `EINVAL` no such segment, `EPERM` neither owner, creator nor root
 * @throws {RangeError} the id is out of range
 *
 * @example
 * ```ts
 * import { removeSegment, Segment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 64 });
 * removeSegment(segment.id);
 * assert(segment.stat().markedForRemoval);
 * ```
 */
export function removeSegment(id: number): void {
  const result = shmctl(checkSegmentId(id), IPC.RMID, null);
  if (result === 0) return;
  throw new ShmError("remove the segment", "shmctl", -result, {
    id,
    remedy: result === -ERRNO.EPERM
      ? `only its owner, its creator or root may remove it${describe(id)}`
      : idRemedy(-result),
  });
}

/**
 * Changes mode, owner or group of the segment with this id. What is left out keeps its current value.
 * The owner needs no permission bit. Source: `IPC_SET`, shmctl(2).
 *
 * @throws {ShmError} `EINVAL` no such segment, `EPERM` neither owner, creator nor root
 * @throws {RangeError} an id, mode, user id or group id is out of range
 *
 * @example
 * ```ts
 * import { Segment, statSegment } from "@sysv/shm";
 * import { setSegmentPermissions } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 64, mode: 0o600 });
 * setSegmentPermissions(segment.id, { mode: 0o640 });
 * assert.equal(statSegment(segment.id).mode, 0o640);
 * segment.remove();
 * ```
 */
export function setSegmentPermissions(id: number, change: PermissionChange): void {
  const checkedId = checkSegmentId(id);
  const checked = checkChange(change);
  const stat = tryStat(checkedId);
  if (typeof stat === "number") throw setFailure(id, -stat);
  const struct = shmidStruct();
  writePerm(struct, stat, checked);
  const result = shmctl(checkedId, IPC.SET, struct.bytes);
  if (result < 0) throw setFailure(id, -result, { ...stat, ...checked });
}

function setFailure(id: number, errno: number, wanted?: ObjectStat): ShmError {
  const unmapped = wanted === undefined ? undefined : unmappedAccount(wanted);
  return new ShmError("change the segment", "shmctl", errno, {
    id,
    remedy: errno === ERRNO.EPERM
      ? `only its owner, its creator and root may change it${describe(id)}`
      : unmapped ?? idRemedy(errno),
  });
}

/** Locks or unlocks the segment's memory. Internal: used by {@linkcode Segment.lockMemory}. */
export function setSegmentLocked(id: number, locked: boolean): void {
  const result = shmctl(id, locked ? SHM.LOCK : SHM.UNLOCK, null);
  if (result === 0) return;
  throw new ShmError(locked ? "lock the segment" : "unlock the segment", "shmctl", -result, {
    id,
    remedy: lockRemedy(id, -result),
  });
}

function lockRemedy(id: number, errno: number): string | undefined {
  if (errno === ERRNO.ENOMEM) {
    return "with it this user would have more memory locked than RLIMIT_MEMLOCK allows: raise that " +
      "(`ulimit -l`, or LimitMEMLOCK= of a service), or run with CAP_IPC_LOCK";
  }
  if (errno !== ERRNO.EPERM) return idRemedy(errno);
  const stat = tryStat(id);
  const ours = typeof stat !== "number" && [stat.uid, stat.cuid].includes(geteuid());
  return ours
    ? "this user may lock no memory at all: raise RLIMIT_MEMLOCK (`ulimit -l`) above 0, or run with " +
      "CAP_IPC_LOCK"
    : `only its owner, its creator and root may${describe(id)}`;
}

/**
 * Describes the segment for an error message: size, owner, mode and attaches, with or without read
 * permission. Empty if the segment does not exist.
 */
export function describe(id: number): string {
  const stat = tryStat(id);
  if (typeof stat === "number") return "";
  return ` (segment ${id} has ${stat.size} bytes, owner uid ${stat.uid}, mode ` +
    `${formatMode(stat.mode)}, nattch ${stat.nattch})`;
}
