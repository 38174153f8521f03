/**
 * Synchronisation between processes: locks and roles that the kernel releases when their holder dies, and
 * words in shared memory to wait on.
 *
 * @example
 * ```ts
 * import { AtomicInt32 } from "@sysv/shm/sync";
 * import { Segment } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * using segment = Segment.create({ size: 4096 });
 * segment.remove(); // the memory lives as long as it is attached
 * const counter = new AtomicInt32(segment, 0);
 * counter.add(1);
 * assert.equal(counter.load(), 1);
 * ```
 *
 * @module
 */

export { Role } from "./role.ts";
export type { LeaveResult } from "./membership.ts";
export { Mutex, type MutexLock, type MutexOptions } from "./mutex.ts";
export type { WaitOptions, WaitSyncOptions } from "./wait_schedule.ts";
export { AtomicInt32 } from "./atomic_int32.ts";
export { type SeqlockOptions, SeqlockReader } from "./seqlock_reader.ts";
