/**
 * Signals that ask a command to end. At the first one the command finishes its current work and cleans
 * up; the second one ends it at once, and the kernel cleans up. Internal: used by the commands.
 */

import { ignoresSignal } from "../../../ffi/processes.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Programs under nohup(1), or started with `&`, ignore these signals, and must continue to do so. */
const LEFT_IGNORED = ["SIGHUP", "SIGQUIT"] as const;

type SignalName = keyof typeof SIGNALS;

/** Thrown where a command waits, when a signal asks it to end. */
export class Interrupted extends Error {
  readonly signalName: SignalName;

  constructor(signalName: SignalName) {
    super(`ended by ${signalName}`);
    this.signalName = signalName;
  }

  /** The exit code that shells expect of a command ended by a signal: 128 + its number. */
  get exitCode(): number {
    return 128 + SIGNALS[this.signalName];
  }

  /** The exit code of a command that runs without end: Ctrl-C is the normal way to end it. */
  get exitCodeOfEndless(): number {
    return this.signalName === "SIGINT" ? 0 : this.exitCode;
  }
}

/** Listens for the signals until disposed. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  /** The ignored signals. They must be read before the first listener is added. */
  readonly #ignored: readonly SignalName[] = LEFT_IGNORED.filter((name) =>
    ignoresSignal(SIGNALS[name])
  );
  readonly #listeners = (Object.keys(SIGNALS) as SignalName[]).map((name) => {
    const listener = (): void => {
      if (this.#ignored.includes(name)) return;
      if (this.signal.aborted) Deno.exit(new Interrupted(name).exitCode);
      this.#controller.abort(new Interrupted(name));
    };
    // A listener for one signal makes Deno end at the others by default, so each needs a listener
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });

  /** Aborts, with an {@linkcode Interrupted}, at the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins a new line on the terminal, which has shown `^C`, so that the next output is on its own. */
  leaveLine(tell: (line: string) => void): void {
    if (this.signal.aborted && Deno.stderr.isTerminal()) tell("");
  }

  /** Stops listening: the signals have their default effect again. */
  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}

/** `promise`, unless `signal` aborts first. Unlike a race, it leaves no listener on the signal. */
export function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    // The signal may have aborted during another wait
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
