/**
 * The messages that a user gives as arguments or as lines of standard input. Lines are split as bytes, so
 * that one that is too long, or is not text, can be reported as such and uses no memory. Internal: used by
 * `client`, `send` and `pub`.
 */

import { inputChunks } from "./standard_input.ts";

/** One line without its terminator (`\n` or `\r\n`). */
export interface Line {
  readonly length: number;
  /** Its bytes, without those beyond the limit. */
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * The lines of `input`, in the batches in which they came. Keeps at most `limit` + 1 bytes of each line.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<readonly Line[], void, void> {
  const kept = new Uint8Array(limit + 2); // one more than allowed, and the \r of \r\n
  let length = 0;
  let last = 0;
  const take = (): Line => {
    const end = last === RETURN ? length - 1 : length;
    const line = { length: end, bytes: kept.slice(0, Math.min(end, limit + 1)) };
    length = last = 0;
    return line;
  };
  for await (const chunk of input) {
    const lines: Line[] = [];
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline;
      const part = chunk.subarray(start, end);
      if (length < kept.length) kept.set(part.subarray(0, kept.length - length), length);
      length += part.length;
      last = part.at(-1) ?? last;
      start = end + 1;
      if (newline !== -1) lines.push(take());
    }
    if (lines.length > 0) yield lines;
  }
  if (length > 0) yield [take()];
}

/** An argument or a line, and how an error names it: `argument 1`, `line 2`. */
export interface Draft extends Line {
  readonly what: string;
}

/** The sizes of the messages of a channel or a topic. */
export interface MessageSizes {
  /** Bytes of every message, or 0 if lengths differ; and the most bytes of a message. */
  readonly messageSize: number;
  readonly maxMessage: number;
}

/** Whether a message may have this many bytes. */
export function fits(length: number, { messageSize, maxMessage }: MessageSizes): boolean {
  return messageSize === 0 ? length <= maxMessage : length === messageSize;
}

/** Why a draft that does not fit is not sent. */
export function misfitText(
  { what, length }: Draft,
  { messageSize, maxMessage }: MessageSizes,
): string {
  const limit = messageSize === 0
    ? `a message at most ${maxMessage}`
    : `each message ${messageSize}`;
  return `${what} has ${length} bytes, and ${limit}: not sent`;
}

/** The `texts`, or if there are none the lines of standard input, in the batches in which they come. */
export async function* draftsFrom(
  texts: readonly string[],
  signal: AbortSignal,
  limit: number,
): AsyncGenerator<readonly Draft[], void, void> {
  if (texts.length > 0) {
    yield texts.map((text, index) => {
      const bytes = new TextEncoder().encode(text);
      return { what: `argument ${index + 1}`, bytes, length: bytes.length };
    });
    return;
  }
  let number = 0;
  for await (const lines of readLines(inputChunks(signal), limit)) {
    yield lines.map((line) => ({ ...line, what: `line ${++number}` }));
  }
}
