/**
 * All that can be told of a semaphore set: the record that `--json` prints. For the commands of this
 * folder.
 */

import { ShmError } from "../../../ffi/shm_error.ts";
import { SemaphoreSet } from "../../sysv/semaphore_set.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";

/** A semaphore set in `--json`. Times are ISO 8601 in UTC, null is unknown or never. */
export interface SemaphoreSetFacts extends ObjectFacts {
  /** How many semaphores it has. */
  readonly count: number;
  /** Last operation; creation or last change of a value, the mode or the owner. */
  readonly otime: string | null;
  readonly ctime: string | null;
  /** Their values; null without read permission. */
  readonly values: readonly number[] | null;
}

/** One semaphore of a set in `--json`. */
export interface SemaphoreFacts {
  readonly index: number;
  readonly value: number;
  /** Processes that wait until it is greater, and until it is zero. */
  readonly waitingForIncrease: number;
  readonly waitingForZero: number;
  /** The process that changed or waited out a value last. */
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
      values: readable(stat, (set) => set.values()),
    };
  }
}

/** The set's semaphores one by one; `undefined` without read permission. */
export function semaphoreFacts(stat: SemaphoreSetStat): readonly SemaphoreFacts[] | undefined {
  const semaphores = readable(stat, (set) =>
    set.values().map((value, index): SemaphoreFacts => {
      const pid = set.lastPid(index);
      return {
        index,
        value,
        waitingForIncrease: set.waitingForIncrease(index),
        waitingForZero: set.waitingForZero(index),
        lastPid: pid === 0 ? null : pid,
      };
    }));
  return semaphores ?? undefined;
}

/** What `look` finds in the set, or null where this user may not, or where it has just gone. */
function readable<Found>(
  { id }: SemaphoreSetStat,
  look: (set: SemaphoreSet) => Found,
): Found | null {
  try {
    return look(SemaphoreSet.attach(id, { trust: true }));
  } catch (error) {
    if (error instanceof ShmError) return null;
    throw error;
  }
}
