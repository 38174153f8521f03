/**
 * The writing end of a lane: appends records to the ring at the tail. Others see them only when
 * `publish` stores the new tail. Never waits. Internal: used by `producer.ts`.
 *
 * The head, which the consumer writes, is checked before use. Our own positions are private; memory only
 * receives copies of them.
 */

import { RingViews, SMALL, SmallPayload } from "../sync/payload_views.ts";
import { areEnds, LANE_WORD, type LaneMemory } from "./lane_words.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { MessageCounter } from "./message_counter.ts";

const { TAIL, HEAD, TAIL_COUNTERS } = LANE_WORD;
const HEADER = RECORD.size;
const ROUND_UP = RECORD_ALIGN - 1;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const LENGTH_WORD = RECORD.fields.length.offset / WORD;
const TAG_WORD = RECORD.fields.tag.offset / WORD;
/** Payloads up to this many bytes are copied one by one: `set` costs more than that. */
const FEW = 16;

/** Bytes of the record of a payload of `length` bytes. */
function recordSize(length: number): number {
  return (length + HEADER + ROUND_UP) & ~ROUND_UP;
}

/** A point to which staged messages can be taken back. */
export interface Mark {
  readonly tail: number;
  readonly staged: number;
  readonly published: number;
}

/** One lane, for its owner. */
export class LaneWriter {
  readonly memory: LaneMemory;
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #wide: BigUint64Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #small = new SmallPayload();
  readonly #views: RingViews;
  readonly #counter: MessageCounter;
  readonly #corrupt: (what: string) => Error;
  /** The position up to which records are published. */
  #published: number;
  /** The position up to which there are records. */
  #tail: number;
  /** The consumer's position, as last read. */
  #head: number;
  /** Messages from published to tail. */
  #staged = 0;
  /** Bytes that can be written at the tail in one piece, by the head as last read. */
  #room = 0;

  /**
   * Continues at the published tail. `corrupt` makes the error for an impossible value.
   *
   * @throws {ShmError} `ECORRUPT` head and tail are impossible for a ring
   */
  constructor(memory: LaneMemory, corrupt: (what: string) => Error) {
    this.memory = memory;
    this.#ring = memory.ring;
    this.#wide = memory.wide;
    this.#bytes = memory.bytes;
    this.#corrupt = corrupt;
    this.#capacity = memory.bytes.length;
    this.#mask = this.#capacity - 1;
    // SYNC role: the semaphore orders this after all actions of the lane's last owner
    this.#published = this.#tail = Atomics.load(memory.words, TAIL);
    this.#head = this.#published;
    this.#refreshHead();
    this.#measure();
    this.#views = new RingViews(memory.bytes);
    this.#counter = new MessageCounter(memory.words, TAIL_COUNTERS, this.#published);
  }

  /** Messages written and not yet published. */
  get staged(): number {
    return this.#staged;
  }

  #refreshHead(): void {
    // SYNC head: the consumer has finished with all bytes before it, which may be overwritten now
    const head = Atomics.load(this.memory.words, HEAD);
    if (!areEnds(head, this.#published, this.#capacity)) {
      throw this.#corrupt(`its head is ${head >>> 0} and its tail ${this.#published >>> 0}`);
    }
    this.#head = head;
  }

