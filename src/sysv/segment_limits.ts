/**
 * What the kernel allows all segments of an IPC namespace together, and what they use.
 */

import { AT, IPC, SHM } from "../../ffi/constants.ts";
import { getauxval, platform } from "../../ffi/libc.ts";
import { KernelStructReader } from "./kernel_struct.ts";
import { askAboutAll } from "./segment_stat.ts";

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
 * const bytes = limits.shmall * BigInt(limits.pageSize); // all segments together
 * assert(bytes > 0n);
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
  /** Bytes of the pages in which `shmall` and {@linkcode SegmentUsage} count: not of huge ones. */
  readonly pageSize: number;
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
  askAboutAll(IPC.INFO, struct);
  return {
    shmmax: struct.big("shmmax"),
    shmmin: struct.number("shmmin"),
    shmmni: struct.number("shmmni"),
    shmall: struct.big("shmall"),
    pageSize: pageSize(),
  };
}

/** Bytes of a page, as the kernel told this process. */
export function pageSize(): number {
  return Number(getauxval(AT.PAGESZ));
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
 * assert(usage.pages >= usage.segments);
 * ```
 */
export interface SegmentUsage {
  /** Segments there are. */
  readonly segments: number;
  /** Pages they have together. */
  readonly pages: number;
  /** Pages of those in memory. Linux (seen on 6.18) counts those of huge pages far too high. */
  readonly resident: number;
  /** Pages of those swapped out. */
  readonly swapped: number;
  /** How often swapping was tried; Linux has not counted it since 2.4 and says 0. */
  readonly swapAttempts: number;
  /** How often swapping succeeded; as `swapAttempts`. */
  readonly swapSuccesses: number;
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
  askAboutAll(SHM.INFO, struct);
  return {
    segments: struct.number("used_ids"),
    pages: struct.number("shm_tot"),
    resident: struct.number("shm_rss"),
    swapped: struct.number("shm_swp"),
    swapAttempts: struct.number("swap_attempts"),
    swapSuccesses: struct.number("swap_successes"),
  };
}
