/**
 * The topic's lanes in numbers: how many are allowed, their size, their offsets and their semaphores.
 * These need no layout, so that a list of objects can recognise a topic by its size.
 */

/** Data that two processes write is at least this many bytes apart: two cache lines of 64. */
export const LINE = 128;

/** Bytes before the words of the first lane: the header and the line of the waiting subscribers. */
const BEFORE_LANES = 2 * LINE;

/** Bytes of a lane's words. A test compares it with the layout. */
const LANE_BYTES = LINE;

/**
 * Unused bytes at the end of the segment. With them no segment of a topic has the size of one of a channel
 * or of a `Latest` with as many semaphores, so that the kernel's facts tell them apart.
 */
export const UNUSED_AT_END = 32;

/** The number of lanes that a topic may have. */
export const LANES = { MIN: 1, MAX: 256, DEFAULT: 8 } as const;

/** Bytes that a ring may have; powers of two. */
export const LANE_CAPACITY = { MIN: 256, MAX: 1 << 30, DEFAULT: 1 << 20 } as const;

/** The semaphores of the topic's set whose place does not depend on the lanes. All start at 0. */
export const SEMAPHORE = {
  /** Role of the owner of lane i: this + i. */
  LANE: 0,
} as const;

/** The semaphores after those of the lanes: the number of lanes + this. */
export const SEMAPHORE_AFTER_LANES = {
  /** The entry lock: held briefly while joining and leaving. */
  LOCK: 0,
  /** How many peers have joined. */
  USERS: 1,
  /** 1 if the last peer to leave removes the segment and the set. Set under LOCK, without undo. */
  DISPOSABLE: 2,
} as const;

/** How many semaphores a topic has in addition to one for each lane. */
export const SEMAPHORES_BESIDE_LANES = 3;

/** The offset of a lane's words in the segment. */
export function laneOffset(lane: number): number {
  return BEFORE_LANES + lane * LANE_BYTES;
}

/** The size of the segment of a topic with `lanes` rings of `capacity` bytes. */
export function sizeFor(lanes: number, capacity: number): number {
  return laneOffset(lanes) + lanes * capacity + UNUSED_AT_END;
}

/** The number of lanes for a set of `count` semaphores; `undefined` if it is not a topic's. */
export function lanesFor(count: number): number | undefined {
  const lanes = count - SEMAPHORES_BESIDE_LANES;
  return isLanes(lanes) ? lanes : undefined;
}

/** The capacity of `lanes` rings in a segment of `size` bytes; `undefined` if it is not a topic's. */
export function capacityFor(lanes: number, size: number): number | undefined {
  const capacity = (size - laneOffset(lanes) - UNUSED_AT_END) / lanes;
  return isCapacity(capacity) ? capacity : undefined;
}

/** Whether a segment of `size` bytes and a set of `semaphores` can be a topic. */
export function isTopicSize(size: number, semaphores: number): boolean {
  const lanes = lanesFor(semaphores);
  return lanes !== undefined && capacityFor(lanes, size) !== undefined;
}

/** Whether a topic may have this number of lanes. */
export function isLanes(lanes: number): boolean {
  return Number.isInteger(lanes) && lanes >= LANES.MIN && lanes <= LANES.MAX;
}

/** Whether a ring may have this number of bytes. */
export function isCapacity(capacity: number): boolean {
  return Number.isInteger(capacity) && capacity >= LANE_CAPACITY.MIN &&
    capacity <= LANE_CAPACITY.MAX && (capacity & (capacity - 1)) === 0;
}
