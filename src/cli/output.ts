/**
 * The output of commands: results go to standard output, which another program may read through a pipe,
 * and all messages about them to standard error. Internal: used by the commands.
 */

const encoder = new TextEncoder();

/** Standard input or output failed for another reason than a closed pipe. */
export class StandardStreamError extends Error {
  constructor(action: string, cause: unknown) {
    super(`cannot ${action}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/**
 * Prints what a command has found or done, and a newline. A closed pipe does not change the result, so
 * it does not change the exit code either.
 *
 * @throws {StandardStreamError} the write failed for another reason, such as a full disk
 */
export async function print(text: string): Promise<void> {
  try {
    await printLine(text);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * Prints a line of a stream, or a line that must be read: the command must know if the reader is gone.
 *
 * @throws {Deno.errors.BrokenPipe} the reader is gone
 * @throws {StandardStreamError} the write failed for another reason
 */
export async function printLine(line: string): Promise<void> {
  await printRaw(line + "\n");
}

/** As {@linkcode printLine}, without a newline. */
export async function printRaw(text: string): Promise<void> {
  await printBytes(encoder.encode(text));
}

/** As {@linkcode printRaw}, for raw bytes; written on this thread if the write `needsNoWait`. */
export async function printBytes(bytes: Uint8Array, needsNoWait = false): Promise<void> {
  try {
    let rest = needsNoWait ? bytes.subarray(Deno.stdout.writeSync(bytes)) : bytes;
    while (rest.length > 0) rest = rest.subarray(await Deno.stdout.write(rest));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    throw new StandardStreamError("write to standard output", error);
  }
}

/**
 * As {@linkcode printRaw}, synchronously and as far as possible: for output at the very end, when no
 * wait is possible and a failure cannot be handled.
 */
export function printRawAtOnce(text: string): void {
  writeAsFarAsItGoes(Deno.stdout, text);
}

/** Writes a line to standard error. Ignores a failure to write it. */
export function report(line: string): void {
  reportRaw(line + "\n");
}

/** As {@linkcode report}, without a newline. */
export function reportRaw(text: string): void {
  writeAsFarAsItGoes(Deno.stderr, text);
}

function writeAsFarAsItGoes(
  stream: { writeSync(bytes: Uint8Array): number },
  text: string,
): void {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch {
    // Closed, full or broken: there is nowhere left to report it
  }
}

/** The longest message. A quoted argument may have any length; the reason comes before or after it. */
const MAX_MESSAGE = 800;

/** Writes why a command failed as one line to standard error; a very long line loses its middle. */
export function reportError(message: string): void {
  const line = printable(message);
  const half = MAX_MESSAGE / 2;
  const short = line.length <= MAX_MESSAGE
    ? line
    : `${line.slice(0, half)} [...] ${line.slice(-half)}`;
  report(`error: ${short}`);
}

/**
 * The codes that begin and end each style. Source: ECMA-48, SGR. `node:util` is not used, because it
 * takes longer to load than most commands run.
 */
const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  underline: [4, 24],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof CODES;

/** The style, or the styles, of a piece of text on a terminal. */
export type Format = Style | readonly Style[];

/** Text with its style if standard output is a terminal; plain text otherwise and under NO_COLOR. */
export function paint(format: Format, text: string): string {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return text;
  return [format].flat().reduceRight((inner: string, style: Style) => {
    const [begin, end] = CODES[style];
    return `\x1b[${begin}m${inner}\x1b[${end}m`;
  }, text);
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Characters that a terminal would obey rather than show: control characters, characters that set the
 * writing direction, join or hide their neighbours (Unicode's Cf), and line separators.
 */
const obeyed = (): RegExp => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Most texts have only these characters, and the first {@linkcode obeyed} takes a millisecond. */
const PLAIN = /^[ -~]*$/;

/** Text that is safe to show on a terminal: characters that it would obey become escapes. */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(obeyed(), (each) => NAMED[each] ?? escapeOf(each.codePointAt(0)!));
}

/** Prints JSON as {@linkcode print} does: unchanged, or escaped for a terminal. */
export async function printJson(json: string): Promise<void> {
  await print(shownJson(json));
}

/** JSON for standard output: unchanged, or escaped if standard output is a terminal. */
export function shownJson(json: string): string {
  return Deno.stdout.isTerminal() ? printableJson(json) : json;
}

/**
 * JSON that is safe to show on a terminal: it is still JSON and has no control characters. Its lines
 * stay lines, because a JSON string never contains a newline.
 */
export function printableJson(json: string): string {
  return json.replace(obeyed(), (each) => {
    if (each === "\n") return each;
    const units = Array.from({ length: each.length }, (_, i) => each.charCodeAt(i));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}

function escapeOf(code: number): string {
  const hex = code.toString(16);
  return code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}
