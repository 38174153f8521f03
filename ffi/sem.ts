/** The calls for semaphore sets. Internal: used by `src/sysv` and `src/sync`. */

import { lending, semaphores, timespec } from "./libc.ts";

/** Returns the id of the set, or -errno. */
export function semget(key: number, count: number, flags: number): number {
  const { symbols, errno } = semaphores();
  const id = symbols.semget(key, count, flags);
  return id === -1 ? -errno[0]! : id;
}

/** Operations for `semop`: an array of `struct sembuf`, packed by {@linkcode packSembufs}. */
export type Sembufs = Int16Array<ArrayBuffer>;

/** One operation on one semaphore, with the fields of `struct sembuf`. */
export interface SemaphoreOperation {
  /** The index of the semaphore in the set. */
  readonly semaphore: number;
  /** The number to add to the value; 0 waits for zero. */
  readonly add: number;
  /** `IPC.NOWAIT` and `SEM.UNDO`, or 0. */
  readonly flags: number;
}

/** Packs operations as in C: three 16-bit fields each, on all supported platforms. */
export function packSembufs(operations: readonly SemaphoreOperation[]): Sembufs {
  const sembufs = new Int16Array(3 * operations.length);
  operations.forEach(({ semaphore, add, flags }, i) => sembufs.set([semaphore, add, flags], 3 * i));
  return sembufs;
}

/** Returns 0, or -errno. Without `IPC.NOWAIT` in the operations it waits without limit. */
export function semop(id: number, operations: Sembufs): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semop(id, operations, BigInt(operations.length / 3));
  return result === -1 ? -errno[0]! : 0;
}

/** Returns 0, or -errno: `EAGAIN` if `timeoutMs` milliseconds were not enough. */
export function semtimedop(id: number, operations: Sembufs, timeoutMs: number): number {
  const { symbols, errno } = semaphores();
  const count = BigInt(operations.length / 3);
  const timeout = timespec(timeoutMs);
  return symbols.semtimedop(id, operations, count, timeout) === -1 ? -errno[0]! : 0;
}

/** Returns whether it succeeded within `timeoutMs`. Its errno stays on the helper thread. */
export async function semtimedopAsync(
  id: number,
  operations: Sembufs,
  timeoutMs: number,
): Promise<boolean> {
  const count = BigInt(operations.length / 3);
  const timeout = timespec(timeoutMs);
  const call = semaphores().symbols.semtimedopAsync(id, operations, count, timeout);
  return await lending([operations, timeout], call) === 0;
}

/** Returns the result of the command, or -errno. `value` is the `val` of `union semun`. */
export function semctl(id: number, semaphore: number, command: number, value = 0): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semctl(id, semaphore, command, value);
  return result === -1 ? -errno[0]! : result;
}

/** Returns the result of the command, or -errno. `buffer` is the `buf` or `array` of `union semun`. */
export function semctlBuffer(
  id: number,
  command: number,
  buffer: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semctlBuffer(id, 0, command, buffer);
  return result === -1 ? -errno[0]! : result;
}
