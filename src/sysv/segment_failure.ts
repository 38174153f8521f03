/**
 * Why a segment could not be created, found or attached, and what to do about it. These are the
 * messages people meet first, so each names the object in the way and the command or option that
 * helps. For `segment.ts` and `src/mailbox`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { shmget } from "../../ffi/libc.ts";
import { formatKey, ShmError } from "../../ffi/shm_error.ts";
import { formatMode } from "./object_stat.ts";
import { describe, segmentLimits, type SegmentStat, segmentUsage } from "./segment_stat.ts";

/** The segment that holds `key` now, in half a sentence, or nothing. */
function describeHolder(key: number): string {
  const id = shmget(key, 0, 0);
  return id < 0 ? "" : describe(id);
}

/** How a person removes the segment that holds `key`. */
function removal(key: number): string {
  return `ipcrm -M 0x${(key >>> 0).toString(16)}`;
}

/** The error for a `shmget` that should have created a segment. */
export function createFailure(key: number, size: number, mode: number, errno: number): ShmError {
  return new ShmError(`create a segment of ${size} bytes`, "shmget", errno, {
    key,
    remedy: createRemedy(key, mode, errno),
  });
}

function createRemedy(key: number, mode: number, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EEXIST:
      return `a segment holds this key${describeHolder(key)}: open it with Segment.open, choose ` +
        `another key, or, if nobody needs it, remove it with \`${removal(key)}\``;
    case ERRNO.EINVAL:
      return `a segment may have 1 to ${segmentLimits().shmmax} bytes (sysctl kernel.shmmax)`;
    case ERRNO.ENOSPC:
      return spaceRemedy();
    case ERRNO.ENOMEM:
      return "the system does not promise that much memory; noReserve: true asks for none up front";
    case ERRNO.EACCES:
      return `mode ${formatMode(mode)} does not let this user do what it asks for`;
    case ERRNO.ENOSYS:
      return "this kernel was built without System V IPC";
    default:
      return undefined;
  }
}

/** ENOSPC has two causes that the errno does not tell apart; the counters do. */
function spaceRemedy(): string {
  const { shmmni, shmall } = segmentLimits();
  const { segments, pages } = segmentUsage();
  const help = "remove segments nobody needs (`ipcs -m`, `ipcrm -m ID`) or raise the sysctl";
  return segments >= shmmni
    ? `all ${shmmni} segments the system allows exist (sysctl kernel.shmmni): ${help}`
    : `${pages} of the ${shmall} pages all segments may have together are taken ` +
      `(sysctl kernel.shmall): ${help}`;
}

/** The error for a `shmget` that should have found a segment. */
export function openFailure(key: number, errno: number): ShmError {
  return new ShmError("open the segment", "shmget", errno, {
    key,
    remedy: errno === ERRNO.ENOENT
      ? "nobody has created it (or it was removed): start the program that does, or use " +
        "Segment.create or Segment.openOrCreate"
      : undefined,
  });
}

/** The error for a `shmat` on a segment that is there. */
export function attachFailure(
  id: number,
  key: number | undefined,
  readOnly: boolean,
  errno: number,
): ShmError {
  return new ShmError(`attach the segment${readOnly ? " read-only" : ""}`, "shmat", errno, {
    key,
    id,
    remedy: attachRemedy(id, readOnly, errno),
  });
}

function attachRemedy(id: number, readOnly: boolean, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EACCES:
      return `this user may not ${readOnly ? "read" : "read and write"} it${describe(id)}: its ` +
        `owner can widen the mode` + (readOnly ? "" : ", or attach with readOnly: true");
    case ERRNO.EINVAL:
      return "no segment has this id (any more); `ipcs -m` lists those there are";
    case ERRNO.ENOMEM:
      return "there is no room for it in this process's address space";
    default:
      return undefined;
  }
}

/** The error for a segment that we have attached and that is too small for its purpose. */
export function tooSmall(stat: SegmentStat, key: number, needed: number): ShmError {
  const others = stat.nattch - 1;
  return new ShmError(`open a segment of at least ${needed} bytes`, "shmget", ERRNO.EINVAL, {
    key,
    id: stat.id,
    remedy:
      `the segment that holds this key has ${stat.size} bytes (owner uid ${stat.uid}, nattch ` +
      `${others}); if it is left over, remove it with \`${removal(key)}\``,
  });
}

/** The error for a segment that another user put where we looked. */
export function untrusted(stat: SegmentStat, user: number, key: number | undefined): ShmError {
  return new ShmError("use the segment", "shmat", "EUNTRUSTED", {
    key,
    id: stat.id,
    remedy: `uid ${user} created or owns it (mode ${formatMode(stat.mode)}) and may change it ` +
      `under you: pass trust: true (--trust) if that is meant`,
  });
}

/** The error for the key that never finds anything. */
export function privateKey(): RangeError {
  return new RangeError(
    `key ${formatKey(0)} is IPC_PRIVATE, which finds no segment: attach by id, or choose a key`,
  );
}
