/**
 * The topic's lanes in numbers: how many are allowed, their size, their offsets and their semaphores.
 * These need no layout, so that a list of objects can recognise a topic by its size.
 */

import { type LaneGeometry, laneGeometry, LINE } from "../sync/lane_geometry.ts";

export { LANES, LINE } from "../sync/lane_geometry.ts";

/**
 * Unused bytes at the end of the segment. With them no segment of a topic has the size of one of a channel
 * or of a `Latest` with as many semaphores, so that the kernel's facts tell them apart.
 */
export const UNUSED_AT_END = 32;

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

/** The places and sizes of a topic. A test compares the bytes of a lane with the layout. */
export const GEOMETRY: LaneGeometry = laneGeometry({
  laneBytes: LINE,
  capacity: LANE_CAPACITY,
  semaphoresBesideLanes: SEMAPHORES_BESIDE_LANES,
  unusedAtEnd: UNUSED_AT_END,
});

/** Whether a topic has a segment of `size` bytes and a set of this many semaphores. */
export const isTopicSize: LaneGeometry["isSize"] = GEOMETRY.isSize;
