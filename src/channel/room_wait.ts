/**
 * How a producer waits for room in its lane: it looks for a while, then it announces that it sleeps and
 * looks again before it does. Internal: used by `producer.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { AdaptiveSpin } from "../sync/adaptive_spin.ts";
import { Deadline } from "../sync/deadline.ts";
import { timedOut, WaitSchedule } from "../sync/wait_schedule.ts";
import type { WaiterFlag } from "../sync/waiter_flag.ts";
import type { Waiting } from "../sysv/wait.ts";
import type { ChannelMembership } from "./channel_membership.ts";
import { SEMAPHORE } from "./descriptor.ts";
import { LANE_WORD } from "./lane_words.ts";
import type { LaneWriter } from "./lane_writer.ts";

/** What the waits of one producer need. */
interface Parts {
  readonly channel: ChannelMembership;
  readonly writer: LaneWriter;
  /** The word that the consumer wakes the producer by. */
  readonly self: WaiterFlag;
  /** Microseconds to look before sleeping. */
  readonly spin: number;
  /** Whether a full lane without a consumer is an error. */
  readonly failWithoutConsumer: boolean;
  /** Whether the producer was not closed. */
  readonly isOpen: () => boolean;
  /** Throws if the producer was closed or has lost its memory. */
  readonly checkOpen: () => void;
}

/** The waits of one producer. */
export class RoomWait {
  readonly #parts: Parts;
  readonly #spin: AdaptiveSpin;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#spin = new AdaptiveSpin(parts.spin);
  }

  /** Whether room for `length` bytes is there, or becomes free while spinning. It is reserved then. */
  soon(length: number): boolean {
    return this.#spin.look(() => this.#parts.writer.reserve(length));
  }

  /** Waits until room for `length` bytes is reserved. */
  *until(length: number, deadline: Deadline = Deadline.never): Waiting<void> {
    const { channel, writer, self, failWithoutConsumer, isOpen, checkOpen } = this.#parts;
    const schedule = new WaitSchedule(deadline, () => this.expired());
    this.#spin.sleeps();
    try {
      for (let waited = false;; waited = true) {
        checkOpen();
        self.announce();
        if (writer.reserve(length)) return;
        if (!waited) Atomics.add(writer.memory.words, LANE_WORD.FULL_WAITS, 1);
        writer.checkTail();
        channel.checkPresent();
        if (failWithoutConsumer && this.#consumerPid() === undefined) {
          throw new ShmError("send", "semctl", ERRNO.EPIPE, {
            key: channel.segment.key,
            id: channel.segment.id,
            facts: "the lane is full and there is no consumer",
            remedy: 'start one, or use withoutConsumer: "wait"',
            option: "withoutConsumer",
          });
        }
        yield self.sleep(schedule.next({ woken: true }));
      }
    } finally {
      // After close the word may belong to the next owner
      if (isOpen()) self.retract();
      this.#spin.woke();
    }
  }

  #consumerPid(): number | undefined {
    const { set } = this.#parts.channel;
    return set.value(SEMAPHORE.CONSUMER) === 0 ? undefined : set.lastPid(SEMAPHORE.CONSUMER);
  }

  /** The error for a wait that took too long. */
  expired(): ShmError {
    const { channel: { segment: { key, id, attached } }, writer } = this.#parts;
    const pid = attached ? this.#consumerPid() : undefined;
    return timedOut("send", "futex", {
      key,
      id,
      remedy: `lane ${writer.memory.lane} is full and ` +
        (pid === undefined
          ? "there is no consumer: start one"
          : `the consumer, ${formatProcess(pid)}, did not make room in time`),
    });
  }
}
