/**
 * The kernel's limits for all semaphore sets of an IPC namespace, and what all sets use together.
 */

import { IPC, SEM } from "../../ffi/constants.ts";
import { platform } from "../../ffi/libc.ts";
import { KernelStructReader } from "./kernel_struct.ts";
import { semaphoreTable } from "./semaphore_stat.ts";

/** The limits of this IPC namespace. Source: `struct seminfo`, semctl(2); sysctl `kernel.sem`. */
export interface SemaphoreLimits {
  /** The largest number of sets. */
  readonly semmni: number;
  /** The largest number of semaphores in a set. */
  readonly semmsl: number;
  /** The largest number of semaphores of all sets together. */
  readonly semmns: number;
  /** The largest number of operations in one `semop`. */
  readonly semopm: number;
  /** The largest value of a semaphore: 32767 on every Linux. */
  readonly semvmx: number;
}

/**
 * Returns the limits of this IPC namespace.
 *
 * @throws {ShmError} the kernel has no System V semaphores
 *
 * @example
 * ```ts
 * import { semaphoreLimits } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * assert.equal(semaphoreLimits().semvmx, 32767);
 * ```
 */
export function semaphoreLimits(): SemaphoreLimits {
  const struct = new KernelStructReader(platform().structs.seminfo);
  semaphoreTable.askAboutAll(IPC.INFO, struct);
  return {
    semmni: struct.number("semmni"),
    semmsl: struct.number("semmsl"),
    semmns: struct.number("semmns"),
    semopm: struct.number("semopm"),
    semvmx: struct.number("semvmx"),
  };
}

/**
 * What all semaphore sets of this IPC namespace use together. Source: `struct seminfo` as `SEM_INFO`
 * fills it, semctl(2).
 */
export interface SemaphoreUsage {
  /** The number of sets. */
  readonly sets: number;
  /** The number of semaphores of all sets together. */
  readonly semaphores: number;
}

/**
 * Returns what all semaphore sets of this IPC namespace use together.
 *
 * @throws {ShmError} the kernel has no System V semaphores
 *
 * @example
 * ```ts
 * import { SemaphoreSet } from "@sysv/shm";
 * import { semaphoreUsage } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * const set = SemaphoreSet.create({ count: 3 });
 * assert(semaphoreUsage().semaphores >= 3);
 * set.remove();
 * ```
 */
export function semaphoreUsage(): SemaphoreUsage {
  const struct = new KernelStructReader(platform().structs.seminfo);
  semaphoreTable.askAboutAll(SEM.INFO, struct);
  return { sets: struct.number("semusz"), semaphores: struct.number("semaem") };
}
