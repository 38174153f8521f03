/**
 * The roles of an object that several processes hold: acquiring one, and the first free one of several
 * lanes. Internal: used by channel, Latest and Topic.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcesses, ShmError } from "../../ffi/shm_error.ts";
import { saysGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { Role } from "./role.ts";

/** What is needed of the object. */
interface RoleObject {
  readonly segment: Pick<Segment, "key" | "id">;
  readonly set: SemaphoreSet;
  /** Throws if the object was removed. */
  checkPresent(): void;
}

/**
 * Acquires the role of `semaphore` if it is free, and makes what holds it. If that fails, the role is free
 * again.
 *
 * @returns `undefined` if another process holds it, or another object of this one
 */
export function acquireRole<End>(
  object: RoleObject,
  semaphore: number,
  make: (role: Role) => End,
): End | undefined {
  const role = new Role(object.set, semaphore);
  if (!tryAcquire(object, role)) return undefined;
  return holding(role, () => make(role));
}

/** Makes what holds a role. If that fails, the role is free again. */
export function holding<End>(role: Role, make: () => End): End {
  try {
    return make();
  } catch (error) {
    role.release();
    throw error;
  }
}

function tryAcquire(object: RoleObject, role: Role): boolean {
  try {
    return role.tryAcquire();
  } catch (error) {
    // The set is removed with the segment: report that, not the failure of the semaphore
    if (saysGone(error)) object.checkPresent();
    throw error;
  }
}

/** What the owner of a lane becomes, in errors: "become a producer" of "the channel". */
interface Becoming {
  readonly action: string;
  readonly name: string;
}

/**
 * Acquires the first free lane of `lanes`, whose semaphores begin at `first`, and makes its owner. A lane
 * whose words in memory are impossible is skipped.
 *
 * @throws {ShmError} `EBUSY` all lanes are taken: names the owners; `ECORRUPT` the free ones cannot be used
 */
export function acquireLane<End>(
  object: RoleObject,
  { first, lanes }: { readonly first: number; readonly lanes: number },
  make: (lane: number, role: Role) => End,
  { action, name }: Becoming,
): End {
  let corrupt: ShmError | undefined;
  for (let lane = 0; lane < lanes; lane++) {
    try {
      const end = acquireRole(object, first + lane, (role) => make(lane, role));
      if (end !== undefined) return end;
    } catch (error) {
      if (!(error instanceof ShmError) || error.code !== "ECORRUPT") throw error;
      // A lane that cannot be written must not prevent the use of the others
      corrupt = error;
    }
  }
  if (corrupt !== undefined) throw corrupt;
  const owners = Array.from({ length: lanes }, (_, lane) => object.set.lastPid(first + lane));
  const { key, id } = object.segment;
  throw new ShmError(action, "semop", ERRNO.EBUSY, {
    key,
    id,
    facts: `all ${lanes} lanes are taken, by ${formatProcesses([...new Set(owners)])}`,
    remedy: `close one, or create ${name} with more lanes`,
    option: "lanes",
  });
}
