/**
 * How a consumer waits for messages: it looks for a while, then it announces that it sleeps and looks again
 * before it does. Internal: used by `consumer.ts`.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { AdaptiveSpin } from "../sync/adaptive_spin.ts";
import { Deadline } from "../sync/deadline.ts";
import type { SmallPayload } from "../sync/payload_views.ts";
import { type Limited, timedOut, WaitSchedule } from "../sync/wait_schedule.ts";
import type { WaiterFlag } from "../sync/waiter_flag.ts";
import type { Waiting } from "../sysv/wait.ts";
import type { ChannelMembership } from "./channel_membership.ts";
import type { ChannelReceiveSyncOptions } from "./channel_options.ts";
import type { EndOfStream } from "./end_of_stream.ts";
import type { LaneRotation } from "./lane_rotation.ts";

/** What the waits of one consumer need. */
interface Parts {
  readonly channel: ChannelMembership;
  readonly lanes: LaneRotation;
  readonly end: EndOfStream;
  /** The word that producers wake the consumer by. */
  readonly self: WaiterFlag;
  readonly small: SmallPayload;
  /** Microseconds to look before sleeping. */
  readonly spin: number;
  /** Whether the consumer was not closed. */
  readonly isOpen: () => boolean;
  /** Throws if the consumer was closed or has lost its memory. */
  readonly checkOpen: () => void;
}

/** The waits of one consumer. */
export class MessageWait {
  readonly #parts: Parts;
  readonly #spin: AdaptiveSpin;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#spin = new AdaptiveSpin(parts.spin);
  }

  /** Whether a message is there, or comes while spinning. */
  soon(): boolean {
    return this.#spin.look(() => this.#parts.lanes.look());
  }

  /** Waits until `find` finds something, and returns it; `undefined` at the end of the stream. */
  *until<Found>(
    find: () => Found | undefined,
    { deadline = Deadline.never, until }: Limited<ChannelReceiveSyncOptions>,
  ): Waiting<Found | undefined> {
    const { channel, lanes, end, self, small, isOpen, checkOpen } = this.#parts;
    const schedule = new WaitSchedule(deadline, () => this.expired());
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        checkOpen();
        let found = slept ? find() : undefined;
        if (found !== undefined) return found;
        self.announce();
        found = find();
        if (found !== undefined) return found;
        for (const reader of lanes.readers) reader.checkHead();
        // A system call; most waits end before it. A call with no time to wait must notice a removal too
        if (slept || deadline.passed || until !== undefined) channel.checkPresent();
        if (until === "closed" && end.reached) return undefined;
        small.prepare();
        // The end of a stream comes without a wake where a producer is killed
        const checked = until === undefined;
        yield self.sleep(schedule.next({ woken: true, checked }), this.#sees);
      }
    } finally {
      // After close the word may belong to the next consumer
      if (isOpen()) self.retract();
      this.#spin.woke();
    }
  }

  /** Whether a message is there, or the next look throws. */
  readonly #sees = (): boolean => {
    try {
      return this.#parts.lanes.look();
    } catch {
      return true;
    }
  };

  /** The error for a wait that took too long. */
  expired(): ShmError {
    const { key, id } = this.#parts.channel.segment;
    return timedOut("receive", "futex", { key, id, remedy: "no message came in time" });
  }
}
