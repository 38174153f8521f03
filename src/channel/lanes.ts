/**
 * The channel's lanes in numbers: how many are allowed, their size, their offsets and their semaphores.
 * These need no layout, so that a list of objects can recognise a channel by its size.
 */

import { type LaneGeometry, laneGeometry, LINE } from "../sync/lane_geometry.ts";

export { LANES, LINE } from "../sync/lane_geometry.ts";

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

/** The places and sizes of a channel. A test compares the bytes of a lane with the layout. */
export const GEOMETRY: LaneGeometry = laneGeometry({
  laneBytes: 2 * LINE,
  capacity: LANE_CAPACITY,
  semaphoresBesideLanes: SEMAPHORES_BESIDE_LANES,
});

/** Whether a channel has a segment of `size` bytes and a set of this many semaphores. */
export const isChannelSize: LaneGeometry["isSize"] = GEOMETRY.isSize;
