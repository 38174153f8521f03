/**
 * How a subscriber waits for messages: it looks for a while, then it announces that it sleeps and looks again
 * before it does. Internal: used by `subscriber.ts`.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { AdaptiveSpin } from "../sync/adaptive_spin.ts";
import { Deadline } from "../sync/deadline.ts";
import type { EventCount } from "../sync/event_count.ts";
import { MAX_SLICE_MS, timedOut, type WaitLimits, WaitSchedule } from "../sync/wait_schedule.ts";
import type { Waiting } from "../sysv/wait.ts";
import type { LaneRotation } from "./lane_rotation.ts";
import type { TopicMembership } from "./topic_membership.ts";

/** A subscriber that cannot ask to be woken looks by itself after at most this many milliseconds. */
const READ_ONLY_SLICE_MS = 10;

/** What the waits of one subscriber need. */
interface Parts {
  readonly topic: TopicMembership;
  readonly lanes: LaneRotation;
  /** The word that publishers wake subscribers by. */
  readonly waiting: EventCount;
  /** Microseconds to look before sleeping. */
  readonly spin: number;
  /** Throws if the subscriber was closed or has lost its memory. */
  readonly checkOpen: () => void;
}

/** The waits of one subscriber. */
export class MessageWait {
  readonly #parts: Parts;
  readonly #spin: AdaptiveSpin;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#spin = new AdaptiveSpin(parts.spin);
  }

  /** Whether a message is there, or comes while spinning. */
  soon(): boolean {
    return this.#spin.look(this.#sees);
  }

  readonly #sees = (): boolean => this.#parts.lanes.look();

  /** Waits until `find` finds something, and returns it. */
  *until<Found>(
    find: () => Found | undefined,
    { deadline = Deadline.never }: WaitLimits,
  ): Waiting<Found> {
    const { topic, waiting, checkOpen } = this.#parts;
    const schedule = new WaitSchedule(deadline, () => this.expired());
    let checkedAt = 0;
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        checkOpen();
        let found = slept ? find() : undefined;
        if (found !== undefined) return found;
        const count = waiting.announce();
        // SYNC waiting: a message that is published before this check is found now, a later one wakes us
        found = find();
        if (found !== undefined) return found;
        const { waited } = schedule;
        // System calls; most waits end before them. A call with no time to wait must notice a removal too
        if (waited - checkedAt >= MAX_SLICE_MS || deadline.passed) {
          topic.checkPresent();
          checkedAt = waited;
        }
        const slice = topic.readOnly
          ? Math.min(schedule.next(), READ_ONLY_SLICE_MS)
          : schedule.next({ woken: true, checked: true });
        yield waiting.sleep(count, slice, this.#sees);
      }
    } finally {
      this.#spin.woke();
    }
  }

  /** The error for a wait that took too long. */
  expired(): ShmError {
    const { key, id } = this.#parts.topic.segment;
    return timedOut("receive", "futex", { key, id, remedy: "no message was published in time" });
  }
}
