/**
 * Takes the terminal as a screen: reads single keys, draws whole frames, and restores the terminal
 * however the process ends. Internal: used by `top` and `watch`.
 *
 * While taken, the terminal is in raw mode, so that Ctrl-C and Ctrl-Z are ordinary keys. It shows its
 * alternate screen without a cursor, and does not wrap lines. Deno itself resets raw mode when the
 * process ends in any way but SIGKILL; this file resets the rest.
 */

import { stopThisProcess } from "../../../ffi/processes.ts";
import { paint, printRaw, printRawAtOnce, StandardStreamError } from "../output.ts";
import { type Key, KeyDecoder } from "./keys.ts";
import { cropLine, type Line, lineWidth, type Size, type Span } from "./spans.ts";

/** An action of the user: a pressed key, a new size of the terminal, or its end. */
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

/** The size if the terminal does not know it, as on a serial line. */
const DEFAULT_SIZE: Size = { columns: 80, rows: 24 };

/** How long an incomplete key may take to continue; a lone Escape is recognised after it. */
const ESCAPE_MS = 50;

const INPUT_BYTES = 1024;

/** The events just before the process ends, at which the terminal is restored. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/** Whether there is a terminal to draw on and to read keys from. */
export function hasTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
}

/** The terminal, taken until disposal. */
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
  /** Called after a stop, during which the shell had the terminal; also called if the terminal is gone. */
  readonly #continued = (): void => {
    try {
      this.#take();
      this.#resized();
    } catch {
      this.#push({ kind: "closed" });
    }
  };
  readonly #leave = (): void => this.#giveBack();
  /** A stop returns the terminal to the shell: restores it first, and then stops the process. */
  readonly #stopped = (): void => {
    this.#giveBack();
    stopThisProcess();
  };

  /** Takes the terminal. Ask {@linkcode hasTerminal} before. */
  constructor() {
    Deno.addSignalListener("SIGWINCH", this.#resized);
    Deno.addSignalListener("SIGCONT", this.#continued);
    Deno.addSignalListener("SIGTSTP", this.#stopped);
    // Also when a second signal or an uncaught error ends the process
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
      // The terminal is gone: there is nothing to restore
    }
  }

  get size(): Size {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
    } catch {
      return DEFAULT_SIZE;
    }
  }

  /**
   * Draws a whole frame in one write. Text that does not fit is left out: nothing wraps or scrolls.
   *
   * @throws {StandardStreamError} the terminal is gone
   */
  async draw(lines: readonly Line[]): Promise<void> {
    const { columns, rows } = this.size;
    let frame = this.#clear ? CLEAR : "";
    this.#clear = false;
    const shown = lines.slice(0, rows);
    for (const [row, line] of shown.entries()) {
      const cropped = cropLine(line, columns);
      frame += cursorTo(row) + cropped.map(styled).join("");
      // After a full line the cursor is on its last character, which must stay
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

  /** Makes the next frame start with an empty screen, in case other output is on it. */
  redraw(): void {
    this.#clear = true;
  }

  /** Drops the keys that were pressed already: the answer to the next question must come after it. */
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

  /** Reads keys for ever. The last pending read does not matter, because the process exits. */
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
      // A terminal that is gone causes an error or an end of input
    }
    this.#push({ kind: "closed" });
  }

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
