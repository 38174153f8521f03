/**
 * The terminal as a screen of our own: keys one by one, whole frames, and everything as it was
 * afterwards, whatever ends us. For `top` and `watch`.
 *
 * While it is ours the terminal is in raw mode, so that Ctrl-C and Ctrl-Z are keys like others, shows
 * its alternate screen without a cursor, and does not wrap lines. Deno itself puts raw mode back when
 * the process ends in any way but SIGKILL; the rest is put back here.
 */

import { stopThisProcess } from "../../../ffi/libc.ts";
import { paint, printRaw, printRawAtOnce, StandardStreamError } from "../output.ts";
import { type Key, KeyDecoder } from "./keys.ts";
import { cropLine, type Line, lineWidth, type Size, type Span } from "./spans.ts";

/** What a person did: pressed a key, gave the terminal another size, closed it. */
export type ScreenEvent =
  | { readonly kind: "key"; readonly key: Key }
  | { readonly kind: "resize" }
  | { readonly kind: "closed" };

/** Alternate screen, no cursor, no wrapping, pasted text marked as such. Source: xterm, ctlseqs. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h";
const LEAVE = "\x1b[0m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l";
const CLEAR = "\x1b[2J";
const CLEAR_TO_END_OF_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Where a terminal does not know its size, as on a serial line. */
const DEFAULT_SIZE: Size = { columns: 80, rows: 24 };

/** How long what begins like a key may take to go on; a lone Escape is noticed after it. */
const ESCAPE_MS = 50;

const INPUT_BYTES = 1024;

/** What happens just before the process ends while the terminal is ours. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/** Whether there is a terminal to draw on and to read keys from. */
export function hasTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** The terminal, ours until disposed. */
export class Screen implements Disposable {
  readonly #decoder = new KeyDecoder();
  readonly #events: ScreenEvent[] = [];
  #wake: () => void = () => {};
  #escape: ReturnType<typeof setTimeout> | undefined;
  #clear = true;
  #left = false;
  readonly #resized = (): void => {
    this.#clear = true;
    this.#push({ kind: "resize" });
  };
  /** Somebody stopped us and the shell had the terminal meanwhile; or it has gone, which says so too. */
  readonly #continued = (): void => {
    try {
      this.#take();
      this.#resized();
    } catch {
      this.#push({ kind: "closed" });
    }
  };
  readonly #leave = (): void => this.#giveBack();
  /** Who stops us gives the terminal to the shell: as it was, and then we stop as we would have. */
  readonly #stopped = (): void => {
    this.#giveBack();
    stopThisProcess();
  };

  /** Takes the terminal. Ask {@linkcode hasTerminal} before. */
  constructor() {
    Deno.addSignalListener("SIGWINCH", this.#resized);
    Deno.addSignalListener("SIGCONT", this.#continued);
    Deno.addSignalListener("SIGTSTP", this.#stopped);
    // Where a second signal ends the process at once, and where an error does that nobody catches
    for (const end of ENDS) globalThis.addEventListener(end, this.#leave);
    try {
      this.#take();
    } catch (error) {
      this[Symbol.dispose]();
      throw new StandardStreamError("use the terminal", error);
    }
    this.#read();
  }

  #take(): void {
    this.#left = false;
    Deno.stdin.setRaw(true);
    printRawAtOnce(ENTER);
  }

  #giveBack(): void {
    if (this.#left) return;
    this.#left = true;
    printRawAtOnce(LEAVE);
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone: there is nothing to put back
    }
  }

  /** How large the terminal is now. */
  get size(): Size {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
    } catch {
      return DEFAULT_SIZE;
    }
  }

  /**
   * Draws a whole frame in one write. What does not fit is left out: nothing wraps, nothing scrolls.
   *
   * @throws {StandardStreamError} the terminal has gone
   */
  async draw(lines: readonly Line[]): Promise<void> {
    const { columns, rows } = this.size;
    let frame = this.#clear ? CLEAR : "";
    this.#clear = false;
    const shown = lines.slice(0, rows);
    for (const [row, line] of shown.entries()) {
      const cropped = cropLine(line, columns);
      frame += cursorTo(row) + cropped.map(styled).join("");
      // Behind a full line the cursor stands on its last character, which must stay
      if (lineWidth(cropped) < columns) frame += CLEAR_TO_END_OF_LINE;
    }
    if (shown.length < rows) frame += cursorTo(shown.length) + CLEAR_BELOW;
    await printRaw(frame);
  }

  /** The next event, or `undefined` after `timeout` milliseconds or when `signal` aborts. */
  async next(timeout: number, signal: AbortSignal): Promise<ScreenEvent | undefined> {
    if (this.#events.length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener("abort", this.#wake, { once: true });
      });
      signal.removeEventListener("abort", this.#wake);
    }
    return signal.aborted ? undefined : this.#events.shift();
  }

  /** Lets the next frame be drawn on an empty screen, should something else have written on it. */
  redraw(): void {
    this.#clear = true;
  }

  /** Forgets the keys that have been pressed already: what comes next must be answered knowingly. */
  forgetKeys(): void {
    const others = this.#events.filter(({ kind }) => kind !== "key");
    this.#events.splice(0, Infinity, ...others);
  }

  #push(event: ScreenEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  #pushKeys(keys: readonly Key[]): void {
    for (const key of keys) this.#push({ kind: "key", key });
  }

  /** Reads keys for ever. The read that is under way in the end keeps nobody: the process exits. */
  async #read(): Promise<void> {
    const bytes = new Uint8Array(INPUT_BYTES);
    try {
      for (;;) {
        const count = await Deno.stdin.read(bytes);
        if (count === null) break;
        clearTimeout(this.#escape);
        this.#pushKeys(this.#decoder.decode(bytes.subarray(0, count)));
        if (this.#decoder.pending) {
          this.#escape = setTimeout(() => this.#pushKeys(this.#decoder.flush()), ESCAPE_MS);
        }
      }
    } catch {
      // A terminal that has gone gives an error or an end, as it pleases
    }
    this.#push({ kind: "closed" });
  }

  /** Gives the terminal back as it was. */
  [Symbol.dispose](): void {
    clearTimeout(this.#escape);
    Deno.removeSignalListener("SIGWINCH", this.#resized);
    Deno.removeSignalListener("SIGCONT", this.#continued);
    Deno.removeSignalListener("SIGTSTP", this.#stopped);
    for (const end of ENDS) globalThis.removeEventListener(end, this.#leave);
    this.#giveBack();
  }
}

function cursorTo(row: number): string {
  return `\x1b[${row + 1};1H`;
}

function styled({ text, format }: Span): string {
  return format === undefined || text === "" ? text : paint(format, text);
}
