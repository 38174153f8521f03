/**
 * The shape of a latest value: how many cells it has, and how long a value can be. Internal: used by
 * `Latest`.
 */

import {
  CELLS,
  CELLS_OFFSET,
  cellSize,
  defaultCells,
  isCells,
  isValueSize,
  VALUE_SIZE,
} from "./cells.ts";

/** The properties that do not change while a latest value exists. */
export interface Shape {
  /** Bytes of the longest value. */
  readonly size: number;
  readonly cells: number;
}

/** The size of the segment. */
export function segmentSize({ size, cells }: Shape): number {
  return CELLS_OFFSET + cells * cellSize(size);
}

/**
 * The shape that a caller requests.
 *
 * @throws {RangeError} a size or number of cells out of range
 */
export function requestedShape(
  { size, cells }: { readonly size: number; readonly cells?: number },
): Shape {
  if (!isValueSize(size)) {
    throw new RangeError(
      `size ${size} is not an integer from ${VALUE_SIZE.MIN} to ${VALUE_SIZE.MAX} bytes`,
    );
  }
  const chosen = cells ?? defaultCells(size);
  if (!isCells(chosen)) {
    throw new RangeError(
      `cells ${chosen} is not a power of two from ${CELLS.MIN} to ${CELLS.MAX}`,
    );
  }
  return { size, cells: chosen };
}
