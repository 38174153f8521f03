/**
 * The topic as one of the objects with a header: what `src/sync/headed_object.ts` must know of it. Internal:
 * used by the topic.
 */

import type { Protocol } from "../sync/object_header.ts";
import { MAGIC, STRUCTS, VERSION } from "./descriptor.ts";
import { capacityFor, LANE_CAPACITY, LANES, lanesFor } from "./lanes.ts";
import { maxMessage, segmentSize, semaphoreCount, type Shape } from "./shape.ts";

/** The topic. */
export const TOPIC: Protocol<Shape> = {
  name: "Topic",
  creator: "Topic.openOrCreate",
  cHeader: "c/shm_topic.h",
  magic: MAGIC,
  version: VERSION,
  structs: STRUCTS,

  newShape(
    { lanes = LANES.DEFAULT, laneCapacity = LANE_CAPACITY.DEFAULT, messageSize = 0 },
    semaphores,
  ): Shape {
    const there = semaphores === undefined ? undefined : lanesFor(semaphores);
    return { lanes: there ?? lanes, laneCapacity, messageSize };
  },

  segmentSize,
  semaphoreCount: ({ lanes }) => semaphoreCount(lanes),

  unfit({ size, semaphores }): string | undefined {
    if (semaphores === undefined) {
      for (let lanes: number = LANES.MIN; lanes <= LANES.MAX; lanes++) {
        if (size === undefined || capacityFor(lanes, size) !== undefined) return undefined;
      }
      return `it is not a Topic: no number of lanes gives a segment of ${size} bytes`;
    }
    const lanes = lanesFor(semaphores);
    if (lanes === undefined) return `no Topic has a set of ${semaphores} semaphores`;
    if (size === undefined || capacityFor(lanes, size) !== undefined) return undefined;
    return `it is not a Topic: ${lanes} lanes, which its set is for, give no segment of ${size} bytes`;
  },

  toWords: ({ lanes, laneCapacity, messageSize }) => [lanes, laneCapacity, messageSize],

  fromWords(
    [lanes = 0, laneCapacity = 0, messageSize = 0],
    { size, semaphores },
    contradicts,
  ): Shape {
    if (lanesFor(semaphores) !== lanes) {
      throw contradicts("lanes", lanes, `a set of ${semaphores} semaphores`);
    }
    if (capacityFor(lanes, size) !== laneCapacity) {
      throw contradicts("lane_capacity", laneCapacity, `a segment of ${size} bytes`);
    }
    const most = maxMessage(laneCapacity);
    if (messageSize > most) throw contradicts("message_size", messageSize, `at most ${most}`);
    return { lanes, laneCapacity, messageSize };
  },

  advice: (property) =>
    property === "messageSize"
      ? "leave it out, or with Topic.of use a struct of that size, or choose another key"
      : undefined,
};
