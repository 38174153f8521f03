/**
 * The channel's lanes in numbers: how many are allowed, their size, their offsets and their semaphores.
 * These need no layout, so that a list of objects can recognise a channel by its size.
 */

/** Data that two processes write is at least this many bytes apart: two cache lines of 64. */
export const LINE = 128;

/** Bytes before the words of the first lane: the lines of the header and of the consumer. */
const BEFORE_LANES = 2 * LINE;

/** Bytes of a lane's words: its producer line and its consumer line. A test compares it with the layout. */
const LANE_BYTES = 2 * LINE;

/** The number of lanes that a channel may have. */
export const LANES = { MIN: 1, MAX: 256, DEFAULT: 8 } as const;

/** Bytes that a ring may have; powers of two. */
export const LANE_CAPACITY = { MIN: 64, MAX: 1 << 30, DEFAULT: 1 << 20 } as const;

/** The semaphores of the channel's set whose place does not depend on the lanes. All start at 0. */
export const SEMAPHORE = {
  /** Role of the one consumer. */
  CONSUMER: 0,
  /** Role of the owner of lane i: this + i. */
  LANE: 1,
} as const;

/** The semaphores after those of the lanes: the number of lanes + this. */
export const SEMAPHORE_AFTER_LANES = {
  /** The entry lock: held briefly while joining and leaving. */
  LOCK: 1,
  /** How many peers have joined. */
  USERS: 2,
  /** 1 if the last peer to leave removes the segment and the set. Set under LOCK, without undo. */
  DISPOSABLE: 3,
} as const;

/** How many semaphores a channel has in addition to one for each lane. */
export const SEMAPHORES_BESIDE_LANES = 4;

/** The offset of a lane's words in the segment. */
export function laneOffset(lane: number): number {
  return BEFORE_LANES + lane * LANE_BYTES;
}

/** The number of lanes for a set of `count` semaphores; `undefined` if it is not a channel's. */
export function lanesFor(count: number): number | undefined {
  const lanes = count - SEMAPHORES_BESIDE_LANES;
  return isLanes(lanes) ? lanes : undefined;
}

/** The capacity of `lanes` rings in a segment of `size` bytes; `undefined` if it is not a channel's. */
export function capacityFor(lanes: number, size: number): number | undefined {
  const capacity = (size - laneOffset(lanes)) / lanes;
  return isCapacity(capacity) ? capacity : undefined;
}

/** Whether a channel has a segment of `size` bytes and a set of this many semaphores. */
export function isChannelSize(size: number, semaphores: number): boolean {
  const lanes = lanesFor(semaphores);
  return lanes !== undefined && capacityFor(lanes, size) !== undefined;
}

/** Whether a channel may have this number of lanes. */
export function isLanes(lanes: number): boolean {
  return Number.isInteger(lanes) && lanes >= LANES.MIN && lanes <= LANES.MAX;
}

/** Whether a ring may have this number of bytes. */
export function isCapacity(capacity: number): boolean {
  return Number.isInteger(capacity) && capacity >= LANE_CAPACITY.MIN &&
    capacity <= LANE_CAPACITY.MAX && (capacity & (capacity - 1)) === 0;
}
