/**
 * The reading end of the cells: attempts at the newest value, each of which is checked afterwards. Changes
 * nothing in the memory, and never waits. Internal: used by `LatestReader` and `LatestWriter`.
 *
 * An attempt is `begin`, the use of the value, and `isWhole`. The writer may write into the cell at any
 * time in between. Nothing that was read may be used before `isWhole` has returned `true`.
 *
 * All bytes are untrusted data. The length is read once and bounded by the size that this process knows.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { CELL_WORD, type CellMemory, CONTROL_WORD, isHigh, numberOf } from "./cell_memory.ts";
import { copyWords, SMALL, SmallPayload } from "../sync/payload_views.ts";
import { loadFence } from "../sync/load_fence.ts";

const { PUBLISHED } = CONTROL_WORD;
const { LOW, HIGH, LENGTH, VALUE } = CELL_WORD;
const WORD = Int32Array.BYTES_PER_ELEMENT;
const WIDE = BigUint64Array.BYTES_PER_ELEMENT;

/**
 * An attempt fails only if the writer began `cells` - 1 publications during it. So many failures in
 * sequence mean that it publishes faster than this process can copy at all.
 */
const MOST_ATTEMPTS = 1000;

/** The length in the cell is not possible. */
const IMPOSSIBLE = -1;

/** Makes the errors of the cells of one object. */
export interface CellErrors {
  /** For an impossible value in memory. */
  corrupt(what: string): ShmError;
  /** For a reader whose every attempt was overtaken. */
  overtaken(attempts: number): ShmError;
  /** For memory that was detached in the middle of an attempt. */
  gone(): ShmError;
}

/** The cells, for one reader. */
export class CellReader {
  readonly memory: CellMemory;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #first: number;
  readonly #stride: number;
  readonly #mask: number;
  /** By how many publications the writer may be ahead of a value that is whole. */
  readonly #window: number;
  /** The shortest possible length: that of every value if they are structs. */
  readonly #least: number;
  readonly #errors: CellErrors;
  /** The index of the cell of this attempt, and what was read of it. */
  #cell = 0;
  #low = 0;
  #high = 0;
  #lowThere = 0;
  /** By how many publications the writer was ahead when the high word was loaded. */
  #ahead = 0;
  #lengthThere = 0;
  #length = 0;
  readonly #small = new SmallPayload();
  #own: BigUint64Array<ArrayBuffer> = new BigUint64Array(0);
  #ownBytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** `least` is the length of every value, or 0 if lengths differ. */
  constructor(memory: CellMemory, least: number, errors: CellErrors) {
    const { shape, words, first, stride } = memory;
    this.memory = memory;
    this.#words = words;
    this.#first = first;
    this.#stride = stride;
    this.#mask = shape.cells - 1;
    this.#window = shape.cells - 2;
    this.#least = least;
    this.#errors = errors;
  }

  /** Whether the memory was detached. */
  get isGone(): boolean {
    return this.#words.length === 0;
  }

  /** The error if it was, in the middle of an attempt. */
  gone(): ShmError {
    return this.#errors.gone();
  }

  /** Whether the newest publication has another number than one with this low word. */
  isOtherThan(low: number): boolean {
    return Atomics.load(this.#words, PUBLISHED) !== low;
  }

  /** Whether the newest publication is this one. What it is otherwise can change at once. */
  isAt(number: number): boolean {
    this.begin();
    return this.number === number;
  }

  /**
   * The number of the newest publication; 0 if there is none yet.
   *
   * @throws {ShmError} as {@linkcode CellReader.load}
   */
  look(): number {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      this.begin();
      if (this.isWhole()) return this.number;
    }
    throw this.#errors.overtaken(MOST_ATTEMPTS);
  }

  /** Begins an attempt, and returns the length of the value; below 0 if there is none that can be used. */
  begin(): number {
    const words = this.#words;
    // SYNC published: all bytes of the cell are those of this publication, or of later ones
    const low = this.#low = Atomics.load(words, PUBLISHED);
    const cell = this.#cell = this.#first + (low & this.#mask) * this.#stride;
    // Comes before the copy, also on the machine: of a later publication in this cell it is larger
    this.#high = Atomics.load(words, cell + HIGH);
    // The high word is of this publication only if its cell was not written to until here
    this.#ahead = (Atomics.load(words, PUBLISHED) - low) >>> 0;
    this.#lowThere = words[cell + LOW]!;
    const length = this.#lengthThere = words[cell + LENGTH]!;
    return this.#length = length >= this.#least && length <= this.memory.shape.size
      ? length
      : IMPOSSIBLE;
  }

