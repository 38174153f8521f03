/**
 * Bytes in hexadecimal and as text on a screen of any width: as `hexdump -C` shows them if that fits,
 * otherwise fewer per line. Pure. Internal: used by `top` and `watch`; `hex_dump.ts` is for output that
 * a program may read.
 */

import { HEX, hexOffset, LINE_BYTES, TEXT } from "./hex_dump.ts";
import type { Format } from "../output.ts";
import type { Line, Span } from "../terminal/spans.ts";

/** The style of one byte, if it has one. */
export type ByteMark = (offset: number) => Format | undefined;

/** The layout of rows for a width. */
export interface HexShape {
  /** Bytes per row. */
  readonly bytes: number;
  /** The number of digits of the offset. */
  readonly digits: number;
  /** The separator between offset, bytes and text, and the bar around the text. */
  readonly gap: string;
  readonly bar: string;
}

/** The widest shape, that of `hexdump -C`: 16 bytes in 78 columns. */
const WIDE = { bytes: LINE_BYTES, gap: "  ", bar: "|" } as const;
const NARROW = { gap: " ", bar: "" } as const;
/** The fewest digits of an offset, so that columns do not move during scrolling. */
const FEWEST_DIGITS = 4;

/** The width of a row of this shape, in columns. */
function widthOf({ bytes, digits, gap, bar }: HexShape): number {
  const hex = 3 * bytes - 1 + halfGap(bytes).length;
  return digits + gap.length + hex + gap.length + 2 * bar.length + bytes;
}

/** The gap in the middle: sixteen bytes are shown as two groups of eight. */
function halfGap(bytes: number): string {
  return bytes === WIDE.bytes ? " " : "";
}

/** The shape that shows the most bytes in `columns`, for offsets up to `end`. */
export function hexShape(columns: number, end: number): HexShape {
  const wide = { ...WIDE, digits: hexOffset(end).length };
  if (widthOf(wide) <= columns) return wide;
  const digits = Math.max(FEWEST_DIGITS, end.toString(16).length);
  let bytes = WIDE.bytes;
  do bytes /= 2; while (bytes > 1 && widthOf({ ...NARROW, bytes, digits }) > columns);
  return { ...NARROW, bytes, digits };
}

/** One row: at most `shape.bytes` of the bytes at `offset`. */
export function hexRow(
  bytes: Uint8Array,
  offset: number,
  shape: HexShape,
  mark: ByteMark = () => undefined,
): Line {
  const { gap, bar } = shape;
  const hex: Span[] = [];
  const text: Span[] = [];
  for (let i = 0; i < shape.bytes; i++) {
    if (i > 0) hex.push({ text: i === shape.bytes / 2 ? " " + halfGap(shape.bytes) : " " });
    const byte = bytes[i];
    if (byte === undefined) {
      hex.push({ text: "  " });
      continue;
    }
    const format = mark(offset + i);
    hex.push(span(HEX[byte]!, format));
    text.push(span(TEXT[byte]!, format));
  }
  const at = offset.toString(16).padStart(shape.digits, "0");
  return merged([{ text: at + gap }, ...hex, { text: gap + bar }, ...text, { text: bar }]);
}

function span(text: string, format: Format | undefined): Span {
  return format === undefined ? { text } : { text, format };
}

/** Merges neighbours of the same style. */
function merged(spans: readonly Span[]): Line {
  const line: Span[] = [];
  for (const each of spans) {
    const last = line.at(-1);
    if (last === undefined || last.format !== each.format) line.push(each);
    else line[line.length - 1] = { ...last, text: last.text + each.text };
  }
  return line;
}
