/**
 * The shape of a channel: its sizes and offsets for a number of lanes and a capacity. Internal: used by the
 * channel.
 */

import type { LaneKind, LaneShape as Shape } from "../sync/lane_shape.ts";
import { RECORD } from "./descriptor.ts";
import { GEOMETRY, LANE_CAPACITY } from "./lanes.ts";

export type { LaneShape as Shape } from "../sync/lane_shape.ts";

/**
 * The longest message: it fits into an empty ring at every position, with the padding it may need. See
 * `docs/wire_format.md`.
 */
export function maxMessage(laneCapacity: number): number {
  return laneCapacity / 2 - RECORD.size;
}

/** The kind of this object among those with lanes. */
export const KIND: LaneKind = {
  name: "channel",
  className: "Channel",
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
