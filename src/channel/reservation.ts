/**
 * A reservation: the place of one message in a lane, claimed by a producer, to be written and then
 * committed or aborted.
 */

/** The operations of a reservation on its lane; made by {@linkcode Producer}. */
export interface ReservationTarget {
  /** The place of the payload. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Completes and publishes the message. */
  commit(): void;
  /** Gives up the place. */
  abort(): void;
}

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
  readonly #end: ReservationTarget;

  /** Internal: used by {@linkcode Producer}. */
  constructor(end: ReservationTarget) {
    this.#end = end;
    Object.freeze(this);
  }

  /**
   * The bytes of the message, as many as were claimed. They hold old data until they are written. They are
   * shared memory: decode or sort nothing in them, see SECURITY.md.
   *
   * @throws {ShmError} `EBUSY` the reservation is not open
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#end.bytes;
  }

  /**
   * Publishes the message.
   *
   * @throws {ShmError} `EBUSY` the reservation is not open, `EDETACHED` the producer was closed
   */
  commit(): void {
    this.#end.commit();
  }

  /** Gives up the place: nothing is sent. Calling it again, or after `commit`, does nothing. */
  abort(): void {
    this.#end.abort();
  }

  /** `using` aborts a reservation that was not committed by the end of the block. */
  [Symbol.dispose](): void {
    this.#end.abort();
  }
}
