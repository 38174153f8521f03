/**
 * Where words go: results to standard output, which may be a pipe that somebody reads, and all talk
 * about them to standard error. For the commands of this folder.
 */

const encoder = new TextEncoder();

/** Standard input or output failed, and not because the other side has gone. */
export class StandardStreamError extends Error {
  constructor(action: string, cause: unknown) {
    super(`cannot ${action}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/**
 * Prints what a command has found or done, and a newline. That nobody reads it any more changes nothing
 * about that, and so nothing about the exit code.
 *
 * @throws {StandardStreamError} it cannot be written otherwise: a full disk, say
 */
export async function print(text: string): Promise<void> {
  try {
    await printLine(text);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * Prints a line of a stream, or one that must be read: whose end matters to what comes next.
 *
 * @throws {Deno.errors.BrokenPipe} nobody reads it any more
 * @throws {StandardStreamError} it cannot be written otherwise
 */
export async function printLine(line: string): Promise<void> {
  await printRaw(line + "\n");
}

/** As {@linkcode printLine}, without ending the line. */
export async function printRaw(text: string): Promise<void> {
  await printBytes(encoder.encode(text));
}

/** As {@linkcode printRaw}, bytes as they are; written on this thread where that `needsNoWait`. */
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
 * As {@linkcode printRaw}, at once and as far as it goes: for what must be said at the very end, when
 * nothing can be waited for and nothing be done about a failure.
 */
export function printRawAtOnce(text: string): void {
  writeAsFarAsItGoes(Deno.stdout, text);
}

/** Writes a line on standard error. That nobody reads it is no reason to stop. */
export function report(line: string): void {
  reportRaw(line + "\n");
}

/** As {@linkcode report}, without ending the line. */
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
    // Closed, full or broken: there is nowhere left to say so
  }
}

/** An argument that is quoted may be of any length; what is wrong with it is said before or after. */
const MAX_MESSAGE = 800;

/** Writes why a command failed as one line on standard error, a very long one without its middle. */
export function reportError(message: string): void {
  const line = printable(message);
  const half = MAX_MESSAGE / 2;
  const short = line.length <= MAX_MESSAGE
    ? line
    : `${line.slice(0, half)} [...] ${line.slice(-half)}`;
  report(`error: ${short}`);
}

/**
 * The codes that begin and end each way to stand out. Source: ECMA-48, SGR. Not by `node:util`, which
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

/** One way to stand out. */
export type Style = keyof typeof CODES;

/** How a piece of text stands out on a terminal. */
export type Format = Style | readonly Style[];

/** Text that stands out where standard output is a terminal, and plain text under NO_COLOR. */
export function paint(format: Format, text: string): string {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return text;
  return [format].flat().reduceRight((inner: string, style: Style) => {
    const [begin, end] = CODES[style];
    return `\x1b[${begin}m${inner}\x1b[${end}m`;
  }, text);
}

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * What a terminal would obey rather than show: control characters, and those that set the direction of
 * writing, join or hide what stands beside them (Unicode's Cf), and its separators of lines.
 */
const obeyed = (): RegExp => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Most texts are of these characters alone, and the first {@linkcode obeyed} takes a millisecond. */
const PLAIN = /^[ -~]*$/;

/** Text as it can be shown on a terminal: what it would obey is shown as an escape instead. */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(obeyed(), (each) => NAMED[each] ?? escapeOf(each.codePointAt(0)!));
}

/** Prints JSON as {@linkcode print} does: as it is, or as a terminal can show it. */
export async function printJson(json: string): Promise<void> {
  await print(shownJson(json));
}

/** JSON for standard output: as it is, or where that is a terminal as one can show it. */
export function shownJson(json: string): string {
  return Deno.stdout.isTerminal() ? printableJson(json) : json;
}

/**
 * JSON as it can be shown on a terminal: still JSON, and nothing in it that would control one. Its
 * lines stay lines, for a newline is never part of a string in it.
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
