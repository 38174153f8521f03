/**
 * The reading end of a lane: records from the head to the tail, which stay as they are until `publish`
 * stores the new head. Never waits. For `consumer.ts`.
 *
 * Everything in a lane may have been written by an enemy. A length is read once and bounded by the tail
 * we saw, which is bounded by the capacity; a payload is handed out as bytes, in which nothing is
 * believed.
 */

import type { WaiterFlag } from "../sync/waiter_flag.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { areEnds, LANE_WORD, type LaneMemory } from "./lane_words.ts";
import { RingViews, SMALL, type SmallPayload } from "./payload_views.ts";
import { maxMessage } from "./shape.ts";
import { MessageCounter, readMessageCount } from "./message_counter.ts";

const { TAIL, HEAD, HEAD_COUNTERS, TAIL_COUNTERS } = LANE_WORD;
const HEADER = RECORD.size;
const ROUND_UP = RECORD_ALIGN - 1;
const LENGTH_WORD = RECORD.fields.length.offset / Int32Array.BYTES_PER_ELEMENT;
const TAG_WORD = RECORD.fields.tag.offset / Int32Array.BYTES_PER_ELEMENT;
/** A long drain gives space back so often in one round of the ring. */
const PARTS = 4;
/** More bytes than any ring has; no `Infinity`, with which all would be compared as floating-point numbers. */
const NEVER = 2 ** 31 - 1;
/** {@linkcode PADDING} as a signed word has it. */
const PADDING_WORD = PADDING | 0;

/**
 * What {@linkcode Consumer.drain} calls with each message: its payload, tag and lane. The payload is
 * valid during the call only, so the call must not be asynchronous: a visitor that returns a promise is
 * refused.
 *
 * Bytes are the memory that the producer wrote, and a producer that went wrong may change them at any
 * time. Reading, copying and comparing single elements is safe. Decoders, `sort`, crypto and streams
 * need a copy (`bytes.slice()`), or {@linkcode Consumer.drainText}.
 *
 * @example
 * ```ts
 * import { Channel, type ChannelVisit } from "@sysv/shm";
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
) =>
  | void
  | null
  | boolean
  | number
  | bigint
  | string
  | symbol
  | (object & { readonly then?: never });

/** Refuses a promise, also one of another realm or library, as what `visit` returned. */
function refusePromise(returned: unknown): void {
  if (returned === null || (typeof returned !== "object" && typeof returned !== "function")) return;
  if (typeof (returned as { readonly then?: unknown }).then !== "function") return;
  throw new TypeError(
    "visit returned a promise, and what it was given is valid during the call only: copy it, or " +
      "use receive() or for await",
  );
}

/** The reading end of one lane. */
export class LaneReader {
  readonly memory: LaneMemory;
  readonly #capacity: number;
  /** The shortest message, and how much longer the longest is: by 0 where all have one length. */
  readonly #least: number;
  readonly #span: number;
  readonly #small: SmallPayload;
  readonly #views: RingViews;
  readonly #counter: MessageCounter;
  readonly #owner: WaiterFlag;
  readonly #gone: () => Error;
  readonly #corrupt: (what: string) => Error;
  /** So much is given back at once: the owner of a full lane writes on while we read. */
  readonly #part: number;
  /** Up to here the ring is given back. */
  #published: number;
  /** Up to here messages were handed out. */
  #head: number;
  /** Up to here there are messages, as we saw it last. */
  #tail: number;
  /** Messages from published to head. */
  #taken = 0;
  /** Up to here messages are to be handed out before another lane's failure is told. */
  #mark = 0;

  /**
   * Goes on from the published head. `messageSize` is the length of every message, 0 where they differ;
   * `small` may be shared by all lanes of a consumer; `owner` is woken when there is room again; `gone`
   * makes the error for memory that was detached, `corrupt` that for a value that cannot be.
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
    // SYNC role: the semaphore orders this after all that the last consumer did
    this.#published = this.#head = this.#tail = Atomics.load(memory.words, HEAD);
    this.#counter = new MessageCounter(memory.words, HEAD_COUNTERS, this.#published);
  }

  /** Whether there is something to hand out, after a new look at the tail if need be. */
  look(): boolean {
    return this.#head !== this.#tail || this.#lookAnew();
  }

