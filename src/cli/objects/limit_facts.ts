/**
 * The limits of this IPC namespace and how much of each is used: the record that `limits --json`
 * prints. For `limits_command.ts` and `doctor`.
 */

import { segmentLimits, segmentUsage } from "../../sysv/segment_limits.ts";
import { semaphoreLimits, semaphoreUsage } from "../../sysv/semaphore_limits.ts";

/** One limit, or one figure of use without a limit. */
export interface LimitFacts {
  /** Its C name in small letters, or `resident`, `swapped`. */
  readonly resource: string;
  readonly description: string;
  /** How many bytes each one counted is; null where not bytes are counted. */
  readonly unitBytes: number | null;
  /** Exact; a limit of pages or bytes is often near 2^64. null: there is none. */
  readonly limit: number | bigint | null;
  /** null: it limits single objects, which all keep to it. */
  readonly used: number | null;
  /** `used` of `limit`. */
  readonly percent: number | null;
  /** The sysctl that sets it; null: the kernel is built with it. */
  readonly sysctl: string | null;
  /** Which of the sysctl's numbers it is, from 1, where that has several. */
  readonly sysctlField: number | null;
}

/** All limits, as they are now. */
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

/** Four numbers. Source: proc(5), /proc/sys/kernel/sem. */
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

/** A limit of nothing is always used up. */
function percentOf(used: number, limit: number | bigint): number {
  return Number(limit) === 0 ? 100 : used / Number(limit) * 100;
}
