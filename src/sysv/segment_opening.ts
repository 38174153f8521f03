/**
 * Creates, finds and attaches segments, and accepts or refuses what was found. Other processes may remove
 * a segment between any two steps: then it starts again. Internal: used by `segment.ts`.
 */

import { IPC } from "../../ffi/constants.ts";
import { shmctl, shmget } from "../../ffi/shm.ts";
import { tryAttach, unmap } from "./attachment.ts";
import { isGone } from "./object_stat.ts";
import { openOrCreate, type OpenSteps, openUntilTaken } from "./object_table.ts";
import { checkPlacement, checkRoom, type Placement } from "./placement.ts";
import { attachFailure, createFailure, tooSmall } from "./segment_failure.ts";
import {
  checkNew,
  readAttachOptions,
  readCreateOptions,
  readOpenOptions,
  readOpenOrCreateOptions,
  type SegmentCreateOptions,
  type SegmentOpenOptions,
} from "./segment_options.ts";
import { type SegmentStat, segmentTable } from "./segment_stat.ts";

/** A segment that is attached at `address` and accepted. */
export interface AttachedSegment {
  readonly stat: SegmentStat;
  readonly address: Deno.PointerObject;
  readonly key: number;
  readonly created: boolean;
  readonly readOnly: boolean;
}

/** Does the work of {@linkcode Segment.create}. */
export function createSegment(options: unknown): AttachedSegment {
  const read = readCreateOptions(options);
  return openUntilTaken(creating(read.key ?? IPC.PRIVATE, read, checkPlacement(read)));
}

/** Does the work of {@linkcode Segment.open}. */
export function openSegment(key: unknown, options: unknown): AttachedSegment {
  const checked = segmentTable.checkOpenKey(key);
  const read = readOpenOptions(options);
  return openUntilTaken(opening(checked, checkPlacement(read, read.readOnly), read));
}

/** Does the work of {@linkcode Segment.openOrCreate}. */
export function openOrCreateSegment(options: unknown): AttachedSegment {
  const read = readOpenOrCreateOptions(options);
  const { key, size, trust = false } = read;
  const placement = checkPlacement(read);
  return openOrCreate(
    creating(key, read, placement),
    opening(key, placement, { minSize: size, trust }),
  );
}

/** Does the work of {@linkcode Segment.attach}. */
export function attachSegment(id: unknown, options: unknown): AttachedSegment {
  const checked = segmentTable.checkId(id);
  const read = readAttachOptions(options);
  return take(checked, undefined, checkPlacement(read, read.readOnly), read)!;
}

function creating(
  key: number,
  options: SegmentCreateOptions,
  placement: Placement,
): OpenSteps<AttachedSegment> {
  const asked = checkNew(options);
  checkRoom(placement, asked.size);
  return {
    get: () => shmget(key, asked.size, asked.flags),
    take: (id) => {
      try {
        return take(id, key, placement, "created");
      } catch (error) {
        // No other process knows the segment
        shmctl(id, IPC.RMID, null);
        throw error;
      }
    },
    failure: (errno) => createFailure(key, asked, errno),
  };
}

function opening(
  key: number,
  placement: Placement,
  wanted: Wanted,
): OpenSteps<AttachedSegment> {
  return {
    get: () => shmget(key, 0, 0),
    take: (id) => take(id, key, placement, wanted),
    failure: (errno) => segmentTable.openFailure(errno, key),
  };
}

/** Which existing segments are accepted. */
type Wanted = Pick<SegmentOpenOptions, "minSize" | "trust">;

/**
 * Attaches a segment, and then accepts or refuses it: while it is attached, it can neither disappear nor
 * change size. Returns `undefined` if its `key` no longer leads to it, because it was removed.
 */
function take(
  id: number,
  key: number | undefined,
  placement: Placement,
  wanted: Wanted | "created",
): AttachedSegment | undefined {
  const address = tryAttach(id, placement);
  if (typeof address === "number") {
    if (key !== undefined && wasRemoved(id, address)) return undefined;
    throw attachFailure(id, key, placement, -address);
  }
  let taken = false;
  try {
    const stat = segmentTable.tryStat(id);
    if (typeof stat === "number") throw segmentTable.statFailure(id, -stat);
    if (key !== undefined && stat.markedForRemoval) return undefined;
    const created = wanted === "created";
    if (!created) {
      const { minSize = 0, trust = false } = wanted;
      segmentTable.checkTrust(stat, key, trust);
      if (stat.size < minSize) throw tooSmall(stat, key ?? stat.key, minSize);
    }
    taken = true;
    return { stat, address, key: key ?? stat.key, created, readOnly: placement.readOnly };
  } finally {
    if (!taken) unmap(id, address);
  }
}

/** Whether an attach failed because the segment was removed. `EINVAL` can also mean the address. */
function wasRemoved(id: number, result: number): boolean {
  if (!isGone(result)) return false;
  const stat = segmentTable.tryStat(id);
  return typeof stat === "number" && isGone(stat);
}
