/**
 * All values of a set in one step, without the kernel ever reaching past the buffer it is given. For
 * the files of this folder.
 */

import { MAX_COUNT, SEM } from "../../ffi/constants.ts";
import { semctlBuffer } from "../../ffi/libc.ts";

/**
 * `semctl` copies as many values as the set has by now, whatever we think: a set that was removed may
 * have given its id, after some millions of others, to one with more semaphores. So the buffer has
 * room for the largest.
 */
let room: Uint16Array<ArrayBuffer> | undefined;

/** The values at one instant, or -errno. */
export function tryReadValues(id: number, count: number): Uint16Array<ArrayBuffer> | number {
  room ??= new Uint16Array(MAX_COUNT);
  const result = semctlBuffer(id, SEM.GETALL, room);
  return result < 0 ? result : room.slice(0, count);
}

/** Sets the values in one step: 0, or -errno. */
export function tryWriteValues(id: number, values: readonly number[]): number {
  room ??= new Uint16Array(MAX_COUNT);
  room.fill(0);
  room.set(values);
  return semctlBuffer(id, SEM.SETALL, room);
}
