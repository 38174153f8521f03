/**
 * The Linux errno values that the calls of this library can return: number, name, and a short meaning.
 * Source: `<asm-generic/errno-base.h>`, `<asm-generic/errno.h>`, and the ERRORS sections
 * of shmget(2), shmop(2), shmctl(2), semget(2), semop(2), semctl(2), futex(2) and stat(2).
 */

/**
 * The name of an errno value that this library knows, such as `"ENOENT"`.
 *
 * @example
 * ```ts
 * import type { ErrnoName } from "@sysv/shm/sysv";
 * import { Segment, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const missing: ErrnoName = "ENOENT";
 * try {
 *   Segment.open(0x5eed000b);
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.code, missing);
 * }
 * ```
 */
export type ErrnoName =
  | "EPERM"
  | "ENOENT"
  | "ESRCH"
  | "EINTR"
  | "E2BIG"
  | "EAGAIN"
  | "ENOMEM"
  | "EACCES"
  | "EFAULT"
  | "EBUSY"
  | "EEXIST"
  | "ENOTDIR"
  | "EINVAL"
  | "ENFILE"
  | "EMFILE"
  | "EFBIG"
  | "ENOSPC"
  | "EPIPE"
  | "ERANGE"
  | "EDEADLK"
  | "ENAMETOOLONG"
  | "ENOSYS"
  | "ELOOP"
  | "EIDRM"
  | "EOVERFLOW"
  | "ETIMEDOUT"
  | "EOWNERDEAD";

const table: Readonly<Record<ErrnoName, readonly [number, string]>> = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file, key or object"],
  ESRCH: [3, "no such process"],
  EINTR: [4, "interrupted by a signal"],
  E2BIG: [7, "too many operations at once"],
  EAGAIN: [11, "it would have to wait"],
  ENOMEM: [12, "out of memory"],
  EACCES: [13, "permission denied"],
  EFAULT: [14, "bad address"],
  EBUSY: [16, "it is in use"],
  EEXIST: [17, "it exists already"],
  ENOTDIR: [20, "a part of the path is not a folder"],
  EINVAL: [22, "invalid argument"],
  ENFILE: [23, "too many open files in the system"],
  EMFILE: [24, "too many open files or attaches in the process"],
  EFBIG: [27, "too large a file, or no semaphore of that number"],
  ENOSPC: [28, "no room: a system limit is reached"],
  EPIPE: [32, "there is no receiver"],
  ERANGE: [34, "value out of range"],
  EDEADLK: [35, "it would wait for itself"],
  ENAMETOOLONG: [36, "path too long"],
  ENOSYS: [38, "this kernel does not offer the call"],
  ELOOP: [40, "too many symbolic links"],
  EIDRM: [43, "it was removed"],
  EOVERFLOW: [75, "value too large for its type"],
  ETIMEDOUT: [110, "timed out"],
  EOWNERDEAD: [130, "its owner died"],
};

/** errno values by name. */
export const ERRNO: Readonly<Record<ErrnoName, number>> = Object.fromEntries(
  Object.entries(table).map(([name, [number]]) => [name, number]),
) as Record<ErrnoName, number>;

function nameOf(errno: number): ErrnoName | undefined {
  return (Object.keys(table) as ErrnoName[]).find((name) => table[name][0] === errno);
}

/** Returns the name of `errno`, or `"E"` and the number if it is not in the table. */
export function errnoName(errno: number): ErrnoName | `E${number}` {
  return nameOf(errno) ?? `E${errno}`;
}

/** Returns the meaning of `errno` in a few words, without a period. */
export function errnoText(errno: number): string {
  const name = nameOf(errno);
  return name === undefined ? "an error this library has no name for" : table[name][1];
}
