/**
 * The writing end of a lane: records go into the ring from the tail on, and nothing of them is there
 * for others until `publish` stores the new tail. Never waits. For `producer.ts`.
 *
 * What the consumer wrote (the head) is bounded before use; our own positions are private, and memory
 * only learns of them.
 */

import { areEnds, LANE_WORD, type LaneMemory } from "./lane_words.ts";
import { PADDING, RECORD, RECORD_ALIGN } from "./descriptor.ts";
import { RingViews, SMALL, SmallPayload, WIDE } from "./payload_views.ts";
import { Tally } from "./tally.ts";

const { TAIL, HEAD, TAIL_TALLIES } = LANE_WORD;
const HEADER = RECORD.size;
const ROUND_UP = RECORD_ALIGN - 1;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const LENGTH_WORD = RECORD.fields.length.offset / WORD;
const TAG_WORD = RECORD.fields.tag.offset / WORD;
/** Payloads up to this many bytes are copied one by one: `set` costs more than that. */
const FEW = 16;

/** The words of a payload of 64 bytes. */
const LINE_WORDS = SMALL / WIDE;

const NO_WORDS = new BigUint64Array(0);

/** A point in what is staged. */
interface Mark {
  readonly tail: number;
  readonly staged: number;
  readonly published: number;
}

/** One lane, to whom owns it. */
export class LaneWriter {
  readonly memory: LaneMemory;
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #wide: BigUint64Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #capacity: number;
  readonly #small = new SmallPayload();
  readonly #views: RingViews;
  readonly #tally: Tally;
  readonly #corrupt: (what: string) => Error;
  /** Up to here it is published. */
  #published: number;
  /** Up to here there are records. */
  #tail: number;
  /** The consumer's position as we saw it last. */
  #head: number;
  /** Messages from published to tail. */
  #staged = 0;
  /** The payload written last, and its words once they are worth it. */
  #lastPayload: Uint8Array | undefined;
  #lastWords: BigUint64Array = NO_WORDS;
  /** What {@linkcode LaneWriter.reserve} found: the record's place, and the tail behind it. */
  #at = 0;
  #end = 0;

  /**
   * Goes on from the published tail. `corrupt` makes the error for a value that cannot be.
   *
   * @throws {ShmError} `ECORRUPT` head and tail cannot be those of a ring
   */
  constructor(memory: LaneMemory, corrupt: (what: string) => Error) {
    this.memory = memory;
    this.#ring = memory.ring;
    this.#wide = memory.wide;
    this.#bytes = memory.bytes;
    this.#corrupt = corrupt;
    this.#capacity = memory.bytes.length;
    // SYNC claim: the semaphore orders this after all that the lane's last owner did
    this.#published = this.#tail = Atomics.load(memory.words, TAIL);
    this.#head = this.#published;
    this.#refreshHead();
    this.#views = new RingViews(memory.bytes);
    this.#tally = new Tally(memory.words, TAIL_TALLIES, this.#published);
  }

  /** Messages written and not yet published. */
  get staged(): number {
    return this.#staged;
  }

  #refreshHead(): void {
    // SYNC head: the consumer is done with all before it, which may be overwritten now
    const head = Atomics.load(this.memory.words, HEAD);
    if (!areEnds(head, this.#published, this.#capacity)) {
      throw this.#corrupt(`its head is ${head >>> 0} and its tail ${this.#published >>> 0}`);
    }
    this.#head = head;
  }

