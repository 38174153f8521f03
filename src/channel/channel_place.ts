/**
 * The channel as its producers and its consumer need it, and the errors that both can throw. Internal:
 * used by the channel.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { isGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { tryReadSet } from "../sysv/semaphore_stat.ts";
import type { Shape } from "./shape.ts";

/** The channel of one process. */
export class ChannelPlace {
  readonly segment: Segment;
  readonly set: SemaphoreSet;
  readonly shape: Shape;

  constructor(segment: Segment, set: SemaphoreSet, shape: Shape) {
    this.segment = segment;
    this.set = set;
    this.shape = shape;
  }

  /**
   * Checks that the channel was not removed. A system call: only for waits.
   *
   * @throws {ShmError} `EIDRM` it was removed while in use
   */
  checkPresent(): void {
    const { segment, set } = this;
    if (!segment.attached) throw this.closed("the channel", false);
    if (segment.stat().markedForRemoval) throw this.#removed("shmctl", "its segment");
    const stat = tryReadSet(set.id);
    if (typeof stat === "number" && isGone(stat)) {
      throw this.#removed("semctl", "its semaphore set");
    }
  }

  #removed(call: "shmctl" | "semctl", what: string): ShmError {
    return new ShmError("go on using the channel", call, ERRNO.EIDRM, {
      key: this.segment.key,
      id: this.segment.id,
      facts: `somebody removed ${what} while it was in use (ipcrm?)`,
      remedy: "start its programs again",
    });
  }

  /** The error for using an object that was closed, or that is `open` and lost its memory. */
  closed(what: string, open: boolean): ShmError {
    const { segment } = this;
    return new ShmError(`use ${what}`, undefined, "EDETACHED", {
      key: segment.key,
      id: segment.id,
      remedy: open
        ? "its memory was transferred away with the bytes of a message (structuredClone, " +
          "postMessage): transfer a copy, and close and open the channel again"
        : "it was closed: open it again",
    });
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

  /** The error for a call that cannot run because another of this process is under way. */
  busy(action: string, remedy: string): ShmError {
    return new ShmError(action, undefined, ERRNO.EBUSY, {
      key: this.segment.key,
      id: this.segment.id,
      remedy,
    });
  }
}
