/**
 * Colours that connect the fields of a struct with their bytes in a dump, if colours are on. Internal:
 * used by the commands that show both.
 */

import type { Highlight, Mark } from "./hex_dump.ts";
import { type Format, paint } from "../output.ts";
import type { FieldRow } from "./struct_fields.ts";

/** Neighbours have different colours; black and white may be the terminal's own colours. */
const FORMATS: readonly Format[] = ["cyan", "yellow", "green", "magenta"];

const HIGHLIGHTS: readonly Highlight[] = FORMATS.map((format) => (text) => paint(format, text));

/** The colour of the field with this index. */
export function colourOf(index: number): Highlight {
  return HIGHLIGHTS[index % HIGHLIGHTS.length]!;
}

/** Marks each byte in the colour of its field, padding in none. The rows must be in memory order. */
export function fieldMark(rows: readonly FieldRow[]): Mark {
  return (offset) => {
    const index = lastAt(rows, offset);
    const row = rows[index];
    return row !== undefined && offset < row.offset + row.size ? colourOf(index) : undefined;
  };
}

/** The index of the last row that begins at or before `offset`; -1 if there is none. */
function lastAt(rows: readonly FieldRow[], offset: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.offset <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