  /**
   * Finds a place for a record of `length` payload bytes, at most {@linkcode maxMessage}, and says
   * whether there is one. Looks at the head only if what it knew is not enough.
   */
  reserve(length: number): boolean {
    const size = (length + HEADER + ROUND_UP) & ~ROUND_UP;
    const capacity = this.#capacity;
    const tail = this.#tail;
    const index = tail & (capacity - 1);
    const toEnd = capacity - index;
    const padding = size <= toEnd ? 0 : toEnd;
    const needed = padding + size;
    if (needed > capacity - ((tail - this.#head) | 0)) {
      this.#refreshHead();
      if (needed > capacity - ((tail - this.#head) | 0)) return false;
    }
    if (padding !== 0) this.#ring[(index >> 2) + LENGTH_WORD] = PADDING;
    this.#at = padding === 0 ? index : 0;
    this.#end = (tail + needed) | 0;
    return true;
  }

  /** The payload's place in the record that was reserved, to be written. */
  place(length: number): Uint8Array<ArrayBuffer> {
    return length <= SMALL ? this.#small.view(length) : this.#views.at(this.#at + HEADER, length);
  }

  /** Completes the record that was reserved and of which {@linkcode LaneWriter.place} was written. */
  commit(length: number, tag: number): void {
    if (length <= SMALL) this.#small.store(this.#wide, (this.#at + HEADER) >> 3, length);
    this.#finish(length, tag);
  }

  /**
   * Writes a record with a payload of `length` bytes, at most {@linkcode maxMessage}, if there is room,
   * and says whether. The usual case stands here in one piece: the compiler makes twice as much of it
   * as of `reserve` and `commit`.
   */
  append(payload: Uint8Array, length: number, tag: number): boolean {
    const size = (length + HEADER + ROUND_UP) & ~ROUND_UP;
    const capacity = this.#capacity;
    const tail = this.#tail;
    const index = tail & (capacity - 1);
    if (size > capacity - index || size > capacity - ((tail - this.#head) | 0)) {
      if (!this.reserve(length)) return false;
      this.#copy(payload, length, this.#at + HEADER);
      this.#finish(length, tag);
      return true;
    }
    const ring = this.#ring;
    const at = index >> 2;
    const words = this.#lastWords;
    if (payload === this.#lastPayload && words.length === length >> 3) {
      const whole = words.length;
      const bytes = this.#bytes;
      const wide = this.#wide;
      const to = (index + HEADER) >> 3;
      if (whole === LINE_WORDS) {
        // As `copyLine`, which is not always compiled into this: a call takes half as long again
        wide[to] = words[0]!;
        wide[to + 1] = words[1]!;
        wide[to + 2] = words[2]!;
        wide[to + 3] = words[3]!;
        wide[to + 4] = words[4]!;
        wide[to + 5] = words[5]!;
        wide[to + 6] = words[6]!;
        wide[to + 7] = words[7]!;
      } else for (let i = 0; i < whole; i++) wide[to + i] = words[i]!;
      for (let i = whole << 3; i < length; i++) bytes[index + HEADER + i] = payload[i]!;
    } else this.#copy(payload, length, index + HEADER);
    ring[at + LENGTH_WORD] = length;
    ring[at + TAG_WORD] = tag;
    this.#tail = (tail + size) | 0;
    this.#staged++;
    return true;
  }

  #copy(payload: Uint8Array, length: number, start: number): void {
    const bytes = this.#bytes;
    if (length <= FEW) {
      for (let i = 0; i < length; i++) bytes[start + i] = payload[i]!;
    } else bytes.set(payload, start);
    this.#remember(payload, length);
  }

  /** Keeps the words of a small payload that comes again: for one that does not, a view is dear. */
  #remember(payload: Uint8Array, length: number): void {
    const again = payload === this.#lastPayload;
    this.#lastPayload = payload;
    this.#lastWords = again && length <= SMALL && payload.byteOffset % WIDE === 0
      ? new BigUint64Array(payload.buffer, payload.byteOffset, length >> 3)
      : NO_WORDS;
  }

  #finish(length: number, tag: number): void {
    const ring = this.#ring;
    const at = this.#at >> 2;
    ring[at + LENGTH_WORD] = length;
    ring[at + TAG_WORD] = tag;
    this.#tail = this.#end;
    this.#staged++;
  }

  /** Makes all records there for the consumer. */
  publish(): void {
    const tail = this.#tail;
    this.#tally.add(this.#staged, tail);
    this.#staged = 0;
    this.#published = tail;
    // SYNC tail: all records before it come before this store
    Atomics.store(this.memory.words, TAIL, tail);
  }

  /** What is staged now, for {@linkcode LaneWriter.takeBack}. */
  mark(): Mark {
    return { tail: this.#tail, staged: this.#staged, published: this.#published };
  }

  /** Forgets what was staged since, which nobody has seen, unless it was published. */
  takeBack({ tail, staged, published }: Mark): void {
    if (this.#published !== published) return;
    this.#tail = tail;
    this.#staged = staged;
  }

  /**
   * Checks that memory still says what we published.
   *
   * @throws {ShmError} `ECORRUPT` somebody else wrote there
   */
  checkTail(): void {
    const tail = Atomics.load(this.memory.words, TAIL);
    if (tail === this.#published) return;
    throw this.#corrupt(`its tail is ${tail >>> 0} where we wrote ${this.#published >>> 0}`);
  }
}