  /** Records how much can be written at the tail in one piece, by the head as last read. */
  #measure(): void {
    this.#room = Math.min(this.#toEnd, this.#free);
  }

  /** Bytes of the ring that are free, by the head as last read. */
  get #free(): number {
    return this.#capacity - ((this.#tail - this.#head) | 0);
  }

  /** Bytes from the tail to the end of the ring. */
  get #toEnd(): number {
    return this.#capacity - (this.#tail & this.#mask);
  }

  /**
   * Whether there is room for a record of `length` payload bytes, at most {@linkcode maxMessage}. Reads
   * the head only if the last known one is not enough.
   */
  reserve(length: number): boolean {
    const size = recordSize(length);
    return size <= this.#room || this.#hasRoom(size);
  }

  #hasRoom(size: number): boolean {
    const toEnd = this.#toEnd;
    const needed = size <= toEnd ? size : toEnd + size;
    if (needed <= this.#free) return true;
    this.#refreshHead();
    this.#measure();
    return needed <= this.#free;
  }

  /** Skips the end of the ring if it is too near for `size` bytes, for which there is room. */
  #makeFit(size: number): void {
    const toEnd = this.#toEnd;
    if (size <= toEnd) return;
    const tail = this.#tail;
    this.#ring[((tail & this.#mask) >> 2) + LENGTH_WORD] = PADDING;
    this.#tail = (tail + toEnd) | 0;
    this.#measure();
  }

  /** Private memory of `length` bytes, at most {@linkcode SMALL}, that is copied the fastest. */
  scratch(length: number): Uint8Array<ArrayBuffer> {
    return this.#small.view(length);
  }

  /** The place of the payload in the reserved record, to be written. */
  place(length: number): Uint8Array<ArrayBuffer> {
    if (length <= SMALL) return this.#small.view(length);
    const index = recordSize(length) <= this.#toEnd ? this.#tail & this.#mask : 0;
    return this.#views.at(index + HEADER, length);
  }

  /** Completes the reserved record, whose {@linkcode LaneWriter.place} has been written. */
  commit(length: number, tag: number): void {
    const size = recordSize(length);
    this.#makeFit(size);
    const index = this.#tail & this.#mask;
    if (length <= SMALL) this.#small.store(this.#wide, (index + HEADER) >> 3, length);
    this.#finish(index, size, length, tag);
  }

  /**
   * Writes a record if there is room, and returns whether it did. The payload must have `length` bytes, at
   * most {@linkcode maxMessage}.
   */
  append(payload: Uint8Array, length: number, tag: number): boolean {
    const size = recordSize(length);
    if (size > this.#room) {
      if (!this.#hasRoom(size)) return false;
      this.#makeFit(size);
    }
    const index = this.#tail & this.#mask;
    this.#finish(index, size, length, tag);
    const start = index + HEADER;
    const small = this.#small;
    if (length <= SMALL && small.has(payload, length)) {
      small.store(this.#wide, start >> 3, length);
      return true;
    }
    const bytes = this.#bytes;
    if (length > FEW) bytes.set(payload, start);
    else for (let i = 0; i < length; i++) bytes[start + i] = payload[i]!;
    return true;
  }

  /** Writes the header of a record of `size` bytes at the tail, at `index`, and moves the tail past it. */
  #finish(index: number, size: number, length: number, tag: number): void {
    const ring = this.#ring;
    const at = index >> 2;
    ring[at + LENGTH_WORD] = length;
    // Otherwise V8 takes 2 ns to find that the number is an integer
    ring[at + TAG_WORD] = tag | 0;
    this.#tail = (this.#tail + size) | 0;
    this.#room -= size;
    this.#staged++;
  }

  /** Makes all records visible to the consumer. */
  publish(): void {
    const tail = this.#tail;
    this.#counter.add(this.#staged, tail);
    this.#staged = 0;
    this.#published = tail;
    // SYNC tail: all records before it come before this store
    Atomics.store(this.memory.words, TAIL, tail);
  }

  /** The present state of the staged messages, for {@linkcode LaneWriter.takeBack}. */
  mark(): Mark {
    return { tail: this.#tail, staged: this.#staged, published: this.#published };
  }

  /** Discards what was staged since `mark`, unless it was published: no process has seen it. */
  takeBack({ tail, staged, published }: Mark): void {
    if (this.#published !== published) return;
    this.#tail = tail;
    this.#staged = staged;
    this.#measure();
  }

  /**
   * Checks that memory still holds the tail that we published.
   *
   * @throws {ShmError} `ECORRUPT` another process wrote there
   */
  checkTail(): void {
    const tail = Atomics.load(this.memory.words, TAIL);
    if (tail === this.#published) return;
    throw this.#corrupt(`its tail is ${tail >>> 0} where we wrote ${this.#published >>> 0}`);
  }
}
