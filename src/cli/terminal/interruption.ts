/**
 * Signals that ask a command to end. The first lets it finish what it has in hand and clean up; the
 * second ends it at once, and the kernel does the cleaning up. For the commands of this folder.
 */

import { ignoresSignal } from "../../../ffi/libc.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Shells let what they start under nohup(1), or behind `&`, ignore these: that is to be kept so. */
const LEFT_IGNORED = ["SIGHUP", "SIGQUIT"] as const;

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

  /** The same for a command that has no end of its own: Ctrl-C is how a person gives it one. */
  get exitCodeOfEndless(): number {
    return this.signalName === "SIGINT" ? 0 : this.exitCode;
  }
}

/** Listens for the signals until disposed. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  /** To be asked before the first listener is there. */
  readonly #ignored: readonly SignalName[] = LEFT_IGNORED.filter((name) =>
    ignoresSignal(SIGNALS[name])
  );
  readonly #listeners = (Object.keys(SIGNALS) as SignalName[]).map((name) => {
    const listener = (): void => {
      if (this.#ignored.includes(name)) return;
      if (this.signal.aborted) Deno.exit(new Interrupted(name).exitCode);
      this.#controller.abort(new Interrupted(name));
    };
    // Listening to one signal makes Deno end at others by default, so each needs its listener
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

/** `promise`, unless `signal` aborts before it. Unlike a race it leaves nothing on the signal behind. */
export function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    // While something else was waited for, the moment may have passed
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
