/**
 * The layout of a latest value: its bytes, its semaphores, its numbers. Data only; `docs/wire_format.md`
 * defines their meaning, and `docs/memory_model.md` explains why it is correct.
 * `c/shm_latest_layout.h` is generated from this file (`deno task layout`).
 *
 * ```
 * offset  0          128         256         384                 384 + stride
 *         ┌──────────┬───────────┬───────────┬────────┬──────────┬────────┬──────────┬─── ─ ───┐
 *         │ header   │ writer    │ waiting   │ cell 0:           │ cell 1 │          │         │
 *         │          │           │           │ number │ value    │ number │ value    │  ...    │
 *         └──────────┴───────────┴───────────┴────────┴──────────┴────────┴──────────┴─── ─ ───┘
 * ```
 *
 * Words that different processes write are 128 bytes apart, and a cell is a multiple of that: the stride.
 * For each: its writer; its readers.
 *
 * - header: the creator, once; all peers. `magic` is stored last, `version` before it.
 * - writer line, `published`: the writer; the readers. `opened`: the writer, once; for display.
 * - waiting line, `waiting`: a reader with write access sets bit 0, the writer adds 1 and so clears it;
 *   the writer and the readers.
 * - cell: the writer; the readers, which check afterwards that it was not written in the meantime.
 *
 * Invariants: publication n, counted from 1, lies in cell n modulo `cells`. `published` is n modulo 2^32
 * for the newest one, and its cell has the number n. The writer changes only the cell of n + 1. So the
 * values of the last `cells` - 1 publications are whole.
 *
 * Edges: SYNC ready (magic), SYNC published, SYNC reuse, SYNC waiting (twice), SYNC role.
 */

import type { ScalarLayout, StructLayout } from "../layout/layout.ts";
import type { NamedStructs } from "../layout/layout_hash.ts";
import { u32 } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";
import { type HeaderLayout, headerLayout, MAGIC as MAGICS } from "../sync/header_layout.ts";
import { LINE } from "./cells.ts";

export {
  CELLS,
  CELLS_OFFSET,
  LARGE_CELL,
  LINE,
  SEMAPHORE,
  SEMAPHORE_COUNT,
  VALUE_OFFSET,
  VALUE_SIZE,
} from "./cells.ts";

type U32 = ScalarLayout<number>;

/** "SHML" in memory. Its bytes are reversed on a machine with the other byte order. */
export const MAGIC: number = MAGICS.LATEST;
/** Changes when the meaning of the bytes changes. */
export const VERSION = 1;

/**
 * The header, which all peers check first. Written once. `cells` is their number, a power of two, and
 * `value_size` the bytes of the longest value; `reserved` is 0.
 */
export const HEADER: HeaderLayout<"cells" | "value_size" | "reserved"> = headerLayout(
  "cells",
  "value_size",
  "reserved",
);

/** The line of the writer. */
export const WRITER: StructLayout<{ published: U32; opened: U32 }> = struct({
  /** The number of the newest publication modulo 2^32; 0 before the first. */
  published: u32,
  /** How many writers there have been. */
  opened: u32,
}, { align: LINE });

/** The line of the readers that wait. */
export const WAITING: StructLayout<{ waiting: U32 }> = struct({
  /** An event count: odd while a reader sleeps or is about to; a wake makes it even by adding 1. */
  waiting: u32,
}, { align: LINE });

/** The bytes before the cells. */
export const CONTROL: StructLayout<{
  header: typeof HEADER;
  writer: typeof WRITER;
  waiting: typeof WAITING;
}> = struct({ header: HEADER, writer: WRITER, waiting: WAITING });

/** A cell: this, the value, and unused bytes up to a multiple of {@linkcode LINE}. */
export const CELL: StructLayout<{
  number_low: U32;
  number_high: U32;
  length: U32;
  reserved: U32;
}> = struct({
  /** The number of the publication in this cell, 64 bits. */
  number_low: u32,
  number_high: u32,
  /** Bytes of the value. */
  length: u32,
  /** 0. */
  reserved: u32,
});

/** All structs, of which the layout hash is computed. */
export const STRUCTS: NamedStructs = { HEADER, WRITER, WAITING, CONTROL, CELL };
