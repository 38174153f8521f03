/**
 * Colours by which the fields of a struct are found again among its bytes; none where there are no
 * colours. For the commands that show both.
 */

import type { Highlight, Mark } from "./hex_dump.ts";
import { type Format, paint } from "../output.ts";
import type { FieldRow } from "./struct_fields.ts";

/** Neighbours differ; black and white are what the terminal's own colours may be. */
const FORMATS: readonly Format[] = ["cyan", "yellow", "green", "magenta"];

const HIGHLIGHTS: readonly Highlight[] = FORMATS.map((format) => (text) => paint(format, text));

/** The colour of the field with this number. */
export function colourOf(index: number): Highlight {
  return HIGHLIGHTS[index % HIGHLIGHTS.length]!;
}

/** Each byte in the colour of its field, padding in none. The rows must be in the order of memory. */
export function fieldMark(rows: readonly FieldRow[]): Mark {
  return (offset) => {
    const index = lastAt(rows, offset);
    const row = rows[index];
    return row !== undefined && offset < row.offset + row.size ? colourOf(index) : undefined;
  };
}

/** The last row that begins at `offset` or before; -1 if none does. */
function lastAt(rows: readonly FieldRow[], offset: number): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]!.offset <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
