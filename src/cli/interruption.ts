/**
 * Signals that ask a command to end. The first lets it finish what it has in hand and clean up; the
 * second ends it at once, and the kernel does the cleaning up. For the commands of this folder.
 */

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

type SignalName = keyof typeof SIGNALS;

/** Thrown where a command waits when it is asked to end. */
export class Interrupted extends Error {
  /** Which signal asked. */
  readonly signalName: SignalName;

  constructor(signalName: SignalName) {
    super(`ended by ${signalName}`);
    this.signalName = signalName;
  }

  /** What shells expect of a command that a signal cut short: 128 + its number. */
  get exitCode(): number {
    return 128 + SIGNALS[this.signalName];
  }
}

/** Listens for the signals until disposed. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners = (Object.keys(SIGNALS) as SignalName[]).map((name) => {
    const listener = (): void => {
      if (this.signal.aborted) Deno.exit(new Interrupted(name).exitCode);
      this.#controller.abort(new Interrupted(name));
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });

  /** Aborts, with an {@linkcode Interrupted}, at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening: the signals do again what they do by default. */
  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}
