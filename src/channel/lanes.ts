/**
 * The channel's lanes by their numbers: how many there may be, how large, where, and with which
 * semaphores. No layout is needed for that, so that a list of objects can tell a channel by its size.
 */

/** What two processes write is at least this many bytes apart: two cache lines of 64. */
export const LINE = 128;

/** Bytes before the first lane's words: the lines of the header and of the consumer. */
const BEFORE_LANES = 2 * LINE;

/** Bytes of a lane's words: the lines of its producer and of the consumer. A test compares both. */
const LANE_BYTES = 2 * LINE;

/** The lanes a channel may have. */
export const LANES = { MIN: 1, MAX: 256, DEFAULT: 8 } as const;

/** The bytes a ring may have; powers of two. */
export const LANE_CAPACITY = { MIN: 64, MAX: 1 << 30, DEFAULT: 1 << 20 } as const;

/** The semaphores of the set under the channel's key that do not depend on the lanes. All start at 0. */
export const SEMAPHORE = {
  /** Role of the one consumer. */
  CONSUMER: 0,
  /** Role on lane i: this + i. */
  LANE: 1,
} as const;

/** The semaphores behind those of the lanes: the number of lanes + this. */
export const SEMAPHORE_AFTER_LANES = {
  /** The entry lock: held briefly while joining and leaving. */
  LOCK: 1,
  /** How many peers are attached. */
  USERS: 2,
  /** 1 if the last one out removes the segment and the set. Set under LOCK, without undo. */
  DISPOSABLE: 3,
} as const;

/** How many semaphores a channel has beyond one a lane. */
export const SEMAPHORES_BESIDE_LANES = 4;

/** Where a lane's own words begin, in bytes from the segment's beginning. */
export function laneOffset(lane: number): number {
  return BEFORE_LANES + lane * LANE_BYTES;
}

/** How many lanes a set of `count` semaphores is for; `undefined` if it is no channel's. */
export function lanesFor(count: number): number | undefined {
  const lanes = count - SEMAPHORES_BESIDE_LANES;
  return isLanes(lanes) ? lanes : undefined;
}

/** The capacity of `lanes` rings in a segment of `size` bytes; `undefined` if it is no channel's. */
export function capacityFor(lanes: number, size: number): number | undefined {
  const capacity = (size - laneOffset(lanes)) / lanes;
  return isCapacity(capacity) ? capacity : undefined;
}

/** Whether a channel may have so many lanes. */
export function isLanes(lanes: number): boolean {
  return Number.isInteger(lanes) && lanes >= LANES.MIN && lanes <= LANES.MAX;
}

/** Whether a ring may have so many bytes. */
export function isCapacity(capacity: number): boolean {
  return Number.isInteger(capacity) && capacity >= LANE_CAPACITY.MIN &&
    capacity <= LANE_CAPACITY.MAX && (capacity & (capacity - 1)) === 0;
}
