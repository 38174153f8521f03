/**
 * Reads and writes all values of a set in one step, with a buffer that the kernel cannot exceed.
 * Internal: used by this folder.
 */

import { MAX_COUNT, SEM } from "../../ffi/constants.ts";
import { semctlBuffer } from "../../ffi/sem.ts";

/**
 * `semctl` copies as many values as the set has at that moment. After a set is removed and some millions
 * of others were created, its id can belong to a larger set. So the buffer is large enough for every set.
 */
let room: Uint16Array<ArrayBuffer> | undefined;

/** Returns the values, read at the same instant, or -errno. */
export function tryReadValues(id: number, count: number): Uint16Array<ArrayBuffer> | number {
  room ??= new Uint16Array(MAX_COUNT);
  const result = semctlBuffer(id, SEM.GETALL, room);
  return result < 0 ? result : room.slice(0, count);
}

/** Sets the values in one step. Returns 0, or -errno. */
export function tryWriteValues(id: number, values: readonly number[]): number {
  room ??= new Uint16Array(MAX_COUNT);
  room.fill(0);
  room.set(values);
  return semctlBuffer(id, SEM.SETALL, room);
}
