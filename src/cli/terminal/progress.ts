/** Shows the progress of a stream of bytes on one terminal line. Internal: used by `send` and `recv`. */

import { reportRaw } from "../output.ts";
import { formatSize } from "../text/size.ts";
import { cropText } from "./spans.ts";

/** The interval at which the line is drawn, and the number of intervals over which the rate is taken. */
const INTERVAL_MS = 200;
const SAMPLES = 10;

const DEFAULT_COLUMNS = 80;
const BAR_COLUMNS = 24;

const CLEAR_LINE = "\r\x1b[K";

/** The facts that the line shows. */
export interface ProgressFacts {
  readonly bytes: number;
  readonly total: number | undefined;
  readonly rate: number;
  readonly seconds: number;
}

export function progressText(
  { bytes, total, rate, seconds }: ProgressFacts,
  columns: number,
): string {
  const moved = [`${formatSize(rate)}/s`, clock(seconds)];
  if (total === undefined) return cropText([formatSize(bytes), ...moved].join("  "), columns);
  // A file may grow while it is being read
  const share = total === 0 ? 1 : Math.min(1, bytes / total);
  const done = Math.floor(share * BAR_COLUMNS);
  const bar = `[${"=".repeat(done)}${" ".repeat(BAR_COLUMNS - done)}]`;
  const percent = `${Math.floor(share * 100)}%`.padStart("100%".length);
  const of = `${formatSize(bytes)} of ${formatSize(total)}`;
  const text = [`${bar} ${percent}`, of, ...moved].join("  ");
  return cropText(
    text.length <= columns ? text : [percent.trim(), of, ...moved].join("  "),
    columns,
  );
}

/** `0:05`, `1:02:03`. */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const rest = two(whole % 60);
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

/** Draws the line while bytes move. If it is not `shown`, it does nothing. */
export class Progress implements Disposable {
  readonly #start = performance.now();
  readonly #total: number | undefined;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  readonly #shown: boolean;
  #bytes = 0;
  #drawn = false;

  constructor({ shown, total }: { readonly shown: boolean; readonly total?: number | undefined }) {
    this.#shown = shown;
    this.#total = total;
    this.#samples.push({ at: this.#start, bytes: 0 });
    if (shown) this.#timer = setInterval(() => this.#draw(), INTERVAL_MS);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Removes the line and prints the result in another one: `sent 5.2G in 3.1 s, 1.7G/s`. */
  end(tell: (line: string) => void, done: string): void {
    this[Symbol.dispose]();
    if (!this.#shown) return;
    const seconds = (performance.now() - this.#start) / 1e3;
    const rate = formatSize(this.#bytes / seconds);
    tell(`${done} ${formatSize(this.#bytes)} in ${seconds.toFixed(1)} s, ${rate}/s`);
  }

  #draw(): void {
    const at = performance.now();
    this.#samples.push({ at, bytes: this.#bytes });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const since = this.#samples[0]!;
    const facts: ProgressFacts = {
      bytes: this.#bytes,
      total: this.#total,
      rate: (this.#bytes - since.bytes) / ((at - since.at) / 1e3),
      seconds: (at - this.#start) / 1e3,
    };
    // The last column stays empty: after it some terminals begin a new line
    reportRaw(CLEAR_LINE + progressText(facts, columns() - 1));
    this.#drawn = true;
  }

  /** Removes the line until it is drawn again, so that other output can be printed. */
  clear(): void {
    if (this.#drawn) reportRaw(CLEAR_LINE);
    this.#drawn = false;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.clear();
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}
