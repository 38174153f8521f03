/**
 * The memory of a latest value: its words by name, and its cells. `descriptor.ts` defines which process
 * writes which word. Internal: used by the two ends of the cells.
 */

import { CELLS_OFFSET, cellSize, VALUE_OFFSET } from "./cells.ts";
import { MESSAGE_TYPE } from "../layout/message_type.ts";
import { CELL, CONTROL, HEADER, WAITING, WRITER } from "./descriptor.ts";
import type { Shape } from "./shape.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;

/** The index of each word before the cells. */
export const CONTROL_WORD = {
  TYPE: (HEADER.fields.type.offset + MESSAGE_TYPE.fields.hash.offset) / WORD,
  PUBLISHED: (CONTROL.fields.writer.offset + WRITER.fields.published.offset) / WORD,
  OPENED: (CONTROL.fields.writer.offset + WRITER.fields.opened.offset) / WORD,
} as const;

/** The index of each word of a cell, from its first one on. */
export const CELL_WORD = {
  LOW: CELL.fields.number_low.offset / WORD,
  HIGH: CELL.fields.number_high.offset / WORD,
  LENGTH: CELL.fields.length.offset / WORD,
  VALUE: VALUE_OFFSET / WORD,
} as const;

/** The offset of the word that readers wait on. */
export const WAITING_OFFSET: number = CONTROL.fields.waiting.offset + WAITING.fields.waiting.offset;

/** The memory as arrays, all of them empty after detach. */
export interface CellMemory {
  readonly shape: Shape;
  readonly words: Int32Array<ArrayBuffer>;
  /** The memory as words of 8 bytes, for small values: each value begins at such a word. */
  readonly wide: BigUint64Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The index in `words` of the first cell, and from one cell to the next. */
  readonly first: number;
  readonly stride: number;
}

/** The arrays over a segment. */
export function cellMemory(memory: ArrayBuffer, shape: Shape): CellMemory {
  return {
    shape,
    words: new Int32Array(memory),
    wide: new BigUint64Array(memory),
    bytes: new Uint8Array(memory),
    first: CELLS_OFFSET / WORD,
    stride: cellSize(shape.size) / WORD,
  };
}

const TWO_32 = 2 ** 32;

/** Above this, the number of a publication is no exact integer in JavaScript: no writer gets there. */
const HIGH_END = Number.MAX_SAFE_INTEGER / TWO_32;

/** The number of a publication, of its two words. */
export function numberOf(low: number, high: number): number {
  // Most numbers are small, and those are integers to the engine
  return high === 0 && low >= 0 ? low : (low >>> 0) + (high >>> 0) * TWO_32;
}

/** Whether this can be the high word of a number. */
export function isHigh(high: number): boolean {
  return (high >>> 0) < HIGH_END;
}
