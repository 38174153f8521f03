/**
 * The reading end of a lane: records from the head to the tail. They stay unchanged until `publish`
 * stores the new head. Never waits. Internal: used by `consumer.ts`.
 *
 * All bytes of a lane are untrusted data. A length is read once and bounded by the tail that we read,
 * which is bounded by the capacity; a payload is delivered as bytes, and no decision depends on them.
 */

import { RingViews, SMALL, type SmallPayload } from "../sync/payload_views.ts";
import { BytesMessage } from "../sync/received_message.ts";
import { refusePromise, type VisitResult } from "../sync/visit.ts";
import type { WaiterFlag } from "../sync/waiter_flag.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { areEnds, LANE_WORD, type LaneMemory } from "./lane_words.ts";
import { maxMessage } from "./shape.ts";
import { hasMessageCount, MessageCounter, readMessageCount } from "./message_counter.ts";

const { TAIL, HEAD, HEAD_COUNTERS, TAIL_COUNTERS } = LANE_WORD;
const HEADER = RECORD.size;
const ROUND_UP = RECORD_ALIGN - 1;
const LENGTH_WORD = RECORD.fields.length.offset / Int32Array.BYTES_PER_ELEMENT;
const TAG_WORD = RECORD.fields.tag.offset / Int32Array.BYTES_PER_ELEMENT;
/** A long drain frees space this many times in one round of the ring. */
const PARTS = 4;
/** More bytes than any ring has. Not `Infinity`, which would make all comparisons floating-point. */
const NEVER = 2 ** 31 - 1;
/** {@linkcode PADDING} as a signed word. */
const PADDING_WORD = PADDING | 0;

/**
 * The function that {@linkcode Consumer.drain} calls with each message: its payload, tag and lane. The
 * payload is valid only during the call, so the function must not be asynchronous: a promise as its
 * result is an error.
 *
 * The bytes are memory that the producer can write, and a faulty producer may change them at any time.
 * Reading, copying and comparing single elements is safe. Decoders, `sort`, crypto and streams need a
 * copy (`bytes.slice()`), or {@linkcode Consumer.drainText}.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import type { ChannelVisit } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * let total = 0;
 * const count: ChannelVisit = (bytes) => total += bytes.length;
 * using channel = Channel.openOrCreate({ key: 0x5eed4013, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * producer.trySend(new Uint8Array(100));
 * consumer.drain(count);
 * assert.equal(total, 100);
 * ```
 */
export type ChannelVisit<Payload = Uint8Array<ArrayBuffer>> = (
  payload: Payload,
  tag: number,
  lane: number,
) => VisitResult;

/** The reading end of one lane. */
export class LaneReader {
  readonly memory: LaneMemory;
  /** Whether memory told how many messages there were before; otherwise they count from 0 again. */
  readonly isCounted: boolean;
  readonly #capacity: number;
  /** The shortest length, and how much longer the longest is: 0 if all messages have one length. */
  readonly #least: number;
  readonly #span: number;
  readonly #small: SmallPayload;
  readonly #views: RingViews;
  readonly #counter: MessageCounter;
  readonly #owner: WaiterFlag;
  readonly #gone: () => Error;
  readonly #corrupt: (what: string) => Error;
  /** Bytes that are freed at once: the owner of a full lane continues to write while we read. */
  readonly #part: number;
  /** The position up to which the ring is free again. */
  #published: number;
  /** The position up to which messages were delivered. */
  #head: number;
  /** The position up to which there are messages, as last read. */
  #tail: number;
  /** Messages from published to head. */
  #taken = 0;
  /** Messages up to this position are delivered before another lane's failure is thrown. */
  #mark = 0;

