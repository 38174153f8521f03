/**
 * The cells of a latest value in numbers: how many are allowed, their size and their offsets. These need no
 * layout, so that a list of objects can recognise a latest value by its size.
 */

/** Data that two processes write is at least this many bytes apart: two cache lines of 64. */
export const LINE = 128;

/** Bytes before the cells: the lines of the header, of the writer and of the readers that wait. */
export const CELLS_OFFSET: number = 3 * LINE;

/** Bytes of a cell before its value. A test compares it with the layout. */
export const VALUE_OFFSET = 16;

/** The number of cells that a latest value may have: powers of two, so that they divide 2^32. */
export const CELLS = { MIN: 2, MAX: 4096, DEFAULT: 16, DEFAULT_LARGE: 4 } as const;

/** A cell of more than this many bytes is large: there are fewer of them by default. */
export const LARGE_CELL: number = 64 * 1024;

/** The number of bytes that a value may have. */
export const VALUE_SIZE = { MIN: 1, MAX: 1 << 30 } as const;

/** The semaphores of the set of a latest value, by number. All start at 0. */
export const SEMAPHORE = {
  /** The role of the one writer. */
  WRITER: 0,
  /** The entry lock: held briefly while joining and leaving. */
  LOCK: 1,
  /** How many peers have joined. */
  USERS: 2,
  /** 1 if the last peer to leave removes the segment and the set. Set under LOCK, without undo. */
  DISPOSABLE: 3,
} as const;

/** How many semaphores the set has. */
export const SEMAPHORE_COUNT: number = Object.keys(SEMAPHORE).length;

/** Bytes of a cell for values of `valueSize` bytes. */
export function cellSize(valueSize: number): number {
  return Math.ceil((VALUE_OFFSET + valueSize) / LINE) * LINE;
}

/** The number of cells for values of `valueSize` bytes if the caller does not choose one. */
export function defaultCells(valueSize: number): number {
  return cellSize(valueSize) > LARGE_CELL ? CELLS.DEFAULT_LARGE : CELLS.DEFAULT;
}

/** Whether a latest value may have this number of cells. */
export function isCells(cells: number): boolean {
  return Number.isInteger(cells) && cells >= CELLS.MIN && cells <= CELLS.MAX &&
    (cells & (cells - 1)) === 0;
}

/** Whether a value may have this number of bytes. */
export function isValueSize(size: number): boolean {
  return Number.isInteger(size) && size >= VALUE_SIZE.MIN && size <= VALUE_SIZE.MAX;
}

/** Whether a segment and a set of these sizes can be those of a latest value. */
export function isLatestSize(size: number, semaphores: number): boolean {
  if (semaphores !== SEMAPHORE_COUNT) return false;
  for (let cells: number = CELLS.MIN; cells <= CELLS.MAX; cells *= 2) {
    const bytes = (size - CELLS_OFFSET) / cells;
    if (bytes > 0 && bytes % LINE === 0 && bytes <= cellSize(VALUE_SIZE.MAX)) return true;
  }
  return false;
}
