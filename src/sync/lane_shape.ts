/**
 * The shape of an object with lanes: how a caller requests it, how the header states it, and how both are
 * checked. Internal: used by channel and topic.
 */

import type { HeadedOptions } from "./headed_object.ts";
import { isLanes, type LaneGeometry, LANES } from "./lane_geometry.ts";
import type { Protocol } from "./object_header.ts";

/** The properties that do not change while an object exists. */
export interface LaneShape {
  readonly lanes: number;
  /** Bytes of one ring. */
  readonly laneCapacity: number;
  /** Bytes of every message, or 0 if lengths differ. */
  readonly messageSize: number;
}

/** A kind of objects with lanes. */
export interface LaneKind {
  /** Its name in errors, after "a" and "the". */
  readonly name: string;
  /** The name of its class. */
  readonly className: string;
  readonly capacity: { readonly MIN: number; readonly MAX: number; readonly DEFAULT: number };
  readonly geometry: LaneGeometry;
  /** Bytes of the longest message for a capacity. */
  maxMessage(laneCapacity: number): number;
}

/** What a caller requests. */
interface Requested extends Partial<LaneShape> {
  readonly key: number;
  readonly mode?: number;
  readonly persistent?: boolean;
  readonly trust?: boolean;
  readonly timeout?: number;
}

/**
 * Checks the shape that a caller requests, and says how to join the object or to create it.
 *
 * @throws {RangeError} a number of lanes, capacity or message size out of range
 */
export function joinOrCreate(kind: LaneKind, options: Requested): HeadedOptions<LaneShape> {
  const {
    key,
    lanes,
    laneCapacity,
    messageSize,
    mode = 0o600,
    persistent = false,
    trust = false,
    timeout,
  } = options;
  const wanted: Partial<LaneShape> = {
    ...(lanes === undefined ? {} : { lanes }),
    ...(laneCapacity === undefined ? {} : { laneCapacity }),
    ...(messageSize === undefined ? {} : { messageSize }),
  };
  checkShape(kind, newShape(kind, wanted));
  return { key, wanted, create: { mode, persistent }, trust, timeout };
}

function newShape(
  { capacity }: LaneKind,
  { lanes = LANES.DEFAULT, laneCapacity = capacity.DEFAULT, messageSize = 0 }: Partial<LaneShape>,
): LaneShape {
  return { lanes, laneCapacity, messageSize };
}

function checkShape(
  { capacity, geometry, maxMessage }: LaneKind,
  { lanes, laneCapacity, messageSize }: LaneShape,
): void {
  if (!isLanes(lanes)) {
    throw new RangeError(`lanes ${lanes} is not an integer from ${LANES.MIN} to ${LANES.MAX}`);
  }
  if (!geometry.isCapacity(laneCapacity)) {
    throw new RangeError(
      `laneCapacity ${laneCapacity} is not a power of two from ${capacity.MIN} to ` +
        `${capacity.MAX} bytes`,
    );
  }
  const most = maxMessage(laneCapacity);
  if (!Number.isInteger(messageSize) || messageSize < 0 || messageSize > most) {
    throw new RangeError(
      `messageSize ${messageSize} is not an integer from 0 to ${most}, the most that lanes of ` +
        `${laneCapacity} bytes take: raise laneCapacity`,
    );
  }
}

/** The part of a protocol that follows from its lanes. */
export function laneProtocol(kind: LaneKind): Omit<
  Protocol<LaneShape>,
  "cHeader" | "magic" | "version" | "structs" | "stays"
> {
  const { name, className, geometry: { sizeFor, semaphoreCount, lanesFor, capacityFor } } = kind;
  return {
    name,
    creator: `${className}.openOrCreate`,
    newShape: (wanted, semaphores): LaneShape => {
      const shape = newShape(kind, wanted);
      const there = semaphores === undefined ? undefined : lanesFor(semaphores);
      return there === undefined ? shape : { ...shape, lanes: there };
    },
    segmentSize: ({ lanes, laneCapacity }) => sizeFor(lanes, laneCapacity),
    semaphoreCount: ({ lanes }) => semaphoreCount(lanes),
    unfit: ({ size, semaphores }): string | undefined => {
      if (semaphores === undefined) {
        for (let lanes: number = LANES.MIN; lanes <= LANES.MAX; lanes++) {
          if (size === undefined || capacityFor(lanes, size) !== undefined) return undefined;
        }
        return `it is not a ${name}: no number of lanes gives a segment of ${size} bytes`;
      }
      const lanes = lanesFor(semaphores);
      if (lanes === undefined) return `no ${name} has a set of ${semaphores} semaphores`;
      if (size === undefined || capacityFor(lanes, size) !== undefined) return undefined;
      return `it is not a ${name}: ${lanes} lanes, which its set is for, give no segment of ` +
        `${size} bytes`;
    },
    toWords: ({ lanes, laneCapacity, messageSize }) => [lanes, laneCapacity, messageSize],
    fromWords: (
      [lanes = 0, laneCapacity = 0, messageSize = 0],
      { size, semaphores },
      contradicts,
    ): LaneShape => {
      if (lanesFor(semaphores) !== lanes) {
        throw contradicts("lanes", lanes, `a set of ${semaphores} semaphores`);
      }
      if (capacityFor(lanes, size) !== laneCapacity) {
        throw contradicts("lane_capacity", laneCapacity, `a segment of ${size} bytes`);
      }
      const most = kind.maxMessage(laneCapacity);
      if (messageSize > most) throw contradicts("message_size", messageSize, `at most ${most}`);
      return { lanes, laneCapacity, messageSize };
    },
    advice: (property) =>
      property === "messageSize"
        ? `leave it out, or with ${className}.of use a struct of that size, or choose another key`
        : undefined,
  };
}
