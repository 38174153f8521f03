/**
 * The connection of a bridge: whether it is up, and waiting for what happens on it. Internal: used by the
 * two directions of the bridge.
 */

import { BridgeError, reasonOf } from "./bridge_error.ts";
import type { BridgeOptions } from "./bridge_options.ts";
import {
  dropSocket,
  loadNatsClient,
  type NatsClient,
  type NatsConnection,
  type StreamManager,
} from "./nats_client.ts";
import type { ProgressCount } from "./progress_count.ts";
import { SocketErrors } from "./socket_errors.ts";

const LOCAL_SERVER = "nats://127.0.0.1:4222";
/**
 * Reconnects without an end. The client itself waits 2 s between two attempts, and takes minutes to notice that
 * the other machine is gone.
 */
const RECONNECT = { maxReconnectAttempts: -1, reconnectTimeWait: 500, pingInterval: 10_000 };

/** How long a bridge that ends waits for the server to have its acknowledgements, in milliseconds. */
const FLUSH_MS = 500;

/** The servers for people: without the passwords that may be in their URLs. */
export function serverNames(servers: unknown = LOCAL_SERVER): string {
  return [servers].flat().map((url) => String(url).replace(/^(\w+:\/\/)?.*@/, "$1")).join(", ");
}

/** A connection that reports what happens to it. */
export class Link implements AsyncDisposable {
  readonly client: NatsClient;
  readonly connection: NatsConnection;
  readonly manager: StreamManager;
  /** Of our own connection; the caller takes care of that of a caller. */
  readonly #errors: SocketErrors | undefined;
  readonly #count: ProgressCount;
  readonly #statuses: ReturnType<NatsConnection["status"]>;
  readonly #waiting = new Set<() => void>();
  #isUp = true;
  #failure: Error | undefined;

  private constructor(
    client: NatsClient,
    connection: NatsConnection,
    manager: StreamManager,
    errors: SocketErrors | undefined,
    count: ProgressCount,
  ) {
    this.client = client;
    this.connection = connection;
    this.manager = manager;
    this.#errors = errors;
    this.#count = count;
    this.#statuses = connection.status();
    this.#watch();
    errors?.failure.catch((cause) => this.#fail("ECONNECT", "go on", cause));
  }

  /**
   * Uses the connection of the options, or makes one. `count` reports when it breaks and is there again.
   * `undefined` if `signal` aborts before.
   *
   * @throws {BridgeError} `ENOCLIENT`, `ECONNECT`
   */
  static async open(
    { connection, server = LOCAL_SERVER }: Pick<BridgeOptions, "connection" | "server">,
    count: ProgressCount,
    signal: AbortSignal | undefined,
  ): Promise<Link | undefined> {
    const client = await loadNatsClient();
    const options = typeof server === "string" ? { servers: server } : server;
    const errors = connection === undefined ? new SocketErrors() : undefined;
    let made: NatsConnection | undefined;
    try {
      made = connection ?? await connect(client, { ...RECONNECT, ...options }, errors!, signal);
      if (made === undefined) {
        errors![Symbol.dispose]();
        return undefined;
      }
      return new Link(client, made, await client.jetstreamManager(made), errors, count);
    } catch (cause) {
      if (made !== connection) await made?.close();
      await errors?.settled();
      errors?.[Symbol.dispose]();
      const what = made === undefined
        ? `connect to ${serverNames(options.servers)}`
        : "use JetStream";
      throw new BridgeError("ECONNECT", what, reasonOf(cause), cause);
    }
  }

  async #watch(): Promise<void> {
    for await (const { type, error } of this.#statuses) {
      if (type === "disconnect") {
        this.#isUp = false;
        this.#count.wait("the server is not connected");
      } else if (type === "reconnect") {
        this.#isUp = true;
        this.#count.goOn();
      } else if (type === "staleConnection") {
        dropSocket(this.connection);
        continue;
      } else if (type === "error" && error?.name === "PermissionViolationError") {
        this.#fail("EREFUSED", "use the server", error);
        continue;
      } else continue;
      this.happened();
    }
    if (!this.connection.isClosed()) return;
    this.#fail("ECONNECT", "go on", await this.connection.closed() ?? undefined);
  }

  #fail(code: "EREFUSED" | "ECONNECT", what: string, cause: unknown): void {
    const reason = cause === undefined ? "the connection was closed" : reasonOf(cause);
    this.#failure = new BridgeError(code, what, reason, cause);
    this.happened();
  }

  /** Whether the server is connected now. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Throws if no wait helps any more. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Sends a message.
   *
   * @throws {BridgeError} `ECONNECT` the connection was closed
   */
  publish(...message: Parameters<NatsConnection["publish"]>): void {
    try {
      this.connection.publish(...message);
    } catch (cause) {
      throw this.#failure ?? new BridgeError("ECONNECT", "go on", reasonOf(cause), cause);
    }
  }

  /** Ends all present waits. */
  happened(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Fulfils when something happens, after `ms` milliseconds, or when `signal` aborts. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const timer = setTimeout(wake, ms);
    this.#waiting.add(wake);
    signal?.addEventListener("abort", wake);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(wake);
    signal?.removeEventListener("abort", wake);
  }

  /** Fulfils after `ms` milliseconds, or when `signal` aborts, whatever happens. */
  async pause(ms: number, signal?: AbortSignal): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end && !signal?.aborted) {
      await this.wait(end - performance.now(), signal);
    }
  }

  /** Waits until the server has what was sent, if it answers soon. */
  async flush(): Promise<void> {
    const flushed = new AbortController();
    this.connection.flush().catch(() => {}).then(() => flushed.abort());
    await this.pause(FLUSH_MS, flushed.signal);
  }

  /** Closes the connection, unless it is the caller's. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#statuses.stop?.();
    if (this.#errors === undefined) return;
    await this.connection.close();
    if (this.#failure !== undefined || !this.#isUp) await this.#errors.settled();
    this.#errors[Symbol.dispose]();
  }
}

/** Connects, or rejects when TLS fails in a way that the client does not notice; nothing if `signal` aborts. */
async function connect(
  client: NatsClient,
  options: Parameters<NatsClient["connect"]>[0],
  errors: SocketErrors,
  signal: AbortSignal | undefined,
): Promise<NatsConnection | undefined> {
  const connecting = client.connect(options);
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const abort = (): void => resolve();
  signal?.addEventListener("abort", abort);
  let made: NatsConnection | undefined;
  try {
    return made = await Promise.race([connecting, errors.failure, aborted]) ?? undefined;
  } finally {
    signal?.removeEventListener("abort", abort);
    // It may still connect, or fail by its own timeout
    if (made === undefined) connecting.then((late) => late.close(), () => {});
  }
}
