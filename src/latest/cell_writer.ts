/**
 * The writing end of the cells: writes a value into the cell of the next publication, and publishes it by
 * one store. Never waits. Internal: used by `LatestWriter`.
 *
 * The number of the newest publication is private; memory only receives copies of it.
 */

import type { EventCount } from "../sync/event_count.ts";
import { copyWords } from "../sync/payload_views.ts";
import { CELL_WORD, type CellMemory, CONTROL_WORD, isHigh, numberOf } from "./cell_memory.ts";
import type { CellErrors } from "./cell_reader.ts";

const { PUBLISHED, OPENED } = CONTROL_WORD;
const { LOW, HIGH, LENGTH, VALUE } = CELL_WORD;
const WORD = Int32Array.BYTES_PER_ELEMENT;

/** The cells, for the one writer. */
export class CellWriter {
  readonly memory: CellMemory;
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #wide: BigUint64Array<ArrayBuffer>;
  readonly #first: number;
  readonly #stride: number;
  readonly #mask: number;
  readonly #readers: Pick<EventCount, "wake">;
  readonly #errors: CellErrors;
  /** The number of the newest publication. */
  #low: number;
  #high: number;

  /**
   * Continues after the newest publication. `readers` wakes those that wait.
   *
   * @throws {ShmError} `ECORRUPT` its cell has another number
   */
  constructor(memory: CellMemory, readers: Pick<EventCount, "wake">, errors: CellErrors) {
    const { shape, words, first, stride } = memory;
    this.memory = memory;
    this.#words = words;
    this.#wide = memory.wide;
    this.#first = first;
    this.#stride = stride;
    this.#mask = shape.cells - 1;
    this.#readers = readers;
    this.#errors = errors;
    // SYNC role: the semaphore orders this after all actions of the last writer
    this.#low = Atomics.load(words, PUBLISHED);
    const cell = this.#cellOf(this.#low);
    this.#high = words[cell + HIGH]!;
    if (words[cell + LOW] !== this.#low || !isHigh(this.#high)) {
      throw errors.corrupt(
        `the newest publication is ${this.#low >>> 0}, and the number in its cell is ` +
          `${this.#high >>> 0}:${words[cell + LOW]! >>> 0}`,
      );
    }
    Atomics.add(words, OPENED, 1);
  }

  /** Whether the memory was detached. */
  get isGone(): boolean {
    return this.#words.length === 0;
  }

  /** The number of the newest publication; 0 before the first. */
  get number(): number {
    return numberOf(this.#low, this.#high);
  }

  /** The index of the first word of the cell of a publication. */
  #cellOf(low: number): number {
    return this.#first + (low & this.#mask) * this.#stride;
  }

  /**
   * Publishes `length` bytes, at most the size of a value, as the next value. Returns its number.
   *
   * @throws {ShmError} `ECORRUPT` memory no longer holds the number that we published; nothing is written
   */
  write(value: Uint8Array, length: number): number {
    const cell = this.#begin(length);
    this.memory.bytes.set(value, (cell + VALUE) * WORD);
    return this.#publish();
  }

  /** As {@linkcode CellWriter.write}, for a small value in words. */
  writeWords(value: BigUint64Array<ArrayBuffer>, length: number): number {
    const cell = this.#begin(length);
    copyWords(value, 0, this.#wide, (cell + VALUE) >> 1, (length + 7) >> 3);
    return this.#publish();
  }

  /** Writes the head of the next cell, and returns the index of its first word. */
  #begin(length: number): number {
    const words = this.#words;
    const before = this.#low;
    const there = words[PUBLISHED]!;
    if (there !== before) throw this.#overwritten(there);
    const low = (before + 1) | 0;
    const high = (low === 0 ? this.#high + 1 : this.#high) | 0;
    const cell = this.#cellOf(low);
    words[cell + LOW] = low;
    words[cell + HIGH] = high;
    words[cell + LENGTH] = length;
    return cell;
  }

  #publish(): number {
    const low = this.#low = (this.#low + 1) | 0;
    if (low === 0) this.#high = (this.#high + 1) | 0;
    // SYNC published: all bytes of the cell come before this store
    Atomics.store(this.#words, PUBLISHED, low);
    // SYNC reuse: this begins with an atomic load, which comes after the store above and before the plain
    // stores of the next publication. So a reader that sees one of those sees this publication, too
    this.#readers.wake();
    return numberOf(low, this.#high);
  }

  #overwritten(there: number): Error {
    return this.#errors.corrupt(
      `the newest publication is ${there >>> 0} where we wrote ${this.#low >>> 0}`,
    );
  }
}
