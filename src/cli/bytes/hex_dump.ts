/**
 * Prints bytes exactly as `hexdump -C` of util-linux does, with an option to highlight some of them.
 * Pure. Internal: used by `dump`, and by `watch` and `top`, which show bytes live.
 */

/** The number of bytes per line. */
export const LINE_BYTES = 16;

const OFFSET_DIGITS = 8;
/** The byte at which a line's second half begins, after one more space. */
const HALF = LINE_BYTES / 2;
/** The width of the bytes of a full line: `xx` and a space for each, and the gap. */
const HEX_WIDTH = 3 * LINE_BYTES;

/** Each byte as two hexadecimal digits, and in `TEXT` as its character or a dot. */
export const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);
export const TEXT: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
);

/** Highlights a piece of a line, for example with colours around it. */
export type Highlight = (text: string) => string;

/** The highlight of the byte at an offset, if any. Neighbours with the same one are painted together. */
export type Mark = (offset: number) => Highlight | undefined;

/** The options of {@linkcode hexLines}. */
export interface HexOptions {
  /** The offset of the first byte. Defaults to 0. */
  readonly base?: number;
  /** Prints lines equal to the one before, in place of one `*`: `hexdump -v`. Defaults to `false`. */
  readonly repeat?: boolean;
  /** Highlights bytes, in hexadecimal and as text. A line with other highlights is not equal. */
  readonly mark?: Mark;
}

/** An offset at the beginning of a line: at least 8 hexadecimal digits. */
export function hexOffset(offset: number): string {
  return offset.toString(16).padStart(OFFSET_DIGITS, "0");
}

/** One line without a newline: up to 16 bytes at `offset`. */
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
      // The space before a run is not part of it
      if (i > start) hexRun += i === HALF ? "  " : " ";
      hexRun += HEX[bytes[i]!];
      textRun += TEXT[bytes[i]!];
    }
    if (start > 0) hex += start === HALF ? "  " : " ";
    hex += highlight === undefined ? hexRun : highlight(hexRun);
    text += highlight === undefined ? textRun : highlight(textRun);
    start = end;
  }
  // Colours have no width, so the padding is computed from the number of bytes
  const width = 3 * count - 1 + Number(count > HALF);
  return `${hexOffset(offset)}  ${hex}${" ".repeat(HEX_WIDTH - width)}  |${text}|`;
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
        yield hexLine(line, offset, mark);
        before.set(line);
        offset += line.length;
      }
      squeezing = equal;
    }
  }
  if (offset > 0) yield hexOffset(offset);
}

/** Whether `bytes` has the whole line at `start`. A loop, because gigabytes of zeros pass through it. */
function isAt(line: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < LINE_BYTES; i++) if (bytes[start + i] !== line[i]) return false;
  return true;
}

/** Whether the line at `offset` has the same highlights as the one before it. */
function equallyMarked(mark: Mark | undefined, offset: number): boolean {
  if (mark === undefined) return true;
  for (let at = offset; at < offset + LINE_BYTES; at++) {
    if (mark(at) !== mark(at - LINE_BYTES)) return false;
  }
  return true;
}
