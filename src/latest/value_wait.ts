/**
 * How a reader waits for a newer value: it looks for a while, then it announces that it sleeps and looks
 * again before it does. Internal: used by `latest_reader.ts`.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { AdaptiveSpin } from "../sync/adaptive_spin.ts";
import { Deadline } from "../sync/deadline.ts";
import { EventCount } from "../sync/event_count.ts";
import { timedOut, type WaitLimits, WaitSchedule } from "../sync/wait_schedule.ts";
import type { Waiting } from "../sysv/wait.ts";
import { WAITING_OFFSET } from "./cell_memory.ts";
import type { LatestObject } from "./latest_object.ts";

/** A reader that cannot ask the writer to wake it looks at least this often, in milliseconds. */
const UNWOKEN_SLICE_MS = 10;

/** The waits of one reader. */
export class ValueWait {
  readonly #object: LatestObject;
  readonly #spin: AdaptiveSpin;
  readonly #isNewer: () => boolean;
  readonly #checkOpen: () => void;
  /** Made for the first sleep: many readers never wait. */
  #events: EventCount | undefined;

  /** `isNewer` says whether there is a newer value; `checkOpen` throws if the reader cannot go on. */
  constructor(
    object: LatestObject,
    spin: number,
    isNewer: () => boolean,
    checkOpen: () => void,
  ) {
    this.#object = object;
    this.#spin = new AdaptiveSpin(spin);
    this.#isNewer = isNewer;
    this.#checkOpen = checkOpen;
  }

  /** Whether a newer value is there, or comes while spinning. */
  soon(): boolean {
    return this.#spin.look(this.#isNewer);
  }

  /** Waits until `find` finds something, and returns it. */
  *until<Found>(
    find: () => Found | undefined,
    { deadline = Deadline.never }: WaitLimits,
  ): Waiting<Found> {
    const schedule = new WaitSchedule(deadline, () => this.expired());
    const { segment, readOnly } = this.#object;
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        this.#checkOpen();
        let found = slept ? find() : undefined;
        if (found !== undefined) return found;
        const events = this.#events ??= new EventCount(segment, WAITING_OFFSET);
        const count = events.announce();
        found = find();
        if (found !== undefined) return found;
        // A system call; most waits end before it. A call with no time to wait must notice a removal too
        if (slept || deadline.passed) this.#object.checkPresent();
        const ms = readOnly
          ? Math.min(schedule.next(), UNWOKEN_SLICE_MS)
          : schedule.next({ woken: true, checked: true });
        yield events.sleep(count, ms, this.#sees);
      }
    } finally {
      this.#spin.woke();
    }
  }

  /** Whether a newer value is there, or the next look throws. */
  readonly #sees = (): boolean => {
    try {
      return this.#isNewer();
    } catch {
      return true;
    }
  };

  /** The error for a wait that took too long. */
  expired(): ShmError {
    const { key, id } = this.#object.segment;
    return timedOut("wait for a newer value", "futex", {
      key,
      id,
      remedy: "no value was written in time",
    });
  }

  /** Ends a sleep that is under way. */
  close(): void {
    this.#events?.close();
  }
}
