/**
 * Bytes in hexadecimal and as text on a screen as wide as it happens to be: as `hexdump -C` has them
 * where that fits, fewer on a line where it does not. Pure. For `top` and `watch`; `hex_dump.ts` is for
 * output that a program may read.
 */

import { HEX, hexOffset, LINE_BYTES, TEXT } from "./hex_dump.ts";
import type { Format } from "../output.ts";
import type { Line, Span } from "../terminal/spans.ts";

/** How one byte stands out, if it does. */
export type ByteMark = (offset: number) => Format | undefined;

/** How rows are laid out in a width. */
export interface HexShape {
  /** Bytes a row. */
  readonly bytes: number;
  /** Digits of the offset. */
  readonly digits: number;
  /** What stands between offset, bytes and text, and around the text. */
  readonly gap: string;
  readonly bar: string;
}

/** The widest shape, that of `hexdump -C`: 16 bytes in 78 columns. */
const WIDE = { bytes: LINE_BYTES, gap: "  ", bar: "|" } as const;
const NARROW = { gap: " ", bar: "" } as const;
/** Offsets with fewer digits would jump about as one scrolls. */
const FEWEST_DIGITS = 4;

/** The columns a row of this shape takes. */
function widthOf({ bytes, digits, gap, bar }: HexShape): number {
  const hex = 3 * bytes - 1 + halfGap(bytes).length;
  return digits + gap.length + hex + gap.length + 2 * bar.length + bytes;
}

/** Sixteen bytes are read as twice eight. */
function halfGap(bytes: number): string {
  return bytes === WIDE.bytes ? " " : "";
}

/** The shape that shows most in `columns`, for offsets up to `end`. */
export function hexShape(columns: number, end: number): HexShape {
  const wide = { ...WIDE, digits: hexOffset(end).length };
  if (widthOf(wide) <= columns) return wide;
  const digits = Math.max(FEWEST_DIGITS, end.toString(16).length);
  let bytes = WIDE.bytes;
  do bytes /= 2; while (bytes > 1 && widthOf({ ...NARROW, bytes, digits }) > columns);
  return { ...NARROW, bytes, digits };
}

/** One row: the bytes that lie at `offset`, of which `shape.bytes` are shown at most. */
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

/** Neighbours that look the same as one. */
function merged(spans: readonly Span[]): Line {
  const line: Span[] = [];
  for (const each of spans) {
    const last = line.at(-1);
    if (last === undefined || last.format !== each.format) line.push(each);
    else line[line.length - 1] = { ...last, text: last.text + each.text };
  }
  return line;
}
