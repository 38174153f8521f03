/**
 * A subscriber's private copy of records: what is handed out comes from here, after it was checked. One is
 * enough for all lanes, because they are read in turn. Internal: used by `lane_subscriber.ts`.
 */

import { copyWords, RingViews, SMALL, SmallPayload } from "../sync/payload_views.ts";
import { RECORD } from "./descriptor.ts";
import type { LaneMemory } from "./lane_words.ts";

/** The bytes that are copied at once, at most. */
const MOST = 1 << 16;

/** Up to this many bytes are copied by words: a view of the ring for `set` costs as much. */
const FEW = 1024;

/** The records of one lane, or a part of them. */
export class RecordCopy {
  readonly #small = new SmallPayload();
  /** The copy as words, and as words of 8 bytes. Empty if a visitor transferred it away. */
  words!: Int32Array<ArrayBuffer>;
  #wide!: BigUint64Array<ArrayBuffer>;
  #bytes!: Uint8Array<ArrayBuffer>;
  #views!: RingViews;
  readonly #size: number;
  /** The payload of a record that is longer than the copy. Kept, in case the next one has its length. */
  #long: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** The reader whose records these are, once it has checked them. */
  owner: unknown;
  /** The offset of the next record to hand out. */
  at = 0;
  /** The offset behind the last byte. */
  end = 0;

  /** `capacity` is that of a lane. */
  constructor(capacity: number) {
    this.#size = Math.min(MOST, capacity);
    this.#renew();
  }

  #renew(): void {
    const buffer = new ArrayBuffer(this.#size);
    this.words = new Int32Array(buffer);
    this.#wide = new BigUint64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#views = new RingViews(this.#bytes);
  }

  /** Copies at most `length` bytes of a ring, from `index` on. Returns how many. */
  load({ wide, bytes }: LaneMemory, index: number, length: number): number {
    if (this.words.length === 0) this.#renew();
    const most = Math.min(length, this.#size);
    if (most <= FEW) copyWords(wide, index >> 3, this.#wide, 0, most >> 3);
    else this.#bytes.set(new Uint8Array(bytes.buffer, bytes.byteOffset + index, most));
    this.owner = undefined;
    this.at = 0;
    this.end = most;
    return most;
  }

  /** Copies the payload of a long record at `index` of a ring. */
  loadLong({ bytes }: LaneMemory, index: number, length: number): void {
    if (this.#long.length !== length) this.#long = new Uint8Array(length);
    this.#long.set(new Uint8Array(bytes.buffer, bytes.byteOffset + index + RECORD.size, length));
  }

  /** The payload of the long record. */
  get long(): Uint8Array<ArrayBuffer> {
    return this.#long;
  }

  /** The payload of the record at offset `at`, valid until the next call. */
  payload(at: number, length: number): Uint8Array<ArrayBuffer> {
    return length <= SMALL
      ? this.#small.load(this.#wide, (at + RECORD.size) >> 3, length)
      : this.#views.at(at + RECORD.size, length);
  }

  /** A payload that the receiver may keep. */
  keep(payload: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (payload !== this.#long) return new Uint8Array(payload);
    this.#long = new Uint8Array(0);
    return payload;
  }
}
