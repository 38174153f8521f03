/**
 * Creates and finds semaphore sets, accepts or refuses what was found, and writes the start values or
 * waits for them. Internal: used by `semaphore_set.ts`.
 */

import { IPC, MAX_VALUE } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { semget } from "../../ffi/sem.ts";
import { isGone, saysGone } from "./object_stat.ts";
import { openOrCreate, type OpenSteps, openUntilTaken } from "./object_table.ts";
import {
  createSetFailure,
  type NamedSet,
  notInitialised,
  setFailure,
  wrongCount,
} from "./semaphore_failure.ts";
import { PackedOperations } from "./semaphore_operations.ts";
import {
  type Plan,
  readAttachOptions,
  readCreateOptions,
  readOpenOptions,
  readOpenOrCreateOptions,
  type SemaphoreSetOpenOptions,
} from "./semaphore_options.ts";
import { semaphoreTable } from "./semaphore_stat.ts";
import { tryReadValues, tryWriteValues } from "./semaphore_values.ts";
import { tryOperations } from "./semaphore_wait.ts";
import { pause } from "./wait.ts";

/** A set that was created, or found and accepted. */
export interface OpenedSet extends NamedSet {
  readonly count: number;
  readonly created: boolean;
  readonly othersMayWrite: boolean;
}

/**
 * How long an opener waits for the start values of another process, and how often it checks, in
 * milliseconds. Tests shorten the wait.
 */
export const START_VALUES = { waitMs: 1_000, checkMs: 1 };

/**
 * A bit of the mode that the kernel ignores. A set with start values is created with this bit and loses it
 * when the values are in place. The bit means that this library made the set and that it is unused.
 */
const UNINITIALISED = 0o100;

/** Does the work of {@linkcode SemaphoreSet.create}. */
export function createSet(options: unknown): OpenedSet {
  return openUntilTaken(creating(readCreateOptions(options)));
}

/** Does the work of {@linkcode SemaphoreSet.open}. */
export function openSet(key: unknown, options: unknown): OpenedSet {
  const checked = semaphoreTable.checkOpenKey(key);
  const read = readOpenOptions(options);
  return openUntilTaken(opening(checked, 0, (id) => accept(id, checked, read)));
}

/** Does the work of {@linkcode SemaphoreSet.openOrCreate}. */
export function openOrCreateSet(options: unknown): OpenedSet {
  const plan = readOpenOrCreateOptions(options);
  const { key, mode, values } = plan;
  // Asks for the rights that the mode grants to this user in a new set
  const open = opening(key, mode, (id) => {
    const set = accept(id, key, plan);
    return set === undefined || values === undefined || awaitValues(set, values) ? set : undefined;
  });
  return openOrCreate(creating(plan), open);
}

/** Does the work of {@linkcode SemaphoreSet.attach}. */
export function attachSet(id: unknown, options: unknown): OpenedSet {
  const checked = semaphoreTable.checkId(id);
  const set = accept(checked, undefined, readAttachOptions(options));
  if (set === undefined) throw semaphoreTable.openFailure(ERRNO.EINVAL, undefined, checked);
  return set;
}

function creating(plan: Plan): OpenSteps<OpenedSet> {
  const { key, count, mode, values } = plan;
  const flags = IPC.CREAT | IPC.EXCL | mode | (values === undefined ? 0 : UNINITIALISED);
  return {
    get: () => semget(key, count, flags),
    take: (id) => initialise({ key, id, count, created: true, othersMayWrite: false }, plan),
    failure: (errno) => createSetFailure(key, count, errno),
  };
}

function opening(
  key: number,
  flags: number,
  take: (id: number) => OpenedSet | undefined,
): OpenSteps<OpenedSet> {
  return {
    get: () => semget(key, 0, flags),
    take,
    failure: (errno) => semaphoreTable.openFailure(errno, key),
  };
}

/** Accepts or refuses a set found by a key or an id. Returns `undefined` if it no longer exists. */
function accept(
  id: number,
  key: number | undefined,
  { count, minCount = 0, trust = false }: SemaphoreSetOpenOptions,
): OpenedSet | undefined {
  const stat = semaphoreTable.tryRead(id);
  if (typeof stat === "number" && isGone(stat)) return undefined;
  if (typeof stat === "number") throw semaphoreTable.openFailure(-stat, key, id);
  semaphoreTable.checkTrust(stat, key, trust);
  if (count !== undefined && stat.count !== count) {
    throw wrongCount(stat, stat.key, `${count} semaphores`);
  }
  if (stat.count < minCount) throw wrongCount(stat, stat.key, `at least ${minCount} semaphores`);
  return {
    key: key ?? stat.key,
    id,
    count: stat.count,
    created: false,
    othersMayWrite: (stat.mode & 0o022) !== 0,
  };
}

/**
 * Writes the start values of a new set and announces them. If that fails, the set is removed again.
 * Returns `undefined` if another process has removed it already.
 */
function initialise(set: OpenedSet, { mode, values }: Plan): OpenedSet | undefined {
  if (values === undefined) return set;
  const { id } = set;
  try {
    const written = tryWriteValues(id, values);
    if (written < 0) throw setFailure(set, "set the start values", "semctl", -written);
    if (mode !== (mode | UNINITIALISED)) semaphoreTable.setPermissions(id, { mode });
    announceValues(set, values);
  } catch (error) {
    if (saysGone(error)) return undefined;
    semaphoreTable.ensureRemoved(id);
    throw error;
  }
  return set;
}

/** Announces that the values are in place, by a `semop`, which sets `otime`. */
function announceValues(set: NamedSet, values: readonly number[]): void {
  // Up and down, or down and up at the largest value: the values stay the same, and it never waits
  const first = values[0]! === MAX_VALUE ? -1 : 1;
  tryOperations(
    set,
    new PackedOperations([{ semaphore: 0, add: first }, { semaphore: 0, add: -first }]),
  );
}

/**
 * Waits for the start values. Returns `false` if the set no longer exists. If the creator died before
 * writing them, this removes the set: a creator that was only stopped creates it again.
 */
function awaitValues(set: OpenedSet, values: readonly number[]): boolean {
  const { id } = set;
  const since = performance.now();
  for (;;) {
    const stat = semaphoreTable.tryRead(id);
    if (typeof stat === "number" && isGone(stat)) return false;
    if (typeof stat === "number") throw semaphoreTable.openFailure(-stat, set.key, id);
    if (stat.otime !== null) return true;
    if (performance.now() - since <= START_VALUES.waitMs) {
      pause(START_VALUES.checkMs).block();
      continue;
    }
    try {
      if ((stat.mode & UNINITIALISED) !== 0) {
        semaphoreTable.remove(id);
        return false;
      }
      // The creator died between writing them and announcing them
      const found = tryReadValues(id, set.count);
      if (typeof found === "number") throw setFailure(set, "read the semaphores", "semctl", -found);
      if (found.join() !== values.join()) throw notInitialised(set);
      announceValues(set, values);
      return true;
    } catch (error) {
      if (saysGone(error)) return false;
      throw error;
    }
  }
}