  /**
   * Continues at the published head. `messageSize` is the length of every message, or 0 if lengths differ;
   * `small` may be shared by all lanes of a consumer; `owner` is woken when there is room again; `gone`
   * makes the error for detached memory, `corrupt` the error for an impossible value.
   */
  constructor(
    memory: LaneMemory,
    messageSize: number,
    small: SmallPayload,
    owner: WaiterFlag,
    gone: () => Error,
    corrupt: (what: string) => Error,
  ) {
    this.memory = memory;
    this.#small = small;
    this.#owner = owner;
    this.#gone = gone;
    this.#corrupt = corrupt;
    this.#capacity = memory.bytes.length;
    this.#least = messageSize;
    this.#span = messageSize === 0 ? maxMessage(this.#capacity) : 0;
    this.#part = this.#capacity / PARTS;
    this.#views = new RingViews(memory.bytes);
    // SYNC role: the semaphore orders this after all actions of the last consumer
    this.#published = this.#head = this.#tail = Atomics.load(memory.words, HEAD);
    this.isCounted = hasMessageCount(memory.words, HEAD_COUNTERS, this.#published);
    this.#counter = new MessageCounter(memory.words, HEAD_COUNTERS, this.#published);
  }

  /** How many messages of this lane were ever acknowledged. */
  get acknowledged(): number {
    return this.#counter.count;
  }

  /**
   * The number of the next message, if each message of the lane was counted from 1 on; while a visitor is
   * called, that of the message it is called with.
   */
  get nextNumber(): number {
    return this.acknowledged + this.#taken + 1;
  }

  /** Whether there is a message to deliver. Reads the tail again if needed. */
  look(): boolean {
    return this.#head !== this.#tail || this.#lookAgain();
  }

  #lookAgain(): boolean {
    // SYNC tail: all records before it are visible after this load
    const tail = Atomics.load(this.memory.words, TAIL);
    if (tail === this.#head) {
      // A tail that was seen and taken back is untrusted data: it must not keep us awake
      this.#tail = tail;
      return false;
    }
    if (!areEnds(this.#published, tail, this.#capacity)) {
      throw this.#corrupt(`its tail is ${tail >>> 0} and its head ${this.#published >>> 0}`);
    }
    this.#tail = tail;
    return true;
  }

  /**
   * Passes at most `most` messages up to the present tail to `visit`, and returns their number. Their space
   * is freed at the end, or with `keep` when `publish` is called. An impossible record is an error if it is
   * the first; after other messages it ends the drain, and is the first next time.
   */
  drain(visit: ChannelVisit, most: number, keep = false): number {
    // Include what was sent since the last look
    if (!this.#lookAgain()) return 0;
    const { ring, wide, lane } = this.memory;
    const capacity = this.#capacity;
    const mask = capacity - 1;
    const tail = this.#tail;
    const small = this.#small;
    const part = keep ? NEVER : this.#part;
    let head = this.#head;
    let count = 0;
    try {
      while (head !== tail && count < most) {
        const index = head & mask;
        const word = index >> 2;
        const length = ring[word + LENGTH_WORD];
        const left = Math.min((tail - head) | 0, capacity - index);
        if (length === PADDING_WORD) {
          if (count > 0 && !this.#isPadding(index, left)) break;
          head = (head + this.#skip(index, left)) | 0;
          continue;
        }
        const size = this.#sizeOf(length!, left);
        if (size === 0) {
          if (count > 0) break;
          throw this.#misfit(length, left, head);
        }
        const tag = ring[word + TAG_WORD]! >>> 0;
        const payload = length! <= SMALL
          ? small.load(wide, (index + HEADER) >> 3, length!)
          : this.#views.at(index + HEADER, length!);
        const returned = visit(payload, tag, lane);
        if (returned !== undefined) refusePromise(returned);
        head = (head + size) | 0;
        count++;
        this.#taken++;
        if (((head - this.#published) | 0) >= part && ring.length > 0) {
          this.#head = head;
          this.publish();
        }
      }
    } finally {
      // Only messages that `visit` returned from are taken
      this.#head = head;
      if (!keep && ring.length > 0) this.publish();
    }
    if (ring.length === 0) throw this.#gone();
    return count;
  }

  /** Returns a copy of the next message up to the tail as last read; `undefined` if there is none. */
  next(): BytesMessage | undefined {
    const { ring, wide, lane } = this.memory;
    const capacity = this.#capacity;
    for (;;) {
      const head = this.#head;
      if (head === this.#tail) return undefined;
      const index = head & (capacity - 1);
      const word = index >> 2;
      const length = ring[word + LENGTH_WORD];
      const left = Math.min((this.#tail - head) | 0, capacity - index);
      if (length === PADDING_WORD) {
        this.#head = (head + this.#skip(index, left)) | 0;
        continue;
      }
      const size = this.#sizeOf(length!, left);
      if (size === 0) throw this.#misfit(length, left, head);
      const tag = ring[word + TAG_WORD]! >>> 0;
      // Takes half the time of `slice`
      const copy = length! <= SMALL
        ? this.#small.copy(wide, (index + HEADER) >> 3, length!)
        : new Uint8Array(this.#views.at(index + HEADER, length!));
      this.#head = (head + size) | 0;
      this.#taken++;
      return new BytesMessage(copy, tag, lane);
    }
  }

  /** Whether padding is possible at `index`: it extends to the end of the ring, and is not all of it. */
  #isPadding(index: number, left: number): boolean {
    return left === this.#capacity - index && index > 0;
  }

  /** The number of bytes from a padding record to the end of the ring. */
  #skip(index: number, left: number): number {
    if (this.#isPadding(index, left)) return left;
    throw this.#corrupt(`there is padding at ${index}, where it is impossible`);
  }

  /** The size of a record from its length; 0 if it is impossible, or exceeds `left` bytes. */
  #sizeOf(length: number, left: number): number {
    const size = (length + HEADER + ROUND_UP) & ~ROUND_UP;
    // Unsigned, a length below the least exceeds any span: one comparison checks both bounds
    return ((length - this.#least) >>> 0) <= this.#span && size <= left ? size : 0;
  }

  /** The error for an impossible record, or for one whose memory was detached. */
  #misfit(length: number | undefined, left: number, head: number): Error {
    if (length === undefined) return this.#gone();
    return this.#corrupt(
      `the message at position ${head >>> 0} has the length ${length >>> 0}, where ` +
        this.#lengths(length, left),
    );
  }

  /** The possible lengths, for the error about one that is not. */
  #lengths(length: number, left: number): string {
    if (this.#span === 0 && length !== this.#least) return `every message has ${this.#least}`;
    return `at most ${Math.max(0, Math.min(left - HEADER, this.#least + this.#span))} can be`;
  }

  /** Marks all that is there now, readable or not. */
  mark(): void {
    this.#mark = Atomics.load(this.memory.words, TAIL);
  }

  /** Removes the mark: the lane cannot be read. */
  unmark(): void {
    this.#mark = this.#head;
  }

  /** Whether all messages up to the mark were delivered. */
  get passed(): boolean {
    return ((this.#head - this.#mark) | 0) >= 0;
  }

  /** Whether there is more up to the tail as last read. */
  get pending(): boolean {
    return this.#head !== this.#tail;
  }

  /** Whether what is delivered and not acknowledged takes a quarter of the ring. */
  get isFilling(): boolean {
    return ((this.#head - this.#published) | 0) >= this.#part;
  }

  /** Takes back all messages that are delivered but not acknowledged: they are delivered again. */
  nack(): void {
    this.#head = this.#published;
    this.#taken = 0;
  }

  /** Frees the space of skipped padding if no message is unacknowledged. */
  publishPadding(): void {
    if (this.#taken === 0) this.publish();
  }

  /** Frees the space of all delivered messages, and wakes the owner if it waits for room. */
  publish(): void {
    if (this.#head !== this.#published) this.#store();
  }

  #store(): void {
    const head = this.#head;
    this.#counter.add(this.#taken, head);
    this.#taken = 0;
    this.#published = head;
    // SYNC head: all reads of the bytes before it come before this store
    Atomics.store(this.memory.words, HEAD, head);
    this.#owner.wake();
  }

  /** Drops all that is there now, readable or not, and continues after it. Returns the bytes dropped. */
  discard(): number {
    const { words } = this.memory;
    const there = Atomics.load(words, TAIL);
    const tail = there & ~ROUND_UP;
    // No owner stores or accepts an unaligned tail: without this the lane would be lost
    if (tail !== there) Atomics.compareExchange(words, TAIL, there, tail);
    const bytes = (tail - this.#published) >>> 0;
    this.#head = this.#tail = tail;
    // Only the owner's counter may know how many messages they were
    this.#counter.skipTo(readMessageCount(words, TAIL_COUNTERS, tail));
    this.#taken = 0;
    // Even if the head does not move: memory may hold another value
    this.#store();
    return bytes;
  }

  /**
   * Checks that memory still holds the head that we published.
   *
   * @throws {ShmError} `ECORRUPT` another process wrote there
   */
  checkHead(): void {
    const head = Atomics.load(this.memory.words, HEAD);
    if (head === this.#published) return;
    throw this.#corrupt(`its head is ${head >>> 0} where we wrote ${this.#published >>> 0}`);
  }
}
