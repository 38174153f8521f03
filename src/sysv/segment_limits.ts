/**
 * The kernel's limits for all segments of an IPC namespace, and what all segments use together.
 */

import { AT, IPC, SHM } from "../../ffi/constants.ts";
import { getauxval, platform } from "../../ffi/libc.ts";
import { KernelStructReader } from "./kernel_struct.ts";
import { segmentTable } from "./segment_stat.ts";

/** The limits of this IPC namespace. Source: `struct shminfo`, shmctl(2); sysctl `kernel.shm*`. */
export interface SegmentLimits {
  /** The largest size of a segment in bytes. Often near 2^64. */
  readonly shmmax: bigint;
  /** The smallest size of a segment in bytes. */
  readonly shmmin: number;
  /** The largest number of segments. */
  readonly shmmni: number;
  /** The largest number of pages of all segments together. Often near 2^64. */
  readonly shmall: bigint;
  /** The page size in bytes in which `shmall` and {@linkcode SegmentUsage} count; never of huge pages. */
  readonly pageSize: number;
}

/**
 * Returns the limits of this IPC namespace.
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
  segmentTable.askAboutAll(IPC.INFO, struct);
  return {
    shmmax: struct.big("shmmax"),
    shmmin: struct.number("shmmin"),
    shmmni: struct.number("shmmni"),
    shmall: struct.big("shmall"),
    pageSize: pageSize(),
  };
}

/** The page size in bytes, as the kernel reports it to this process. */
export function pageSize(): number {
  return Number(getauxval(AT.PAGESZ));
}

/** What all segments of this IPC namespace use together. Source: `struct shm_info`, shmctl(2). */
export interface SegmentUsage {
  /** The number of segments. */
  readonly segments: number;
  /** The number of pages of all segments together. */
  readonly pages: number;
  /** How many of these pages are in memory. Linux (seen on 6.18) counts far too many for huge pages. */
  readonly resident: number;
  /** How many of these pages are swapped out. */
  readonly swapped: number;
  /** How often swapping was tried. Always 0: Linux has not counted it since 2.4. */
  readonly swapAttempts: number;
  /** How often swapping succeeded. Always 0, as `swapAttempts`. */
  readonly swapSuccesses: number;
}

/**
 * Returns what all segments of this IPC namespace use together.
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
  segmentTable.askAboutAll(SHM.INFO, struct);
  return {
    segments: struct.number("used_ids"),
    pages: struct.number("shm_tot"),
    resident: struct.number("shm_rss"),
    swapped: struct.number("shm_swp"),
    swapAttempts: struct.number("swap_attempts"),
    swapSuccesses: struct.number("swap_successes"),
  };
}
