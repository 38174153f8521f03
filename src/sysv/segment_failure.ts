/**
 * Errors for segments that cannot be created, found or attached. These are the first messages that most
 * users see, so each names the conflicting object and the command or option that helps. Internal: used by
 * `segment.ts` and `src/mailbox`.
 */

import { RLIMIT } from "../../ffi/constants.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { resourceLimit } from "../../ffi/processes.ts";
import { type FailureDetails, ShmError } from "../../ffi/shm_error.ts";
import { formatMode, missingCallRemedy } from "./object_stat.ts";
import { formatAddress, type Placement } from "./placement.ts";
import { segmentLimits, segmentUsage } from "./segment_limits.ts";
import type { NewSegment } from "./segment_options.ts";
import { type SegmentStat, segmentTable } from "./segment_stat.ts";

/** The error for a `shmget` that failed to create a segment. */
export function createFailure(key: number, asked: NewSegment, errno: number): ShmError {
  return new ShmError(`create a segment of ${asked.size} bytes`, "shmget", errno, {
    key,
    ...createHelp(key, asked, errno),
  });
}

function createHelp(key: number, asked: NewSegment, errno: number): FailureDetails {
  const facts = asked.hugePageSize === undefined ? undefined : hugePageFacts(asked, errno);
  if (facts !== undefined) return { facts, remedy: "or leave hugePages out", option: "hugePages" };
  if (errno === ERRNO.ENOMEM) {
    return {
      facts: "the system does not reserve that much memory",
      remedy: "noReserve: true reserves none in advance",
      option: "noReserve",
    };
  }
  if (errno === ERRNO.EEXIST) return segmentTable.existsHelp(key);
  return { remedy: createRemedy(asked.mode, errno) };
}

function createRemedy(mode: number, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EINVAL:
      return sizeRemedy();
    case ERRNO.ENOSPC:
      return spaceRemedy();
    case ERRNO.EACCES:
      return `mode ${formatMode(mode)} does not give this user the access that the options ask for`;
    default:
      return missingCallRemedy(errno);
  }
}

function sizeRemedy(): string {
  return `a segment may have 1 to ${segmentLimits().shmmax} bytes (sysctl kernel.shmmax)`;
}

/** The reasons and advice that concern huge pages; `undefined` if they are not the reason. */
function hugePageFacts({ size, hugePageSize }: NewSegment, errno: number): string | undefined {
  const bytes = hugePageSize ?? 0;
  switch (errno) {
    case ERRNO.ENOMEM:
      return bytes === 0
        ? "the system's pool has too few huge pages: add some with " +
          "`sysctl vm.nr_hugepages=N` (`grep Huge /proc/meminfo` shows it)"
        : `it needs ${
          Math.ceil(size / bytes)
        } free huge pages of ${bytes} bytes: write a larger number to ` +
          `${hugePageFolder(bytes)}/nr_hugepages`;
    case ERRNO.EPERM:
      return "huge pages need CAP_IPC_LOCK or membership in the group of sysctl " +
        "vm.hugetlb_shm_group";
    case ERRNO.EINVAL:
    case ERRNO.ENOENT:
      return bytes === 0
        ? `this kernel may have no huge pages; also, ${sizeRemedy()}`
        : `this system may have no huge pages of ${bytes} bytes, which have the folder ` +
          `${hugePageFolder(bytes)}; also, ${sizeRemedy()}`;
    default:
      return undefined;
  }
}

function hugePageFolder(bytes: number): string {
  return `/sys/kernel/mm/hugepages/hugepages-${bytes / 1024}kB`;
}

/** ENOSPC has two possible causes. The errno does not distinguish them, but the counters do. */
function spaceRemedy(): string {
  const { shmmni, shmall } = segmentLimits();
  const { segments, pages } = segmentUsage();
  const help = segmentTable.fullRemedy;
  return segments >= shmmni
    ? `the limit of ${shmmni} segments is reached (sysctl kernel.shmmni): ${help}`
    : `${pages} of the ${shmall} pages that all segments may have together are in use ` +
      `(sysctl kernel.shmall): ${help}`;
}

/** The error for a `shmat` that failed on an existing segment. */
export function attachFailure(
  id: number,
  key: number | undefined,
  placement: Placement,
  errno: number,
): ShmError {
  const how = `${placement.readOnly ? " read-only" : ""}${placement.execute ? " to execute" : ""}`;
  const where = placement.address === undefined
    ? ""
    : ` at address ${formatAddress(placement.address)}`;
  return new ShmError(`attach the segment${how}${where}`, "shmat", errno, {
    key,
    id,
    remedy: attachRemedy(id, placement, errno),
  });
}

function attachRemedy(id: number, placement: Placement, errno: number): string | undefined {
  switch (errno) {
    case ERRNO.EACCES:
      return accessRemedy(id, placement);
    case ERRNO.EINVAL:
      return placement.address !== undefined && typeof segmentTable.tryStat(id) !== "number"
        ? "memory is mapped there already, or, for huge pages, the address is not a " +
          "multiple of their size: choose another address, or leave the choice to the kernel"
        : segmentTable.noSuchId;
    case ERRNO.ENOMEM:
      return addressSpaceRemedy();
    default:
      return missingCallRemedy(errno);
  }
}

function addressSpaceRemedy(): string {
  const limit = resourceLimit(RLIMIT.AS);
  return "there is no room for it in this process's address space" +
    (limit === undefined
      ? ""
      : `, which may have ${limit} bytes: raise RLIMIT_AS (\`ulimit -v\`, or LimitAS= of a service)`);
}

function accessRemedy(id: number, { readOnly, execute }: Placement): string {
  const rights = `${readOnly ? "read" : "read and write"}${execute ? " and execute" : ""}`;
  const instead = [
    ...(readOnly ? [] : ["with readOnly: true"]),
    ...(execute ? ["without execute"] : []),
  ].join(" and ");
  return `this user may not ${rights} it${
    segmentTable.describe(id)
  }: its owner can widen the mode` +
    (instead !== "" && typeof segmentTable.tryRead(id) !== "number"
      ? `, or attach ${instead}`
      : "");
}

/** The error for a segment that was attached but is too small for its purpose. */
export function tooSmall(stat: SegmentStat, key: number, needed: number): ShmError {
  const others = stat.nattch - 1;
  return new ShmError(`open a segment of at least ${needed} bytes`, "shmget", ERRNO.EINVAL, {
    key,
    id: stat.id,
    remedy:
      `the segment that holds this key has ${stat.size} bytes (owner uid ${stat.uid}, nattch ` +
      `${others}); if it is left over, remove it with \`${segmentTable.removal(key)}\``,
  });
}
