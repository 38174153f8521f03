/**
 * The lanes of a topic, read in turn: each hands out what was copied of it, then the next one. A lane that
 * cannot be read fails after the others have handed out what they had. Never waits. Internal: used by
 * `subscriber.ts`.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { LaneSubscriber, type TopicVisit } from "./lane_subscriber.ts";
import type { LaneMemory } from "./lane_words.ts";
import { TopicBytesMessage } from "./message.ts";
import { RecordCopy } from "./record_copy.ts";
import type { Shape } from "./shape.ts";

/** All lanes of one subscriber. */
export class LaneRotation {
  readonly #readers: readonly LaneSubscriber[];
  readonly #copy: RecordCopy;
  /** The lane to read next. */
  #next = 0;
  #draining = false;
  #failure: ShmError | undefined;
  #taken: TopicBytesMessage | undefined;

  /** Starts each lane with its last `history` messages; `corrupt` makes the error for a lane. */
  constructor(
    lanes: readonly LaneMemory[],
    { laneCapacity, messageSize }: Shape,
    history: number,
    corrupt: (lane: number, what: string) => ShmError,
  ) {
    const copy = this.#copy = new RecordCopy(laneCapacity);
    this.#readers = lanes.map((memory, lane) =>
      new LaneSubscriber(memory, messageSize, copy, history, (what) => corrupt(lane, what))
    );
  }

  /** Whether a visitor is being called. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Messages that were overwritten before they could be handed out, in all lanes. */
  get missed(): number {
    return this.#readers.reduce((sum, { missed }) => sum + missed, 0);
  }

  /** Whether any lane has a message or a failure. */
  look(): boolean {
    if (this.#failure !== undefined) return true;
    const readers = this.#readers;
    let lane = this.#next;
    for (let i = 0; i < readers.length; i++) {
      if (readers[lane]!.look()) return true;
      if (++lane === readers.length) lane = 0;
    }
    return false;
  }

  /** The next message, for the caller to keep. */
  take(): TopicBytesMessage | undefined {
    if (this.#pass(this.#keep, 1) === 0) return undefined;
    const taken = this.#taken;
    this.#taken = undefined;
    return taken;
  }

  readonly #keep: TopicVisit = (bytes, tag, lane, missed) => {
    const number = this.next(lane);
    this.#taken = new TopicBytesMessage(this.#copy.keep(bytes), tag, lane, number, missed);
  };

  /** {@linkcode LaneSubscriber.next} of a lane. */
  next(lane: number): number {
    return this.#readers[lane]!.next;
  }

  /** Passes at most `most` messages to `visit`. */
  drain(visit: TopicVisit, most: number): number {
    this.#draining = true;
    try {
      return this.#pass(visit, most);
    } finally {
      this.#draining = false;
    }
  }

  #pass(visit: TopicVisit, most: number): number {
    this.#throwFailure();
    const readers = this.#readers;
    let count = 0;
    for (let i = 0; i < readers.length && count < most; i++) {
      const lane = this.#next;
      const reader = readers[lane]!;
      count += reader.drain(visit, most - count);
      this.#failure ??= reader.takeFailure();
      // What is copied of a lane is handed out before another lane needs the memory of the copy
      if (!reader.hasCopied) this.#next = lane + 1 === readers.length ? 0 : lane + 1;
    }
    if (count === 0) this.#throwFailure();
    return count;
  }

  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    throw failure;
  }
}
