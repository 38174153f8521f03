/**
 * A reservation: the place of one message in a lane, claimed by a producer, to be written and then committed
 * or given up.
 */

/** What a reservation does to the lane it is in; made by {@linkcode Producer}. */
export interface ReservationTarget {
  /** The payload's place. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Completes and publishes it. */
  commit(): void;
  /** Gives it up. */
  abort(): void;
}

/**
 * The place of a message that is being written. One producer has one reservation, the same object each time:
 * it is open from `claim` to `commit` or `abort`.
 *
 * @example
 * ```ts
 * import { Channel, type Reservation } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4002, lanes: 1, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * const reservation: Reservation | undefined = producer.claim(4);
 * assert(reservation !== undefined); // undefined: no room just now
 * reservation.bytes.set([1, 2, 3, 4]);
 * reservation.commit();
 * assert.deepEqual(consumer.tryReceive()?.bytes, Uint8Array.of(1, 2, 3, 4));
 * ```
 */
export class Reservation implements Disposable {
  readonly #end: ReservationTarget;

  /** For {@linkcode Producer} only. */
  constructor(end: ReservationTarget) {
    this.#end = end;
    Object.freeze(this);
  }

  /**
   * Where to write the message; as long as was claimed. What is in it before is left over from others. It
   * is shared memory: nothing is to be decoded or sorted in it, see SECURITY.md.
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

  /** Gives the place up: nothing was sent. Twice is once; after `commit` it does nothing. */
  abort(): void {
    this.#end.abort();
  }

  /** `using` gives up what was not committed at the end of the block. */
  [Symbol.dispose](): void {
    this.#end.abort();
  }
}
