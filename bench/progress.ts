/** Says how far the run is, on stderr: one line that changes on a terminal, a line now and then elsewhere. */

const EVERY_MS = 10_000;
const SPARE = "\x1b[K";

/** How much of a run is done. */
export class Progress {
  readonly #start = performance.now();
  readonly #terminal = Deno.stderr.isTerminal();
  #said = -Infinity;

  /** A step before anything is measured. */
  step(text: string): void {
    this.#write(text, true);
  }

  /** `done` of `all`, and what comes now. */
  at(done: number, all: number, now: string): void {
    const elapsed = performance.now() - this.#start;
    const left = done === 0 ? "" : `, ${span(elapsed / done * (all - done))} left`;
    const share = `${Math.floor(done / all * 100)}%`.padStart(4);
    this.#write(`${share}  ${now}${left}`, done === 0);
  }

  /** Something to keep: it stays on the screen. */
  note(text: string): void {
    this.#put(this.#terminal ? `\r${text}${SPARE}\n` : `${text}\n`);
  }

  /** The line that changes is over. */
  end(): void {
    if (this.#terminal) this.#put(`\r${SPARE}`);
  }

  #write(text: string, always: boolean): void {
    const now = performance.now();
    if (this.#terminal) return this.#put(`\r${text}${SPARE}`);
    if (!always && now - this.#said < EVERY_MS) return;
    this.#said = now;
    this.#put(`${text}\n`);
  }

  #put(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}

/** Milliseconds for people. */
export function span(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
