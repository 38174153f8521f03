/** Bytes in hexadecimal and as text: as `hexdump -C` prints them, or fitted to a screen. Pure. */

import { type Format, paint } from "../output.ts";
import type { Line, Span } from "../terminal/spans.ts";

/** The style of the byte at an offset, if it has one. Neighbours of one style are one piece. */
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

/** The number of bytes per line of hexdump; a gap of two spaces is in the middle. */
const LINE_BYTES = 16;
/** The widest shape, that of `hexdump -C`: 16 bytes in 78 columns. */
const WIDE: HexShape = { bytes: LINE_BYTES, digits: 8, gap: "  ", bar: "|" };
const NARROW = { gap: " ", bar: "" } as const;
/** The fewest digits of an offset on a narrow screen, so that columns do not move during scrolling. */
const FEWEST_DIGITS = 4;

/** Each byte as two hexadecimal digits, and in `TEXT` as its character or a dot. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const TEXT = Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
);

/** An offset at the beginning of a line: at least 8 hexadecimal digits. */
export function hexOffset(offset: number, digits = WIDE.digits): string {
  return offset.toString(16).padStart(digits, "0");
}

/** The width of the hexadecimal digits of `count` bytes in a row of `bytes`. */
function hexWidth(count: number, bytes: number): number {
  return 3 * count - Math.min(count, 1) + Number(bytes === LINE_BYTES && count > bytes / 2);
}

/** The shape that shows the most bytes in `columns`, for offsets up to `end`. */
export function hexShape(columns: number, end: number): HexShape {
  const fits = ({ bytes, digits, gap, bar }: HexShape): boolean =>
    digits + 2 * gap.length + hexWidth(bytes, bytes) + 2 * bar.length + bytes <= columns;
  const wide = { ...WIDE, digits: hexOffset(end).length };
  if (fits(wide)) return wide;
  const digits = Math.max(FEWEST_DIGITS, end.toString(16).length);
  let bytes = WIDE.bytes;
  do bytes /= 2; while (bytes > 1 && !fits({ ...NARROW, bytes, digits }));
  return { ...NARROW, bytes, digits };
}

/** One row: at most `shape.bytes` of the bytes at `offset`. */
export function hexRow(bytes: Uint8Array, offset: number, shape = WIDE, mark?: ByteMark): Line {
  const hex: Span[] = [];
  const text: Span[] = [];
  const count = Math.min(bytes.length, shape.bytes);
  const space = (at: number): string => at === LINE_BYTES / 2 && shape.bytes > at ? "  " : " ";
  for (let start = 0; start < count;) {
    const format = mark?.(offset + start);
    let end = start + 1;
    while (end < count && (mark === undefined || mark(offset + end) === format)) end++;
    let digits = "";
    let characters = "";
    for (let i = start; i < end; i++) {
      // The space before a piece is not part of it
      if (i > start) digits += space(i);
      digits += HEX[bytes[i]!];
      characters += TEXT[bytes[i]!];
    }
    if (start > 0) hex.push({ text: space(start) });
    hex.push(span(digits, format));
    text.push(span(characters, format));
    start = end;
  }
  const { gap, bar } = shape;
  const padding = " ".repeat(hexWidth(shape.bytes, shape.bytes) - hexWidth(count, shape.bytes));
  const at = hexOffset(offset, shape.digits);
  return [{ text: at + gap }, ...hex, { text: padding + gap + bar }, ...text, { text: bar }];
}

function span(text: string, format: Format | undefined): Span {
  return format === undefined ? { text } : { text, format };
}

/** The options of {@linkcode hexLines}. */
export interface HexOptions {
  /** The offset of the first byte. Defaults to 0. */
  readonly base?: number;
  /** Prints lines equal to the one before, in place of one `*`: `hexdump -v`. Defaults to `false`. */
  readonly repeat?: boolean;
  /** The styles of the bytes. A line with other styles is not equal. */
  readonly mark?: ByteMark | undefined;
}

/**
 * All lines; the last one is the offset after the last byte. Every piece except the last must be a
 * multiple of 16 bytes long. No bytes at offset 0 give no line, as in hexdump.
 */
export function* hexLines(
  source: Uint8Array | Iterable<Uint8Array>,
  { base = 0, repeat = false, mark }: HexOptions = {},
): Generator<string, void, void> {
  const pieces = source instanceof Uint8Array ? [source] : source;
  const before = new Uint8Array(LINE_BYTES);
  let offset = base;
  let squeezing = false;
  for (const piece of pieces) {
    for (let start = 0; start < piece.length; start += LINE_BYTES) {
      const equal = !repeat && offset > base && isAt(before, piece, start) &&
        equallyMarked(mark, offset);
      if (equal) {
        if (!squeezing) yield "*";
        offset += LINE_BYTES;
      } else {
        const line = piece.subarray(start, start + LINE_BYTES);
        yield hexRow(line, offset, WIDE, mark).map(painted).join("");
        before.set(line);
        offset += line.length;
      }
      squeezing = equal;
    }
  }
  if (offset > 0) yield hexOffset(offset);
}

function painted({ text, format }: Span): string {
  return format === undefined ? text : paint(format, text);
}

/** Whether `bytes` has the whole line at `start`. A loop, because gigabytes of zeros pass through it. */
function isAt(line: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < LINE_BYTES; i++) if (bytes[start + i] !== line[i]) return false;
  return true;
}

function equallyMarked(mark: ByteMark | undefined, offset: number): boolean {
  if (mark === undefined) return true;
  for (let at = offset; at < offset + LINE_BYTES; at++) {
    if (mark(at) !== mark(at - LINE_BYTES)) return false;
  }
  return true;
}
