/**
 * The topic as one of the objects with a header: what `src/sync/headed_object.ts` must know of it. Internal:
 * used by the topic.
 */

import { laneProtocol } from "../sync/lane_shape.ts";
import type { Protocol } from "../sync/object_header.ts";
import { MAGIC, STRUCTS, VERSION } from "./descriptor.ts";
import { KIND, type Shape } from "./shape.ts";

/** The topic. */
export const TOPIC: Protocol<Shape> = {
  ...laneProtocol(KIND),
  cHeader: "c/shm_topic.h",
  readable: true,
  magic: MAGIC,
  version: VERSION,
  structs: STRUCTS,
};
