/** The facts of a semaphore set: the record that `--json` prints, and the columns of tables. */

import { SEM } from "../../../ffi/constants.ts";
import { semctl } from "../../../ffi/sem.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { tryReadValues } from "../../sysv/semaphore_values.ts";
import type { Column } from "../text/table.ts";
import { isoTime, localTime, shortTime } from "../text/wording.ts";
import { columnsOf, defaultColumns, type FactsOf, factsOf, factTable } from "./facts.ts";
import { AccountNames, OBJECT_FACTS, shortOwner } from "./object_facts.ts";

const SET_FACTS = {
  ...OBJECT_FACTS,
  ...factTable<{ readonly stat: SemaphoreSetStat }>()({
    /** The number of semaphores. */
    count: { title: "COUNT", right: true, value: ({ stat }) => stat.count },
    /** The times of the last operation, and of the creation or last change of a value, mode or owner. */
    otime: { title: "LASTOP", value: ({ stat }) => isoTime(stat.otime), text: localTime },
    ctime: { title: "CREATED", value: ({ stat }) => isoTime(stat.ctime), text: localTime },
    /** The values of the semaphores; null without read permission. */
    values: { title: "VALUES", value: ({ stat }) => valuesOf(stat) },
  }),
};

/** A semaphore set in `--json`. Times are ISO 8601 in UTC; null is unknown or never. */
export type SemaphoreSetFacts = FactsOf<typeof SET_FACTS>;

/** Every column, one for each fact. */
export const SEMAPHORE_COLUMNS: readonly Column<SemaphoreSetFacts>[] = columnsOf(SET_FACTS);

export const DEFAULT_SEMAPHORE_COLUMNS: readonly Column<SemaphoreSetFacts>[] = defaultColumns(
  SEMAPHORE_COLUMNS,
  ["key", "id", "owner", "mode", "count", "otime", "ctime"],
  {
    owner: shortOwner,
    otime: ({ otime }) => shortTime(otime),
    ctime: ({ ctime }) => shortTime(ctime),
  },
);

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

export function semaphoreSetFacts(
  stat: SemaphoreSetStat,
  names = new AccountNames(),
): SemaphoreSetFacts {
  return factsOf(SET_FACTS, { stat, names });
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
