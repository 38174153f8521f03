/**
 * The membership of one process in a topic, or its read-only look at one, with the errors that publishers
 * and subscribers have in common. Internal: used by `topic.ts`.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { HeadedObject, type HeadedOptions } from "../sync/headed_object.ts";
import { TOPIC } from "./protocol.ts";
import type { Shape } from "./shape.ts";

/** A topic that this process has open. */
export class TopicMembership extends HeadedObject<Shape> {
  /**
   * Joins, or opens read-only. Blocks only while another peer joins or leaves, or initialises the topic.
   *
   * @throws {ShmError} see {@linkcode Topic.openOrCreate}
   */
  constructor(options: HeadedOptions<Shape>) {
    super(TOPIC, options);
  }

  /** The error for an impossible value in memory that a subscriber finds. */
  corrupt(lane: number, what: string): ShmError {
    const goesOn =
      "a subscriber goes on with what is published next, in this lane and in the others";
    return this.#corrupt(lane, what, goesOn);
  }

  /** The error for a lane that no publisher can go on in. */
  unusable(lane: number, what: string): ShmError {
    return this.#corrupt(lane, what, "remove the Topic and start its programs again");
  }

  #corrupt(lane: number, what: string, remedy: string): ShmError {
    return new ShmError("go on using the Topic", undefined, "ECORRUPT", {
      key: this.segment.key,
      id: this.segment.id,
      lane,
      facts: `lane ${lane}: ${what}; another program writes into this memory`,
      remedy,
    });
  }
}
