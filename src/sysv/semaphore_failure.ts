/**
 * Errors for semaphore sets that cannot be created, found or used. Each message names the conflicting
 * object and the command or option that helps. Internal: used by this folder.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { type LibcCall, ShmError } from "../../ffi/shm_error.ts";
import { missingCallRemedy } from "./object_stat.ts";
import { semaphoreLimits, semaphoreUsage } from "./semaphore_limits.ts";
import { type SemaphoreSetStat, semaphoreTable } from "./semaphore_stat.ts";

/** The parts of a set that an error names. */
export interface NamedSet {
  readonly key: number;
  readonly id: number;
}

/** The error for a `semget` that failed to create a set. */
export function createSetFailure(key: number, count: number, errno: number): ShmError {
  return new ShmError(`create a set of ${count} semaphores`, "semget", errno, {
    key,
    ...(errno === ERRNO.EEXIST
      ? semaphoreTable.existsHelp(key)
      : { remedy: createRemedy(count, errno) }),
  });
}

function createRemedy(count: number, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EINVAL:
      return `a set may have 1 to ${semaphoreLimits().semmsl} semaphores (sysctl kernel.sem)`;
    case ERRNO.ENOSPC:
      return spaceRemedy(count);
    default:
      return missingCallRemedy(errno);
  }
}

/** ENOSPC has two possible causes. The errno does not distinguish them, but the counters do. */
function spaceRemedy(count: number): string {
  const { semmni, semmns } = semaphoreLimits();
  const { sets, semaphores } = semaphoreUsage();
  const help = `${semaphoreTable.fullRemedy} kernel.sem`;
  return sets >= semmni
    ? `the limit of ${semmni} sets is reached (SEMMNI): ${help}`
    : `${semaphores} of the ${semmns} semaphores that the system allows (SEMMNS) exist, too many for ` +
      `${count} more: ${help}`;
}

/** The error for a set whose number of semaphores is not `wanted`. */
export function wrongCount(stat: SemaphoreSetStat, key: number, wanted: string): ShmError {
  return new ShmError(`open a set of ${wanted}`, "semget", ERRNO.EINVAL, {
    key,
    id: stat.id,
    remedy:
      `a set with another number of semaphores (${stat.count}), probably of another program, ` +
      `holds this key: choose another key, or, if it is left over, remove it with \`${
        semaphoreTable.removal(key)
      }\``,
  });
}

/** The error for a set whose creator has not announced its start values. */
export function notInitialised({ key, id }: NamedSet): ShmError {
  return new ShmError("open the semaphore set", "semctl", ERRNO.ETIMEDOUT, {
    key,
    id,
    remedy:
      "it exists, but its start values are not in place: no semop has set its otime; if its " +
      `creator died, remove it with \`${semaphoreTable.removal(key)}\``,
  });
}

/** The error for a failed call on an open set. */
export function setFailure(
  { key, id }: NamedSet,
  action: string,
  call: LibcCall,
  errno: number,
): ShmError {
  return new ShmError(action, call, errno, { key, id, remedy: useRemedy(id, errno) });
}

function useRemedy(id: number, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EIDRM:
    case ERRNO.EINVAL:
      return "the semaphore set was removed, perhaps with ipcrm: start over";
    case ERRNO.EACCES:
      return `its mode does not allow this user to do that${
        semaphoreTable.describe(id)
      }: its owner can widen the mode`;
    case ERRNO.ERANGE:
      return "a semaphore's value is at most 32767";
    case ERRNO.E2BIG:
      return `at most ${semaphoreLimits().semopm} operations are possible in one step (sysctl kernel.sem)`;
    default:
      return missingCallRemedy(errno);
  }
}

/** The error for operations that were given up, because one would have to wait or waited too long. */
export function blockedFailure(
  { key, id }: NamedSet,
  errno: number,
  obstacle: string | undefined,
): ShmError {
  return new ShmError("change the semaphores", "semtimedop", errno, { key, id, remedy: obstacle });
}
