/**
 * Direct access to the kernel's objects: segments, semaphore sets, keys, listings, limits, and the error class
 * {@linkcode ShmError}. The memory of a segment is not synchronised: see `@sysv/shm/sync`.
 *
 * @example
 * ```ts
 * import { Segment, statSegment } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 4096 });
 * assert.equal(statSegment(segment.id).nattch, 1);
 * segment.remove();
 * ```
 *
 * @module
 */

export type { ErrnoName } from "../../ffi/errno.ts";
export { type LibcCall, type LibraryErrorCode, ShmError } from "../../ffi/shm_error.ts";
export { ftok, IPC_PRIVATE, parseKey } from "./key.ts";
export { type ReadOnlySegment, Segment } from "./segment.ts";
export type { Viewable } from "./viewable.ts";
export {
  type SegmentLimits,
  segmentLimits,
  type SegmentUsage,
  segmentUsage,
} from "./segment_limits.ts";
export type {
  SegmentAttachOptions,
  SegmentCreateOptions,
  SegmentOpenOptions,
  SegmentOpenOrCreateOptions,
  SegmentPlacementOptions,
} from "./segment_options.ts";
export {
  findSegment,
  listSegments,
  removeSegment,
  type SegmentStat,
  setSegmentPermissions,
  statSegment,
} from "./segment_stat.ts";
export type { ObjectStat, PermissionChange } from "./object_stat.ts";
export {
  type SemaphoreLimits,
  semaphoreLimits,
  type SemaphoreUsage,
  semaphoreUsage,
} from "./semaphore_limits.ts";
export type { Operation, PreparedOperations } from "./semaphore_operations.ts";
export type {
  OperationOptions,
  OperationSyncOptions,
  SemaphoreSetAttachOptions,
  SemaphoreSetCreateOptions,
  SemaphoreSetOpenOptions,
  SemaphoreSetOpenOrCreateOptions,
} from "./semaphore_options.ts";
export { SemaphoreSet } from "./semaphore_set.ts";
export {
  findSemaphoreSet,
  listSemaphoreSets,
  removeSemaphoreSet,
  type SemaphoreSetStat,
  setSemaphoreSetPermissions,
  statSemaphoreSet,
} from "./semaphore_stat.ts";
