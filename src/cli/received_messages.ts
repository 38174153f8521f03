/**
 * Writes received messages to standard output: many are gathered and written together in the chosen
 * form, or one is written as a line. Internal: used by the commands that receive.
 */

import { isWritable, WRITABLE_BYTES } from "../../ffi/files.ts";
import { printable, printableJson, printBytes } from "./output.ts";

/** The form in which messages are written. */
export type MessageForm = "lines" | "json" | "binary";

/** What `--json` says of a message besides its content, in this order. */
export type MessageFacts = Readonly<Record<string, number>>;

/** From this many bytes on, no more is gathered: a pipe takes 64K at a time, and each write costs. */
const ENOUGH = 1 << 20;

const NEWLINE = 0x0a;

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A message as `--json` prints it: `text` if it is UTF-8, else `bytes` in base64. Its bytes must be a
 * private copy: V8 reads them twice to decode them, and writes out of bounds if the two differ.
 */
export function messageJson(facts: MessageFacts, bytes: Uint8Array): string {
  const { length } = bytes;
  try {
    return JSON.stringify({ ...facts, length, text: strict.decode(bytes) });
  } catch {
    return JSON.stringify({ ...facts, length, bytes: bytes.toBase64() });
  }
}

/** Messages that are gathered and written together. */
export class Gathering {
  readonly #form: MessageForm;
  readonly #terminal: boolean;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(ENOUGH);
  #used = 0;
  #count = 0;

  /** Output to a terminal must not control it, unless the raw bytes were asked for. */
  constructor(form: MessageForm, terminal: boolean) {
    this.#form = form;
    this.#terminal = terminal;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#used >= ENOUGH;
  }

  /** Adds a message and copies its bytes, which may be memory that a peer can still change. */
  add(facts: MessageFacts, bytes: Uint8Array): void {
    if (this.#form === "json") {
      this.#addText(messageJson(facts, bytes.slice()), printableJson);
    } else if (this.#form === "lines" && this.#terminal) {
      this.#addText(lenient.decode(bytes.slice()), printable);
    } else this.#addBytes(bytes, this.#form === "lines");
    this.#count++;
  }

  /** Adds a message that is a value, which is printed as JSON. */
  addValue(facts: MessageFacts, value: unknown): void {
    const shown = this.#form === "json" ? { ...facts, value } : value;
    this.#addText(JSON.stringify(shown), printableJson);
    this.#count++;
  }

  #addText(text: string, shown: (text: string) => string): void {
    this.#addBytes(encoder.encode(this.#terminal ? shown(text) : text), true);
  }

  #addBytes(bytes: Uint8Array, line: boolean): void {
    const end = this.#used + bytes.length + (line ? 1 : 0);
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#used);
    if (line) this.#bytes[end - 1] = NEWLINE;
    this.#used = end;
  }

  /**
   * Writes all messages, forgets them, and returns the number of bytes.
   *
   * @throws {Deno.errors.BrokenPipe} the reader is gone
   * @throws {StandardStreamError} the write failed for another reason
   */
  async write(): Promise<number> {
    const bytes = this.#used;
    await printBytes(this.#bytes.subarray(0, bytes));
    // The buffer of an unusually long message is not kept
    if (this.#bytes.length > 2 * ENOUGH) this.#bytes = new Uint8Array(ENOUGH);
    this.#used = this.#count = 0;
    return bytes;
  }
}

const STDOUT = 1;
/** Whether standard output is a terminal, which Ctrl-S can stop at any time; checked once. */
let toTerminal: boolean | undefined;

/**
 * Prints a message as a line. If the write would not wait, it is done on this thread: handing it to
 * another thread takes longer, and the sender waits for it.
 *
 * @throws {Deno.errors.BrokenPipe} the reader is gone
 * @throws {StandardStreamError} the write failed for another reason
 */
export async function printMessage(line: string): Promise<void> {
  toTerminal ??= Deno.stdout.isTerminal();
  const bytes = encoder.encode(line + "\n");
  const fits = !toTerminal && bytes.length <= WRITABLE_BYTES;
  await printBytes(bytes, fits && isWritable(STDOUT));
}
