/**
 * The lanes of a channel, read in turn: each delivers what was seen in it, then the next one. A lane that
 * cannot be read fails only after the others have delivered what they had. Never waits. Internal: used by
 * `consumer.ts`.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import type { SmallPayload } from "../sync/payload_views.ts";
import type { BytesMessage } from "../sync/received_message.ts";
import { WaiterFlag } from "../sync/waiter_flag.ts";
import type { ChannelMembership } from "./channel_membership.ts";
import { type ChannelVisit, LaneReader } from "./lane_reader.ts";
import { LANE_WORD, laneMemory, WAITER_FLAG_OFFSET } from "./lane_words.ts";

/** All lanes of one consumer. */
export class LaneRotation {
  readonly readers: readonly LaneReader[];
  /** The lane to read next. */
  #next = 0;
  /** A lane with unacknowledged messages: the only one, unless `#keeping`. */
  #owing: number | undefined;
  /** Whether several lanes may have unacknowledged messages. */
  #keeping = false;
  #draining = false;
  #delivered = false;
  /** The last failure that a reader reported for a lane that cannot be read. */
  #corruption: ShmError | undefined;
  /** The failure of one lane, thrown after the other lanes have delivered what they had. */
  #postponed: ShmError | undefined;

  /** `small` is memory for small messages; `gone` makes the error for detached memory. */
  constructor(channel: ChannelMembership, small: SmallPayload, gone: () => ShmError) {
    const { segment, shape } = channel;
    this.readers = Array.from({ length: shape.lanes }, (_, lane) => {
      const memory = laneMemory(segment.buffer, shape, lane);
      const owner = new WaiterFlag(
        segment,
        memory.words,
        LANE_WORD.ASLEEP,
        WAITER_FLAG_OFFSET.laneOwner(lane),
      );
      const corrupt = (what: string): ShmError => this.#corruption = channel.corrupt(lane, what);
      return new LaneReader(memory, shape.messageSize, small, owner, gone, corrupt);
    });
  }

  /** Whether a visitor is being called. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Whether any message was delivered so far. */
  get hasDelivered(): boolean {
    return this.#delivered;
  }

  /** Acknowledges all delivered messages. */
  acknowledge(): void {
    if (this.#keeping) return this.#acknowledgeAll();
    const lane = this.#owing;
    if (lane === undefined) return;
    this.#owing = undefined;
    this.readers[lane]!.publish();
  }

  #acknowledgeAll(): void {
    this.#keeping = false;
    this.#owing = undefined;
    for (const reader of this.readers) reader.publish();
  }

  /** Puts all messages back that are delivered and not acknowledged. */
  nack(): void {
    this.#keeping = false;
    this.#owing = undefined;
    for (const reader of this.readers) reader.nack();
  }

  /** Ends the turn of a lane: the lane after it is read next. */
  #leave(lane: number): void {
    this.#next = lane + 1 === this.readers.length ? 0 : lane + 1;
  }

  /** Whether any lane has a message. If none has, a lane that cannot be read throws. */
  look(): boolean {
    const readers = this.readers;
    let failure: ShmError | undefined;
    let lane = this.#next;
    for (let i = 0; i < readers.length; i++) {
      try {
        if (readers[lane]!.look()) return true;
      } catch (error) {
        failure ??= this.#asCorruption(error);
      }
      if (++lane === readers.length) lane = 0;
    }
    if (failure !== undefined) throw this.#behind(failure);
    return false;
  }

  /** The next message, as a copy. It joins those that are delivered and not acknowledged. */
  take(): BytesMessage | undefined {
    const readers = this.readers;
    for (let i = 0; i < readers.length; i++) {
      const lane = this.#next;
      const reader = readers[lane]!;
      const message = this.#takeFrom(reader, lane);
      if (message === undefined) {
        this.#leave(lane);
        reader.publishPadding();
        continue;
      }
      this.#delivered = true;
      if (this.#owing !== undefined && this.#owing !== lane) this.#keeping = true;
      this.#owing = lane;
      // A lane's turn ends when all that was seen of it is delivered: no lane keeps the others waiting
      if (!reader.pending) this.#leave(lane);
      return message;
    }
    this.#throwPostponed();
    return undefined;
  }

  #takeFrom(reader: LaneReader, lane: number): BytesMessage | undefined {
    try {
      const message = reader.look() ? reader.next() : undefined;
      this.#isReadable(lane);
      return message;
    } catch (error) {
      this.#postpone(error);
      return undefined;
    }
  }

  /** Passes at most `most` messages to `visit`. With `keep`, they stay unacknowledged. */
  drain(visit: ChannelVisit, most: number, keep: boolean): number {
    const readers = this.readers;
    let count = 0;
    this.#keeping = keep;
    this.#draining = true;
    try {
      for (let i = 0; i < readers.length && count < most; i++) {
        const lane = this.#next;
        this.#leave(lane);
        try {
          count += readers[lane]!.drain(visit, most - count, keep);
          this.#isReadable(lane);
        } catch (error) {
          this.#postpone(error);
        }
      }
      if (count < most) this.#throwPostponed();
    } finally {
      this.#draining = false;
      if (count > 0) this.#delivered = true;
    }
    return count;
  }

  /** Drops everything that is in a lane now, and returns the number of bytes. */
  discard(reader: LaneReader): number {
    this.#isReadable(reader.memory.lane);
    return reader.discard();
  }

  /** The failure of a lane that cannot be read. Throws any other error, for example a visitor's. */
  #asCorruption(error: unknown): ShmError {
    if (error !== this.#corruption || this.#corruption === undefined) throw error;
    return this.#corruption;
  }

  /** Prepares a failure to be thrown: the lane after the failed one is read next. */
  #behind(failure: ShmError): ShmError {
    this.#leave(failure.lane!);
    return failure;
  }

  /**
   * Postpones the failure of a lane until the other lanes have delivered what they have now. Messages that
   * arrive later do not count: a busy lane may never be empty.
   */
  #postpone(error: unknown): void {
    const failure = this.#asCorruption(error);
    const readers = this.readers;
    if (this.#postponed === undefined) {
      this.#postponed = failure;
      for (const reader of readers) reader.mark();
    }
    // If several lanes cannot be read, none of them must wait for another
    readers[failure.lane!]!.unmark();
    if (this.#postponed.lane === failure.lane && readers.every(({ passed }) => passed)) {
      this.#throwPostponed();
    }
  }

  /** Throws the postponed failure: the other lanes have delivered what they had. */
  #throwPostponed(): void {
    const failure = this.#postponed;
    if (failure === undefined) return;
    this.#postponed = undefined;
    throw this.#behind(failure);
  }

  /** Records that a lane can be read, so its postponed failure no longer holds. */
  #isReadable(lane: number): void {
    if (this.#postponed?.lane === lane) this.#postponed = undefined;
  }
}
