/**
 * Where the lanes of an object lie in its segment and in its set: numbers and sizes, for channel and topic.
 * No layout is needed, so that a list of objects can recognise one by its size. Internal: used by these two.
 */

/** Data that two processes write is at least this many bytes apart: two cache lines of 64. */
export const LINE = 128;

/** The number of lanes that an object may have. */
export const LANES = { MIN: 1, MAX: 256, DEFAULT: 8 } as const;

/** Bytes before the words of the first lane: the header and the line of those that receive. */
const BEFORE_LANES = 2 * LINE;

/** What differs between the kinds of objects. */
interface Measures {
  /** Bytes of a lane's words. */
  readonly laneBytes: number;
  /** Bytes that a ring may have; powers of two. */
  readonly capacity: { readonly MIN: number; readonly MAX: number };
  /** Semaphores in addition to one for each lane. */
  readonly semaphoresBesideLanes: number;
  /** Unused bytes at the end of the segment. */
  readonly unusedAtEnd?: number;
}

/** The places and sizes of one kind of objects. */
export interface LaneGeometry {
  /** The offset of a lane's words in the segment. */
  laneOffset(lane: number): number;
  /** The size of the segment with `lanes` rings of `capacity` bytes. */
  sizeFor(lanes: number, capacity: number): number;
  /** The number of semaphores in the set. */
  semaphoreCount(lanes: number): number;
  /** The number of lanes for a set of `count` semaphores; `undefined` if it is not of this kind. */
  lanesFor(count: number): number | undefined;
  /** The capacity of `lanes` rings in a segment of `size` bytes; `undefined` if it is not of this kind. */
  capacityFor(lanes: number, size: number): number | undefined;
  /** Whether an object of this kind has a segment of `size` bytes and a set of this many semaphores. */
  isSize(size: number, semaphores: number): boolean;
  /** Whether a ring may have this number of bytes. */
  isCapacity(capacity: number): boolean;
}

/** Whether an object may have this number of lanes. */
export function isLanes(lanes: number): boolean {
  return Number.isInteger(lanes) && lanes >= LANES.MIN && lanes <= LANES.MAX;
}

/** The geometry of one kind of objects. */
export function laneGeometry(
  { laneBytes, capacity: { MIN, MAX }, semaphoresBesideLanes, unusedAtEnd = 0 }: Measures,
): LaneGeometry {
  const laneOffset = (lane: number): number => BEFORE_LANES + lane * laneBytes;
  const isCapacity = (capacity: number): boolean =>
    Number.isInteger(capacity) && capacity >= MIN && capacity <= MAX &&
    (capacity & (capacity - 1)) === 0;
  const lanesFor = (count: number): number | undefined => {
    const lanes = count - semaphoresBesideLanes;
    return isLanes(lanes) ? lanes : undefined;
  };
  const capacityFor = (lanes: number, size: number): number | undefined => {
    const capacity = (size - laneOffset(lanes) - unusedAtEnd) / lanes;
    return isCapacity(capacity) ? capacity : undefined;
  };
  return {
    laneOffset,
    isCapacity,
    lanesFor,
    capacityFor,
    sizeFor: (lanes, capacity) => laneOffset(lanes) + lanes * capacity + unusedAtEnd,
    semaphoreCount: (lanes) => lanes + semaphoresBesideLanes,
    isSize: (size, semaphores) => {
      const lanes = lanesFor(semaphores);
      return lanes !== undefined && capacityFor(lanes, size) !== undefined;
    },
  };
}
