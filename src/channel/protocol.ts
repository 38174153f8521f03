/**
 * The channel as one of the objects with a header: what `src/sync/headed_object.ts` must know of it.
 * Internal: used by the channel.
 */

import { laneProtocol } from "../sync/lane_shape.ts";
import type { Protocol } from "../sync/object_header.ts";
import { MAGIC, STRUCTS, VERSION } from "./descriptor.ts";
import { isEmpty } from "./lane_words.ts";
import { KIND, type Shape } from "./shape.ts";

/** The channel. */
export const CHANNEL: Protocol<Shape> = {
  ...laneProtocol(KIND),
  cHeader: "c/shm_channel.h",
  magic: MAGIC,
  version: VERSION,
  structs: STRUCTS,

  stays(memory, shape, nattch): "unread" | "in use" | undefined {
    if (!isEmpty(memory, shape)) return "unread";
    return nattch > 1 ? "in use" : undefined;
  },
};
