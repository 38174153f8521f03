/**
 * What the kernel tells of segments: one, all of them, the limits, the use. Nothing here attaches.
 */

import { IPC, SHM } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { platform, shmctl } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { KernelStructReader, withPerm } from "./kernel_struct.ts";
import { formatMode, type ObjectStat, type PermName, readPerm, readTime } from "./object_stat.ts";

/**
 * What the kernel knows of one segment. Source: `struct shmid_ds`, shmctl(2).
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
  /** Bytes asked for at creation; not rounded to pages. */
  readonly size: number;
  /** How many attaches there are, in all processes. */
  readonly nattch: number;
  /** The process that created it. */
  readonly cpid: number;
  /** The process that attached or detached last; 0 if none has. */
  readonly lpid: number;
  /** Last attach, to the second. */
  readonly atime: Date | null;
  /** Last detach, to the second. */
  readonly dtime: Date | null;
  /** Creation or last change of mode or owner, to the second. */
  readonly ctime: Date | null;
  /** Whether it goes when its last attach does. Its key is free again already. */
  readonly markedForRemoval: boolean;
  /** Whether it is locked into memory. */
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

/** A `struct shmid_ds` of this platform for `shmctl` to fill in. */
export function shmidStruct(): KernelStructReader<ShmidName | PermName> {
  const { shmid_ds, ipc_perm } = platform().structs;
  const { shm_perm: _nested, ...fields } = shmid_ds.fields;
  return new KernelStructReader<ShmidName | PermName>(
    withPerm({ size: shmid_ds.size, fields }, ipc_perm),
  );
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

/** The segment's facts, or -errno: for callers with a better error to give. */
export function tryStat(id: number): SegmentStat | number {
  const struct = shmidStruct();
  const result = shmctl(id, IPC.STAT, struct.bytes);
  return result < 0 ? result : read(id, struct);
}

/**
 * What the kernel knows of the segment with this id. Needs read permission for it.
 *
 * @throws {ShmError} `EINVAL` no such segment, `EACCES` no read permission
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
  const stat = tryStat(id);
  if (typeof stat !== "number") return stat;
  throw new ShmError("look at the segment", "shmctl", -stat, {
    id,
    remedy: stat === -ERRNO.EACCES
      ? "its mode gives this user no read permission; listSegments() shows it all the same"
      : noSuchId,
  });
}

/** What to do when no segment has an id. */
export const noSuchId = "no segment has this id (any more); `ipcs -m` lists those there are";

/**
 * Every segment of this IPC namespace, other users' too, by index in the kernel's table.
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
  const highest = info(SHM.INFO, new KernelStructReader(platform().structs.shm_info));
  for (let index = 0; index <= highest; index++) {
    const struct = shmidStruct();
    let id = shmctl(index, SHM.STAT_ANY, struct.bytes);
    // Linux before 4.17 has no STAT_ANY; STAT leaves out what this user may not read
    if (id === -ERRNO.EINVAL) id = shmctl(index, SHM.STAT, struct.bytes);
    if (id >= 0) segments.push(read(id, struct));
  }
  return segments;
}

/** The highest index in use of the kernel's table; fills `struct`. */
function info(
  command: typeof IPC.INFO | typeof SHM.INFO,
  struct: KernelStructReader<string>,
): number {
  const highest = shmctl(0, command, struct.bytes);
  if (highest >= 0) return highest;
  throw new ShmError("ask for the state of shared memory", "shmctl", -highest, {
    remedy: "this kernel may be built without System V IPC",
  });
}

/**
 * The limits of this IPC namespace. Source: `struct shminfo`, shmctl(2); sysctl `kernel.shm*`.
 *
 * @example
 * ```ts
 * import { type SegmentLimits, segmentLimits } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const limits: SegmentLimits = segmentLimits();
 * assert(limits.shmmni > 0);
 * ```
 */
export interface SegmentLimits {
  /** Bytes a segment may have at most. Often near 2^64. */
  readonly shmmax: bigint;
  /** Bytes a segment must have at least. */
  readonly shmmin: number;
  /** Segments there may be. */
  readonly shmmni: number;
  /** Pages all segments together may have. Often near 2^64. */
  readonly shmall: bigint;
}

/**
 * The limits of this IPC namespace.
 *
 * @throws {ShmError} the kernel has no System V shared memory
 *
 * @example
 * ```ts
 * import { segmentLimits } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * assert(segmentLimits().shmmax >= 1n);
 * ```
 */
export function segmentLimits(): SegmentLimits {
  const struct = new KernelStructReader(platform().structs.shminfo);
  info(IPC.INFO, struct);
  return {
    shmmax: struct.big("shmmax"),
    shmmin: struct.number("shmmin"),
    shmmni: struct.number("shmmni"),
    shmall: struct.big("shmall"),
  };
}

/**
 * What all segments of this IPC namespace use together. Source: `struct shm_info`, shmctl(2).
 *
 * @example
 * ```ts
 * import { type SegmentUsage, segmentUsage } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const usage: SegmentUsage = segmentUsage();
 * assert(usage.resident + usage.swapped <= usage.pages);
 * ```
 */
export interface SegmentUsage {
  /** Segments there are. */
  readonly segments: number;
  /** Pages they have together. */
  readonly pages: number;
  /** Pages of those in memory. */
  readonly resident: number;
  /** Pages of those swapped out. */
  readonly swapped: number;
}

/**
 * What all segments of this IPC namespace use together.
 *
 * @throws {ShmError} the kernel has no System V shared memory
 *
 * @example
 * ```ts
 * import { Segment, segmentUsage } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 1 });
 * assert(segmentUsage().segments >= 1);
 * segment.remove();
 * ```
 */
export function segmentUsage(): SegmentUsage {
  const struct = new KernelStructReader(platform().structs.shm_info);
  info(SHM.INFO, struct);
  return {
    segments: struct.number("used_ids"),
    pages: struct.number("shm_tot"),
    resident: struct.number("shm_rss"),
    swapped: struct.number("shm_swp"),
  };
}

/**
 * Marks the segment with this id for removal: its key is free at once, its memory goes with the last
 * attach. Only its owner, its creator and root may.
 *
 * @throws {ShmError} `EINVAL` no such segment, `EPERM` not ours
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
  const result = shmctl(id, IPC.RMID, null);
  if (result === 0) return;
  throw new ShmError("remove the segment", "shmctl", -result, {
    id,
    remedy: result === -ERRNO.EPERM
      ? `only its owner, its creator or root may remove it${describe(id)}`
      : noSuchId,
  });
}

/**
 * The segment in half a sentence, for an error: size, owner, mode and attaches, read permission or
 * not. Empty if it is not there.
 */
export function describe(id: number): string {
  const own = tryStat(id);
  const stat = typeof own === "number" ? listSegments().find((each) => each.id === id) : own;
  if (stat === undefined) return "";
  return ` (segment ${id} has ${stat.size} bytes, owner uid ${stat.uid}, mode ` +
    `${formatMode(stat.mode)}, nattch ${stat.nattch})`;
}