  /** The number of the cell of this attempt. */
  get index(): number {
    return this.#low & this.#mask;
  }

  /** The offset in the segment of the value of this attempt. */
  get offset(): number {
    return (this.#cell + VALUE) * WORD;
  }

  /** The number of the publication of this attempt; 0 if there was none yet. */
  get number(): number {
    return numberOf(this.#low, this.#high);
  }

  /** The low word of that number. */
  get low(): number {
    return this.#low;
  }

  /**
   * Ends an attempt, and returns whether all that was read since `begin` is of one publication.
   *
   * @throws {ShmError} `ECORRUPT` it is, and it is impossible
   */
  isWhole(): boolean {
    const words = this.#words;
    const cell = this.#cell;
    const low = this.#low;
    // SYNC reuse: if a byte was read of a later publication in this cell, then the load below sees at least
    // the number before that publication. This needs all loads so far to come before it
    loadFence();
    // SYNC published: the high word that is loaded next belongs to this number or to a later one
    const ahead = (Atomics.load(words, PUBLISHED) - low) >>> 0;
    if (ahead > this.#window || this.#ahead > this.#window) return false;
    if (Atomics.load(words, cell + HIGH) !== this.#high) return false;
    if (this.#lowThere !== low || !isHigh(this.#high)) throw this.#wrongNumber();
    if (this.#length === IMPOSSIBLE && this.number !== 0) throw this.#wrongLength();
    return true;
  }

  #wrongNumber(): ShmError {
    const there = `${this.#high >>> 0}:${this.#lowThere >>> 0}`;
    return this.#errors.corrupt(
      `the newest publication is ${this.#low >>> 0}, and the number in its cell is ${there}`,
    );
  }

  #wrongLength(): ShmError {
    const { size } = this.memory.shape;
    const possible = this.#least === size ? `every value has ${size}` : `at most ${size} can be`;
    return this.#errors.corrupt(
      `value ${this.number} has the length ${this.#lengthThere >>> 0}, where ${possible}`,
    );
  }

  /**
   * Copies the newest value into memory of this reader, `own`, and returns its length. The number is 0, and
   * nothing is copied, if there is no value yet.
   *
   * @throws {ShmError} `ECORRUPT`, `EAGAIN` every copy was overtaken
   */
  load(): number {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const length = this.begin();
      if (length > 0) this.#copy(length);
      if (this.isWhole()) return length;
    }
    throw this.#errors.overtaken(MOST_ATTEMPTS);
  }

  #copy(length: number): void {
    const count = (length + WIDE - 1) >> 3;
    if (count > this.#own.length) this.#grow(count);
    const { wide, bytes } = this.memory;
    const at = this.offset;
    if (length <= SMALL) copyWords(wide, at / WIDE, this.#own, 0, count);
    else this.#ownBytes.set(bytes.subarray(at, at + length));
  }

  /** Makes room for `count` words: for twice as many as before, because lengths often grow step by step. */
  #grow(count: number): void {
    const most = Math.ceil(this.memory.shape.size / WIDE);
    this.#own = new BigUint64Array(Math.min(most, Math.max(count, 2 * this.#own.length)));
    this.#ownBytes = new Uint8Array(this.#own.buffer);
  }

  /** The memory that `load` copies into. A caller may transfer it away: then the next `load` renews it. */
  get own(): Uint8Array<ArrayBuffer> {
    return this.#ownBytes;
  }

  /**
   * Returns a new copy of the newest value; `undefined` if there is none yet.
   *
   * @throws {ShmError} as {@linkcode CellReader.load}
   */
  copy(): Uint8Array<ArrayBuffer> | undefined {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const length = this.begin();
      const at = this.offset;
      const copy = length <= SMALL
        ? this.#small.copy(this.memory.wide, at / WIDE, Math.max(0, length))
        // Takes half the time of `slice`
        : new Uint8Array(this.memory.bytes.subarray(at, at + length));
      if (this.isWhole()) return this.number === 0 ? undefined : copy;
    }
    throw this.#errors.overtaken(MOST_ATTEMPTS);
  }
}
