/** The limits of this IPC namespace and their use: the record that `limits --json` prints. */

import { segmentLimits, segmentUsage } from "../../sysv/segment_limits.ts";
import { semaphoreLimits, semaphoreUsage } from "../../sysv/semaphore_limits.ts";

/** One limit, or one usage figure without a limit. */
export interface LimitFacts {
  /** Its C name in lower case, or `resident`, `swapped`. */
  readonly resource: string;
  readonly description: string;
  /** The bytes of each counted unit; null if the unit is not a number of bytes. */
  readonly unitBytes: number | null;
  /** The exact limit; in pages or bytes it is often near 2^64. null: there is none. */
  readonly limit: number | bigint | null;
  /** How much of the limit is used. null: it limits each single object. */
  readonly used: number | null;
  /** `used` as a percentage of `limit`. */
  readonly percent: number | null;
  /** The sysctl that sets it; null: it is fixed in the kernel. */
  readonly sysctl: string | null;
  /** The position of its number in the sysctl, from 1, if that has several numbers. */
  readonly sysctlField: number | null;
}

/** All current limits. */
export function limitFacts(): LimitFacts[] {
  const { shmmax, shmmin, shmmni, shmall, pageSize } = segmentLimits();
  const { segments, pages, resident, swapped } = segmentUsage();
  const semaphores = semaphoreLimits();
  const use = semaphoreUsage();
  const inPages = { unitBytes: pageSize };
  return [
    row("shmmni", "segments", shmmni, segments, "kernel.shmmni"),
    row("shmall", `pages of ${pageSize} bytes`, shmall, pages, "kernel.shmall", inPages),
    row("resident", "pages in memory", null, resident, null, inPages),
    row("swapped", "pages swapped out", null, swapped, null, inPages),
    row("shmmax", "bytes of a segment", shmmax, null, "kernel.shmmax", { unitBytes: 1 }),
    row("shmmin", "bytes of a segment, least", shmmin, null, null, { unitBytes: 1 }),
    row("semmni", "semaphore sets", semaphores.semmni, use.sets, SEM, { sysctlField: 4 }),
    row("semmns", "semaphores", semaphores.semmns, use.semaphores, SEM, { sysctlField: 2 }),
    row("semmsl", "semaphores of a set", semaphores.semmsl, null, SEM, { sysctlField: 1 }),
    row("semopm", "operations of a semop", semaphores.semopm, null, SEM, { sysctlField: 3 }),
    row("semvmx", "value of a semaphore", semaphores.semvmx, null, null),
  ];
}

/** A sysctl with four numbers. Source: proc(5), /proc/sys/kernel/sem. */
const SEM = "kernel.sem";

function row(
  resource: string,
  description: string,
  limit: number | bigint | null,
  used: number | null,
  sysctl: string | null,
  rest: Partial<Pick<LimitFacts, "unitBytes" | "sysctlField">> = {},
): LimitFacts {
  const percent = limit === null || used === null ? null : percentOf(used, limit);
  return {
    resource,
    description,
    unitBytes: null,
    limit,
    used,
    percent,
    sysctl,
    sysctlField: null,
    ...rest,
  };
}

/** The used percentage; a limit of 0 is always used up. */
function percentOf(used: number, limit: number | bigint): number {
  return Number(limit) === 0 ? 100 : used / Number(limit) * 100;
}
