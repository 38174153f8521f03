/**
 * The membership of one process in a channel, with the errors that its producers and its consumer have in
 * common. Internal: used by `channel.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { HeadedObject, type HeadedOptions } from "../sync/headed_object.ts";
import { CHANNEL } from "./protocol.ts";
import type { Shape } from "./shape.ts";

/** A channel that this process has joined. */
export class ChannelMembership extends HeadedObject<Shape> {
  /**
   * Joins. Blocks only while another peer joins or leaves, or initialises the channel.
   *
   * @throws {ShmError} see {@linkcode Channel.openOrCreate}
   */
  constructor(options: HeadedOptions<Shape>) {
    super(CHANNEL, options);
  }

  /** The error for an impossible value in memory. */
  corrupt(lane: number, what: string): ShmError {
    return new ShmError("go on using the channel", undefined, "ECORRUPT", {
      key: this.segment.key,
      id: this.segment.id,
      lane,
      facts: `lane ${lane}: ${what}; another program writes into this memory`,
      remedy: "Consumer.discard drops what is in the lane",
    });
  }

  /** The error for the end of a stream of which some producers did not close. */
  incomplete(dead: number): ShmError {
    return new ShmError("read the stream to its end", undefined, ERRNO.EOWNERDEAD, {
      key: this.segment.key,
      id: this.segment.id,
      facts: `${dead === 1 ? "a producer" : `${dead} producers`} died or gave up before closing, ` +
        "and the stream may be incomplete; all that was sent was received",
      remedy:
        "close a producer before its process ends (`using`), and its writable before the producer",
    });
  }
}