  #lookAnew(): boolean {
    // SYNC tail: all records before it are seen after this load
    const tail = Atomics.load(this.memory.words, TAIL);
    if (tail === this.#head) {
      // A tail seen before and taken back is an enemy's: it is not to keep us awake
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
   * Hands out at most `most` messages up to the tail seen now, and gives their number. Their space is
   * given back in the end, or with `keep` when `publish` is called. What cannot be is an error where it
   * is the first; behind messages it ends them, and is the first next time.
   */
  drain(visit: ChannelVisit, most: number, keep = false): number {
    // What came since the last look is there now too
    if (!this.#lookAnew()) return 0;
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
      // Only those that `visit` came back from are taken
      this.#head = head;
      if (!keep && ring.length > 0) this.publish();
    }
    if (ring.length === 0) throw this.#gone();
    return count;
  }

  /** Hands out a copy of the next message up to the tail seen last; `undefined` if there is none. */
  next(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly tag: number } | undefined {
    const { ring, wide } = this.memory;
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
      // Half the time of `slice`
      const copy = length! <= SMALL
        ? this.#small.copy(wide, (index + HEADER) >> 3, length!)
        : new Uint8Array(this.#views.at(index + HEADER, length!));
      this.#head = (head + size) | 0;
      this.#taken++;
      return { bytes: copy, tag };
    }
  }

  /** Whether padding may be at `index`: it reaches to the ring's end, and is not all of it. */
  #isPadding(index: number, left: number): boolean {
    return left === this.#capacity - index && index > 0;
  }

  /** The bytes from a padding record to the ring's end. */
  #skip(index: number, left: number): number {
    if (this.#isPadding(index, left)) return left;
    throw this.#corrupt(`there is padding at ${index} where it cannot be`);
  }

  /** The size of a record of which the length was read; 0 if it cannot be, or ends behind `left` bytes. */
  #sizeOf(length: number, left: number): number {
    const size = (length + HEADER + ROUND_UP) & ~ROUND_UP;
    // Unsigned, what is less than the least is more than any span: one comparison for both bounds
    return ((length - this.#least) >>> 0) <= this.#span && size <= left ? size : 0;
  }

  /** The error for a record that cannot be, or that is not there any more. */
  #misfit(length: number | undefined, left: number, head: number): Error {
    if (length === undefined) return this.#gone();
    return this.#corrupt(
      `the message at position ${head >>> 0} has the length ${length >>> 0}, where ` +
        this.#lengths(length, left),
    );
  }

  /** What a length may be that is `length` and may not. */
  #lengths(length: number, left: number): string {
    if (this.#span === 0 && length !== this.#least) return `every message has ${this.#least}`;
    return `at most ${Math.max(0, Math.min(left - HEADER, this.#least + this.#span))} can be`;
  }

  /** Marks what is there now, readable or not. */
  mark(): void {
    this.#mark = Atomics.load(this.memory.words, TAIL);
  }

  /** Takes the mark back: what is there cannot be read. */
  unmark(): void {
    this.#mark = this.#head;
  }

  /** Whether all that was marked was handed out. */
  get passed(): boolean {
    return ((this.#head - this.#mark) | 0) >= 0;
  }

  /** Whether there is more up to the tail seen last. */
  get pending(): boolean {
    return this.#head !== this.#tail;
  }

  /** Takes back what was handed out and is not acknowledged: it comes again. */
  nack(): void {
    this.#head = this.#published;
    this.#taken = 0;
  }

  /** Gives back the space of padding that was passed over, where no message is in hand. */
  publishPadding(): void {
    if (this.#taken === 0) this.publish();
  }

  /** Gives back the space of all that was handed out, and wakes the owner if it waits for that. */
  publish(): void {
    if (this.#head !== this.#published) this.#store();
  }

  #store(): void {
    const head = this.#head;
    this.#counter.add(this.#taken, head);
    this.#taken = 0;
    this.#published = head;
    // SYNC head: all reads of what is before it come before this store
    Atomics.store(this.memory.words, HEAD, head);
    this.#owner.wake();
  }

  /** Drops all that is there now, readable or not, and goes on behind it. Gives the bytes dropped. */
  discard(): number {
    const { words } = this.memory;
    const there = Atomics.load(words, TAIL);
    const tail = there & ~ROUND_UP;
    // One that no owner stores none goes on from either: without this the lane would be lost
    if (tail !== there) Atomics.compareExchange(words, TAIL, there, tail);
    const bytes = (tail - this.#published) >>> 0;
    this.#head = this.#tail = tail;
    // How many they were only the owner's tally knows, if anybody
    this.#counter.skipTo(readMessageCount(words, TAIL_COUNTERS, tail));
    this.#taken = 0;
    // Even if we are there already: memory may say something else
    this.#store();
    return bytes;
  }

  /**
   * Checks that memory still says what we published.
   *
   * @throws {ShmError} `ECORRUPT` somebody else wrote there
   */
  checkHead(): void {
    const head = Atomics.load(this.memory.words, HEAD);
    if (head === this.#published) return;
    throw this.#corrupt(`its head is ${head >>> 0} where we wrote ${this.#published >>> 0}`);
  }
}
