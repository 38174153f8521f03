/**
 * The shape of a topic: its sizes and offsets for a number of lanes and a capacity. Internal: used by the
 * topic.
 */

import { RECORD } from "./descriptor.ts";
import {
  isCapacity,
  isLanes,
  LANE_CAPACITY,
  laneOffset,
  LANES,
  SEMAPHORES_BESIDE_LANES,
  sizeFor,
} from "./lanes.ts";

/** The properties that do not change while a topic exists. */
export interface Shape {
  readonly lanes: number;
  /** Bytes of one ring. */
  readonly laneCapacity: number;
  /** Bytes of every message, or 0 if lengths differ. */
  readonly messageSize: number;
}

/** The offset of a lane's ring in the segment. */
export function ringOffset({ lanes, laneCapacity }: Shape, lane: number): number {
  return laneOffset(lanes) + lane * laneCapacity;
}

/** The size of the segment. */
export function segmentSize({ lanes, laneCapacity }: Shape): number {
  return sizeFor(lanes, laneCapacity);
}

/** The number of semaphores in the set. */
export function semaphoreCount(lanes: number): number {
  return lanes + SEMAPHORES_BESIDE_LANES;
}

/**
 * The longest message. Its record takes a quarter of the ring: a subscriber that reads one has the time in
 * which half of the ring is written, padding included. See `docs/wire_format.md`.
 */
export function maxMessage(laneCapacity: number): number {
  return laneCapacity / 4 - RECORD.size;
}

/**
 * Checks the shape that a caller requests.
 *
 * @throws {RangeError} a number of lanes, capacity or message size out of range
 */
export function checkShape(shape: Shape): Shape {
  const { lanes, laneCapacity, messageSize } = shape;
  if (!isLanes(lanes)) {
    throw new RangeError(`lanes ${lanes} is not an integer from ${LANES.MIN} to ${LANES.MAX}`);
  }
  if (!isCapacity(laneCapacity)) {
    throw new RangeError(
      `laneCapacity ${laneCapacity} is not a power of two from ${LANE_CAPACITY.MIN} to ` +
        `${LANE_CAPACITY.MAX} bytes`,
    );
  }
  const most = maxMessage(laneCapacity);
  if (!Number.isInteger(messageSize) || messageSize < 0 || messageSize > most) {
    throw new RangeError(
      `messageSize ${messageSize} is not an integer from 0 to ${most}, the most that lanes of ` +
        `${laneCapacity} bytes take: raise laneCapacity`,
    );
  }
  return shape;
}
