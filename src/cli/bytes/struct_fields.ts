/** The fields of a C struct as rows: the offset, type and value of each. Pure. */

import type { AnyStructLayout, Layout } from "../../layout/layout.ts";
import type { Format } from "../output.ts";
import {
  fieldText,
  type FieldValue,
  fieldValue,
  type Leaf,
  SHOWN,
  typeText,
} from "./field_text.ts";
import type { ByteMark } from "./hex.ts";

/** The options of {@linkcode fieldRows}. */
export interface FieldOptions {
  /** The offset of the struct's first byte, added to the offsets of the rows. Defaults to 0. */
  readonly base?: number;
  /** The prefix of the paths: `[3].` for the fourth of several records. */
  readonly prefix?: string;
  /** Shows long strings, arrays and arrays of structs in full; otherwise only their beginning. */
  readonly full?: boolean;
}

/** One field, or the rest of an array of structs, which is not shown. */
export interface FieldRow {
  /** `can_read`, `head.count`, `points[2].x`; `points[8..99]` for a rest. */
  readonly path: string;
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** As C writes it: `int32_t`, `char[2048]`; `struct[92]` for a rest. */
  readonly type: string;
  /** The value for JSON, see {@linkcode fieldValue}; null for a rest. */
  readonly value: FieldValue | null;
  /** The text for people: one printable line. */
  readonly text: string;
}

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly layout: Layout;
}

/**
 * The fields in the order of memory, each field of a nested struct by itself. An array without structs
 * is one row. Offsets begin at `options.base`.
 */
function* places(
  layout: AnyStructLayout,
  { base = 0, prefix = "", full = false }: FieldOptions,
): Generator<Place, void, void> {
  for (const [name, field] of Object.entries(layout.fields)) {
    yield* placesIn(field.layout, prefix + name, base + field.offset, full);
  }
}

function* placesIn(
  layout: Layout,
  path: string,
  offset: number,
  full: boolean,
): Generator<Place, void, void> {
  if (layout.kind === "struct" || layout.kind === "union") {
    return yield* places(layout, { base: offset, prefix: `${path}.`, full });
  }
  if (layout.kind !== "array" || !holdsStructs(layout)) return yield { path, offset, layout };
  const { element, length } = layout;
  const count = full ? length : Math.min(length, SHOWN.elements);
  for (let i = 0; i < count; i++) {
    yield* placesIn(element, `${path}[${i}]`, offset + i * element.size, full);
  }
  if (count < length) {
    const left = length - count;
    yield {
      path: `${path}[${left === 1 ? count : `${count}..${length - 1}`}]`,
      offset: offset + count * element.size,
      layout: { ...layout, length: left, size: left * element.size },
    };
  }
}

function holdsStructs(layout: Layout): boolean {
  return layout.kind === "array"
    ? holdsStructs(layout.element)
    : layout.kind === "struct" || layout.kind === "union";
}

/** The number of rows that {@linkcode fieldRows} would return, counted up to `limit` + 1. */
export function countFields(
  layout: AnyStructLayout,
  options: FieldOptions,
  limit: number,
): number {
  let count = 0;
  for (const _ of places(layout, options)) if (++count > limit) break;
  return count;
}

function rowOf(
  { path, offset, layout }: Place,
  data: DataView,
  at: number,
  full: boolean,
): FieldRow {
  const leaf = holdsStructs(layout) ? undefined : layout as Leaf;
  return {
    path,
    offset,
    size: layout.size,
    type: typeText(layout),
    get value(): FieldValue | null {
      return leaf === undefined ? null : fieldValue(leaf, data, at);
    },
    get text(): string {
      return leaf === undefined ? "not shown" : fieldText(leaf, data, at, full);
    },
  };
}

/**
 * The rows of the struct at the beginning of `bytes`. That must be a private copy of the struct's size,
 * because values are decoded on access.
 */
export function fieldRows(
  layout: AnyStructLayout,
  bytes: Uint8Array,
  options: FieldOptions = {},
): FieldRow[] {
  const { base = 0, full = false } = options;
  const data = new DataView(bytes.buffer, bytes.byteOffset, layout.size);
  return Array.from(
    places(layout, options),
    (place) => rowOf(place, data, place.offset - base, full),
  );
}

/** Neighbours have different colours; black and white may be the terminal's own colours. */
const COLOURS: readonly Format[] = ["cyan", "yellow", "green", "magenta"];

/** The colour of the field with this index, in the table and among the bytes. */
export function colourOf(index: number): Format {
  return COLOURS[index % COLOURS.length]!;
}

/** Marks each byte in the colour of its field, padding in none. The rows must be in memory order. */
export function fieldMark(rows: readonly FieldRow[]): ByteMark {
  return (offset) => {
    let [index, end] = [-1, rows.length];
    // The last row that begins at or before the offset
    while (end - index > 1) {
      const middle = (index + end) >>> 1;
      if (rows[middle]!.offset <= offset) index = middle;
      else end = middle;
    }
    const row = rows[index];
    return row !== undefined && offset < row.offset + row.size ? colourOf(index) : undefined;
  };
}
