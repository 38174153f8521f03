/**
 * Errors of sockets that the client of NATS has given up. It removes its listeners before it destroys a
 * socket, and Deno may still report that the server has reset the connection, or an alert of TLS, such as
 * for the client's certificate after the handshake. Without a listener, Deno ends the program with a stack.
 * Internal: used by `link.ts`.
 */

/** The time in which Deno reports what a socket met that was just destroyed, in milliseconds. */
const SETTLE_MS = 100;

/** Whether a connection ended on the other side, as Deno's sockets of Node report it. */
function isEnd(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "ECONNRESET" || error.code === "EPIPE") &&
    /\bext:deno_node\b/.test(error.stack ?? "");
}

/** Takes these errors until it is disposed of. */
export class SocketErrors implements Disposable {
  /** Rejects with a failure of TLS: the client does not report it. */
  readonly failure: Promise<never>;
  readonly #listener: (event: ErrorEvent) => void;

  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failure = promise;
    promise.catch(() => {});
    this.#listener = (event) => {
      const isAlert = /received fatal alert/.test(event.message);
      if (!isAlert && !isEnd(event.error)) return;
      event.preventDefault();
      if (isAlert) reject(event.error);
    };
    globalThis.addEventListener("error", this.#listener);
  }

  /** Fulfils when the sockets that are destroyed now have reported what they have to report. */
  settled(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }

  [Symbol.dispose](): void {
    globalThis.removeEventListener("error", this.#listener);
  }
}
