/** Counts what a bridge has passed on, and reports it. Internal: used by the two directions of the bridge. */

import type { BridgeProgress } from "./bridge_options.ts";

/** The figures of one bridge. */
export class ProgressCount {
  readonly #report: ((progress: BridgeProgress) => void) | undefined;
  #messages = 0;
  #bytes = 0;
  #duplicates = 0;
  #missed = 0;
  #waiting: string | undefined;

  constructor(report: ((progress: BridgeProgress) => void) | undefined) {
    this.#report = report;
  }

  /** The figures now. */
  get now(): BridgeProgress {
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      duplicates: this.#duplicates,
      missed: this.#missed,
      waiting: this.#waiting,
    };
  }

  /** Adds messages that were passed on. `missed` is how many a topic has lost in all. */
  add({ messages, bytes, duplicates, missed = 0 }: {
    readonly messages: number;
    readonly bytes: number;
    readonly duplicates: number;
    readonly missed?: number;
  }): void {
    this.#messages += messages;
    this.#bytes += bytes;
    this.#duplicates += duplicates;
    this.#missed = missed;
    this.#waiting = undefined;
    this.#report?.(this.now);
  }

  /** Reports that the bridge does not wait any more. */
  readonly goOn = (): void => {
    if (this.#waiting === undefined) return;
    this.#waiting = undefined;
    this.#report?.(this.now);
  };

  /** Reports once why the bridge waits. */
  readonly wait = (reason: string): void => {
    if (this.#waiting === reason) return;
    this.#waiting = reason;
    this.#report?.(this.now);
  };
}
