/**
 * The shape of a topic: its sizes and offsets for a number of lanes and a capacity. Internal: used by the
 * topic.
 */

import type { LaneKind, LaneShape as Shape } from "../sync/lane_shape.ts";
import { RECORD } from "./descriptor.ts";
import { GEOMETRY, LANE_CAPACITY } from "./lanes.ts";

export type { LaneShape as Shape } from "../sync/lane_shape.ts";

/**
 * The longest message. Its record takes a quarter of the ring: a subscriber that reads one has the time in
 * which half of the ring is written, padding included. See `docs/wire_format.md`.
 */
export function maxMessage(laneCapacity: number): number {
  return laneCapacity / 4 - RECORD.size;
}

/** The kind of this object among those with lanes. */
export const KIND: LaneKind = {
  name: "Topic",
  className: "Topic",
  capacity: LANE_CAPACITY,
  geometry: GEOMETRY,
  maxMessage,
};

/** The offset of a lane's ring in the segment. */
export function ringOffset({ lanes, laneCapacity }: Shape, lane: number): number {
  return GEOMETRY.laneOffset(lanes) + lane * laneCapacity;
}

/** The size of the segment. */
export function segmentSize({ lanes, laneCapacity }: Shape): number {
  return GEOMETRY.sizeFor(lanes, laneCapacity);
}
