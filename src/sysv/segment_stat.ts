/**
 * Segments without attaching them: finds and lists them, reads what the kernel reports about one, and
 * changes or removes one by its id.
 */

import { RLIMIT, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { geteuid } from "../../ffi/accounts.ts";
import { platform } from "../../ffi/libc.ts";
import { resourceLimit } from "../../ffi/processes.ts";
import { shmctl, shmget } from "../../ffi/shm.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { withPerm } from "./kernel_struct.ts";
import { type ObjectStat, type PermissionChange, readPerm, readTime } from "./object_stat.ts";
import { ObjectTable } from "./object_table.ts";

/** What the kernel reports about one segment. Source: `struct shmid_ds`, shmctl(2). */
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

/** The table of segments. Internal. */
export const segmentTable = new ObjectTable<SegmentStat, ShmidName>({
  names: ["segment", "segment", "Segment"],
  tableName: "shared memory",
  prefix: "shm",
  letter: "m",
  commands: SHM,
  find: (key) => shmget(key, 0, 0),
  control: shmctl,
  struct: () => {
    const { shmid_ds, ipc_perm } = platform().structs;
    const { shm_perm: _nested, ...fields } = shmid_ds.fields;
    return withPerm({ size: shmid_ds.size, fields }, ipc_perm);
  },
  infoStruct: () => platform().structs.shm_info,
  read: (id, struct) => {
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
  },
  describe: ({ size, nattch }) => [`${size} bytes`, `, nattch ${nattch}`],
});

/** Returns the stat of the segment, or -errno for callers that throw a more specific error. */
export function tryStat(id: number): SegmentStat | number {
  return segmentTable.tryStat(id);
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
  return segmentTable.stat(id);
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
  return segmentTable.find(key);
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
  return segmentTable.list();
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
  segmentTable.remove(id);
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
  segmentTable.setPermissions(id, change);
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
    const limit = resourceLimit(RLIMIT.MEMLOCK);
    return `this user would have more memory locked than the ${limit} bytes of RLIMIT_MEMLOCK: raise the limit ` +
      "(`ulimit -l`, or LimitMEMLOCK= of a service), or run with CAP_IPC_LOCK";
  }
  if (errno !== ERRNO.EPERM) return segmentTable.idRemedy(errno);
  const stat = tryStat(id);
  const ours = typeof stat !== "number" && [stat.uid, stat.cuid].includes(geteuid());
  return ours
    ? "this user may lock no memory at all: raise RLIMIT_MEMLOCK (`ulimit -l`) above 0, or run with " +
      "CAP_IPC_LOCK"
    : `only its owner, its creator and root may do that${segmentTable.describe(id)}`;
}
