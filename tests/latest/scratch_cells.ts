/** Cells in private memory, for tests that drive a reader and a writer step by step. */

import { ShmError } from "../../mod.ts";
import {
  CELL_WORD,
  type CellMemory,
  cellMemory,
  CONTROL_WORD,
} from "../../src/latest/cell_memory.ts";
import { type CellErrors, CellReader } from "../../src/latest/cell_reader.ts";
import { CellWriter } from "../../src/latest/cell_writer.ts";
import { segmentSize } from "../../src/latest/shape.ts";

const ERRORS: CellErrors = {
  corrupt: (facts) => new ShmError("test", undefined, "ECORRUPT", { facts }),
  gone: () => new ShmError("test", undefined, "EDETACHED"),
  overtaken: () => new ShmError("test", undefined, 11),
};

/** The memory of a latest value, and what a faulty or unlucky process does to it. */
export class ScratchCells {
  readonly memory: CellMemory;
  /** How often readers were to be woken. */
  wakes = 0;

  constructor(readonly cells: number, readonly size = 24) {
    const shape = { size, cells };
    this.memory = cellMemory(new ArrayBuffer(segmentSize(shape)), shape);
  }

  writer(): CellWriter {
    return new CellWriter(this.memory, { wake: () => this.wakes++ }, ERRORS);
  }

  /** `least` is the length of every value, or 0. `memory` may be one with a hook. */
  reader(least = 0, memory = this.memory): CellReader {
    return new CellReader(memory, least, ERRORS);
  }

  /** The memory, which calls `copying` when a reader begins to copy a value of more than 256 bytes. */
  hooked(copying: () => void): CellMemory {
    class Hooked extends Uint8Array<ArrayBuffer> {
      override subarray(from: number, to: number): Uint8Array<ArrayBuffer> {
        copying();
        return new Uint8Array(this.buffer, this.byteOffset + from, to - from);
      }
    }
    return { ...this.memory, bytes: new Hooked(this.memory.bytes.buffer) };
  }

  /** The index of a word of the cell of publication `low`. */
  word(low: number, word: keyof typeof CELL_WORD): number {
    const { first, stride } = this.memory;
    return first + (low & (this.cells - 1)) * stride + CELL_WORD[word];
  }

  get published(): number {
    return this.memory.words[CONTROL_WORD.PUBLISHED]! >>> 0;
  }

  set published(low: number) {
    this.memory.words[CONTROL_WORD.PUBLISHED] = low;
  }

  /** Makes `number` the newest publication, as if all before it had been written. */
  startAt(low: number, high = 0, length = this.size): void {
    const { words } = this.memory;
    words[this.word(low, "LOW")] = low;
    words[this.word(low, "HIGH")] = high;
    words[this.word(low, "LENGTH")] = length;
    this.published = low;
  }

  /** Does what a writer does before it publishes: the cell after the newest is written to in part. */
  beginNext(): void {
    const { words, bytes } = this.memory;
    const low = (this.published + 1) | 0;
    const value = this.word(low, "VALUE") * 4;
    words[this.word(low, "LOW")] = low;
    words[this.word(low, "LENGTH")] = this.size;
    bytes.fill(0xee, value, value + this.size / 2);
  }
}

/** A value whose bytes are all `n`, modulo 256. */
export function valueOf(n: number, length = 24): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(n);
}

/** Runs `body`, and calls `hook` with the number of each atomic load in it, just before it. */
export function beforeLoads(hook: (load: number) => void, body: () => void): void {
  const { load } = Atomics;
  let count = 0;
  let inside = false;
  const hooked = (words: Int32Array, index: number): number => {
    if (!inside) {
      inside = true;
      hook(count++);
      inside = false;
    }
    return load(words, index);
  };
  Atomics.load = hooked as typeof load;
  try {
    body();
  } finally {
    Atomics.load = load;
  }
}
