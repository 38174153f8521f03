/**
 * A reservation: the place of one message in a lane, claimed by a producer, to be written and then
 * committed or aborted.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import type { ChannelMembership } from "./channel_membership.ts";

let makeReservation: (place: ReservedPlace) => Reservation;

/**
 * The place of a message that is being written. A producer has one reservation, the same object each
 * time: it is open from `claim` to `commit` or `abort`.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import type { Reservation } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4002, lanes: 1, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * const reservation: Reservation | undefined = producer.claim(4);
 * assert(reservation !== undefined); // undefined: no room now
 * reservation.bytes.set([1, 2, 3, 4]);
 * reservation.commit();
 * assert.deepEqual(consumer.tryReceive()?.bytes, Uint8Array.of(1, 2, 3, 4));
 * consumer.ack();
 * ```
 */
export class Reservation implements Disposable {
  readonly #place: ReservedPlace;

  static {
    makeReservation = (place) => new Reservation(place);
  }

  private constructor(place: ReservedPlace) {
    this.#place = place;
    Object.freeze(this);
  }

  /**
   * The bytes of the message, as many as were claimed. They hold old data until they are written. They are
   * shared memory: decode or sort nothing in them, see SECURITY.md.
   *
   * @throws {ShmError} `EBUSY` the reservation is not open
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#place.bytes;
  }

  /**
   * Publishes the message.
   *
   * @throws {ShmError} `EBUSY` the reservation is not open, `EDETACHED` the producer was closed
   */
  commit(): void {
    this.#place.commit();
  }

  /** Gives up the place: nothing is sent. Calling it again, or after `commit`, does nothing. */
  abort(): void {
    this.#place.abort();
  }

  /** `using` aborts a reservation that was not committed by the end of the block. */
  [Symbol.dispose](): void {
    this.#place.abort();
  }
}

/** What a reservation needs of its producer. */
export interface ReservingProducer {
  /** Throws if the producer was closed. */
  checkOpen(): void;
  /** Completes and publishes the message whose place was reserved. */
  send(length: number, tag: number): void;
  /** Called when the reservation is not open any more. */
  ended(): void;
}

/** What a producer needs of its reservation. */
export class ReservedPlace {
  readonly #channel: ChannelMembership;
  readonly #producer: ReservingProducer;
  readonly #reservation: Reservation = makeReservation(this);
  #isOpen = false;
  #length = 0;
  #tag = 0;
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  constructor(channel: ChannelMembership, producer: ReservingProducer) {
    this.#channel = channel;
    this.#producer = producer;
  }

  /** Whether the reservation is open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Opens the reservation for the place of a message of `length` bytes. */
  open(bytes: Uint8Array<ArrayBuffer>, length: number, tag: number): Reservation {
    this.#bytes = bytes;
    this.#length = length;
    this.#tag = tag;
    this.#isOpen = true;
    return this.#reservation;
  }

  /** The place of the payload. */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (!this.#isOpen) throw this.#notOpen();
    return this.#bytes!;
  }

  /** Completes and publishes the message. */
  commit(): void {
    if (!this.#isOpen) throw this.#notOpen();
    this.abort();
    this.#producer.checkOpen();
    if (this.#bytes!.length !== this.#length) {
      throw new ShmError("commit the reservation", undefined, "EDETACHED", {
        key: this.#channel.segment.key,
        id: this.#channel.segment.id,
        facts:
          "its bytes were transferred away (structuredClone, postMessage), and nothing was sent",
        remedy: "transfer a copy, and claim again",
      });
    }
    this.#producer.send(this.#length, this.#tag);
  }

  /** Gives up the place. */
  abort(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#producer.ended();
  }

  #notOpen(): ShmError {
    return this.#channel.busy("use the reservation", "it was committed or aborted: claim one");
  }
}
