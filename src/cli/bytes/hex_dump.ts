/**
 * Bytes as `hexdump -C` of util-linux prints them, line for line, and a way to let some of them stand
 * out. Pure. For `dump`, and for `watch` and `top`, which show bytes live.
 */

/** Bytes a line. */
export const LINE_BYTES = 16;

const OFFSET_DIGITS = 8;
/** Where a line's second half begins, after one more space. */
const HALF = LINE_BYTES / 2;
/** How wide the bytes of a full line are, `xx` and a space each, and the gap. */
const HEX_WIDTH = 3 * LINE_BYTES;

/** A byte as two hexadecimal digits, and as the character it stands for or a dot. */
export const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);
export const TEXT: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
);

/** Makes a piece of a line stand out: gives it back with colours around, say. */
export type Highlight = (text: string) => string;

/** How the byte at an offset stands out, if at all. Neighbours of the same one are painted as one. */
export type Mark = (offset: number) => Highlight | undefined;

/** What {@linkcode hexLines} prints beyond the bytes. */
export interface HexOptions {
  /** The offset of the first byte; 0 if not said. */
  readonly base?: number;
  /** Prints lines equal to the one before, for which else one `*` stands: `hexdump -v`. */
  readonly repeat?: boolean;
  /** Lets bytes stand out, on both sides. A line that is marked otherwise is not equal. */
  readonly mark?: Mark;
}

/** An offset as the lines begin with it: at least 8 hexadecimal digits. */
export function hexOffset(offset: number): string {
  return offset.toString(16).padStart(OFFSET_DIGITS, "0");
}

/** One line: up to 16 bytes that lie at `offset`, without the end of line. */
export function hexLine(bytes: Uint8Array, offset: number, mark?: Mark): string {
  let hex = "";
  let text = "";
  const count = Math.min(bytes.length, LINE_BYTES);
  for (let start = 0; start < count;) {
    const highlight = mark?.(offset + start);
    let end = start + 1;
    while (end < count && (mark === undefined || mark(offset + end) === highlight)) end++;
    let hexRun = "";
    let textRun = "";
    for (let i = start; i < end; i++) {
      // The space before a run is no part of it
      if (i > start) hexRun += i === HALF ? "  " : " ";
      hexRun += HEX[bytes[i]!];
      textRun += TEXT[bytes[i]!];
    }
    if (start > 0) hex += start === HALF ? "  " : " ";
    hex += highlight === undefined ? hexRun : highlight(hexRun);
    text += highlight === undefined ? textRun : highlight(textRun);
    start = end;
  }
  // Colours take no room, so what a full line has more is counted and not measured
  const width = 3 * count - 1 + Number(count > HALF);
  return `${hexOffset(offset)}  ${hex}${" ".repeat(HEX_WIDTH - width)}  |${text}|`;
}

/**
 * All lines, the last of them the offset after the last byte. What comes in pieces must come in
 * multiples of 16 bytes, all but the last. Nothing at all at offset 0 is no line, as in hexdump.
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
        yield hexLine(line, offset, mark);
        before.set(line);
        offset += line.length;
      }
      squeezing = equal;
    }
  }
  if (offset > 0) yield hexOffset(offset);
}

/** Whether the whole line is there at `start`. A loop: gigabytes of zeros are compared line by line. */
function isAt(line: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < LINE_BYTES; i++) if (bytes[start + i] !== line[i]) return false;
  return true;
}

/** Whether the line at `offset` stands out as the one before it does. */
function equallyMarked(mark: Mark | undefined, offset: number): boolean {
  if (mark === undefined) return true;
  for (let at = offset; at < offset + LINE_BYTES; at++) {
    if (mark(at) !== mark(at - LINE_BYTES)) return false;
  }
  return true;
}
