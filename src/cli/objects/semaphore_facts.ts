/**
 * The facts of a semaphore set: the record that `--json` prints. Internal: used by the commands.
 */

import { SEM } from "../../../ffi/constants.ts";
import { semctl } from "../../../ffi/sem.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { tryReadValues } from "../../sysv/semaphore_values.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";

/** A semaphore set in `--json`. Times are ISO 8601 in UTC; null is unknown or never. */
export interface SemaphoreSetFacts extends ObjectFacts {
  /** The number of semaphores. */
  readonly count: number;
  /** The times of the last operation, and of the creation or last change of a value, mode or owner. */
  readonly otime: string | null;
  readonly ctime: string | null;
  /** The values of the semaphores; null without read permission. */
  readonly values: readonly number[] | null;
}

/** One semaphore of a set in `--json`. */
export interface SemaphoreFacts {
  readonly index: number;
  readonly value: number;
  /** The number of processes that wait for a greater value, and for zero. */
  readonly waitingForIncrease: number;
  readonly waitingForZero: number;
  /** The process of the last operation on the semaphore. */
  readonly lastPid: number | null;
}

/** Gathers the facts of semaphore sets. */
export class SemaphoreFactsReader {
  readonly #names = new AccountNames();

  /** The facts of one set. */
  facts(stat: SemaphoreSetStat): SemaphoreSetFacts {
    return {
      ...objectFacts(stat, this.#names),
      count: stat.count,
      otime: stat.otime?.toISOString() ?? null,
      ctime: stat.ctime?.toISOString() ?? null,
      values: valuesOf(stat),
    };
  }
}

/** The set's semaphores one by one; `undefined` without read permission. */
export function semaphoreFacts(stat: SemaphoreSetStat): readonly SemaphoreFacts[] | undefined {
  const semaphores = valuesOf(stat)?.map((value, index): SemaphoreFacts => ({
    index,
    value,
    waitingForIncrease: semctl(stat.id, index, SEM.GETNCNT),
    waitingForZero: semctl(stat.id, index, SEM.GETZCNT),
    lastPid: semctl(stat.id, index, SEM.GETPID) || null,
  }));
  // The set is gone now
  const failed = ({ waitingForIncrease, waitingForZero, lastPid }: SemaphoreFacts): boolean =>
    Math.min(waitingForIncrease, waitingForZero, lastPid ?? 0) < 0;
  return semaphores?.some(failed) ? undefined : semaphores;
}

/** The values, or null if this user may not read them or the set has just gone. */
function valuesOf({ id, count }: SemaphoreSetStat): number[] | null {
  const values = tryReadValues(id, count);
  return typeof values === "number" ? null : [...values];
}
