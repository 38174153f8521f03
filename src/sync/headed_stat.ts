/**
 * Objects with a header seen from outside: one or all of a protocol, without joining. Reading changes
 * nothing. Internal: used by the channel, `Latest` and `Topic`.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { isGone } from "../sysv/object_stat.ts";
import { type ReadOnlySegment, Segment } from "../sysv/segment.ts";
import { listSegments, type SegmentStat, segmentTable, statSegment } from "../sysv/segment_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import {
  findSemaphoreSet,
  listSemaphoreSets,
  type SemaphoreSetStat,
  tryStatSet,
} from "../sysv/semaphore_stat.ts";
import { OBJECT_HEADER } from "./header_layout.ts";
import { isReady, otherFormat, type Protocol, readHeader } from "./object_header.ts";

/** An object's segment and set. */
export interface HeadedStat {
  /** The kernel's information about the segment. */
  readonly segment: SegmentStat;
  /** The id of its semaphore set. */
  readonly setId: number;
  /** The hash of the struct of its messages or values; 0 if its creator stated none. */
  readonly typeHash: number;
}

/** Reads the facts about an object whose header is sound. */
export type StatReader<Shape, Stats> = (
  segment: ReadOnlySegment,
  set: SemaphoreSet,
  shape: Shape,
) => Stats;

/**
 * Reads the facts about the object in the segment with this id.
 *
 * @throws {ShmError} `EFORMAT` it is not of this protocol, `EINVAL` the segment does not exist, `EACCES`,
 * `EUNTRUSTED`
 * @throws {RangeError} an id out of range
 */
export function statHeaded<Shape extends object, Stats>(
  protocol: Protocol<Shape>,
  id: number,
  trust: boolean,
  read: StatReader<Shape, Stats>,
): Stats & HeadedStat {
  segmentTable.checkId(id);
  const stat = statSegment(id);
  const setId = findSemaphoreSet(stat.key);
  const setStat = setId === undefined ? undefined : tryStatSet(setId);
  if (typeof setStat !== "object" || !fits(protocol, stat, setStat)) {
    const { name } = protocol;
    throw otherFormat(
      protocol,
      { key: stat.key, id },
      `it is not a ${name}: its size, or that of its semaphore set, is not a ${name}'s`,
    );
  }
  return look(protocol, stat, setStat, trust, read);
}

/** Reads the facts about all objects of a protocol that this user may read and trusts. */
export function listHeaded<Shape extends object, Stats>(
  protocol: Protocol<Shape>,
  trust: boolean,
  read: StatReader<Shape, Stats>,
): (Stats & HeadedStat)[] {
  const sets = new Map(listSemaphoreSets().map((set) => [set.key, set]));
  return listSegments().flatMap((stat) => {
    const set = stat.key === 0 ? undefined : sets.get(stat.key);
    if (set === undefined || !fits(protocol, stat, set)) return [];
    try {
      return [look(protocol, stat, set, trust, read)];
    } catch (error) {
      // It belongs to another user, is another object, or was removed since the listing
      const skipped = ["EFORMAT", "EUNTRUSTED", "EACCES"];
      if (error instanceof ShmError && (skipped.includes(error.code) || isGone(-error.errno))) {
        return [];
      }
      throw error;
    }
  });
}

/** Whether these can be the segment and the set of an object, by the kernel's information. */
function fits<Shape extends object>(
  protocol: Protocol<Shape>,
  { size }: SegmentStat,
  { count }: SemaphoreSetStat,
): boolean {
  return protocol.unfit({ size, semaphores: count }) === undefined;
}

/** Reads the object in a segment and set that fit. */
function look<Shape extends object, Stats>(
  protocol: Protocol<Shape>,
  stat: SegmentStat,
  setStat: SemaphoreSetStat,
  trust: boolean,
  read: StatReader<Shape, Stats>,
): Stats & HeadedStat {
  const { id, key, size } = stat;
  using segment = Segment.attach(id, { readOnly: true, trust });
  const set = SemaphoreSet.attach(setStat.id, { trust });
  const header = segment.read(0, OBJECT_HEADER.size).buffer;
  const place = { key, id, size, semaphores: setStat.count };
  if (!isReady(header)) {
    throw otherFormat(protocol, place, `it is not a ${protocol.name}, or not initialised yet`);
  }
  const { shape, type } = readHeader(protocol, header, place);
  return { ...read(segment, set, shape), segment: stat, setId: set.id, typeHash: type.hash };
}
