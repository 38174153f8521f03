/**
 * The client of NATS as far as a bridge uses it, and where it comes from. Only this file names packages of
 * npm. Their names are no literals: Deno downloads and locks them when the first bridge starts, and never
 * for the rest of the library.
 */

import { BridgeError, reasonOf } from "./bridge_error.ts";

/** The tested version of each package. */
const VERSION = "3.4.0";

/** The headers of a message. */
export interface NatsHeaders {
  /** The status of a message of the server itself, such as 503; 0 for all others. */
  readonly code: number;
  /** The server's words for the status. */
  readonly description: string;
  /** The value of a header, or `""`. */
  get(name: string): string;
  /** Sets the value of a header. */
  set(name: string, value: string): void;
}

/** A message that NATS delivers. */
export interface NatsMessage {
  /** The subject that it was sent to. */
  readonly subject: string;
  /** The subject for an answer. */
  readonly reply?: string;
  /** Its payload. */
  readonly data: Uint8Array;
  /** Its headers, if it has any. */
  readonly headers?: NatsHeaders;
}

/** What a connection reports about itself. */
export interface NatsStatus {
  /** The kind of the event, such as `"disconnect"`. */
  readonly type: string;
  /** The error of an event `"error"`. */
  readonly error?: Error;
}

/** A connection to NATS: what `connect` of `@nats-io/transport-node` returns is one. */
export interface NatsConnection {
  /** What the server said about itself; `undefined` while there is no connection. */
  readonly info?: { readonly max_payload: number } | undefined;
  /** Sends a message. */
  publish(
    subject: string,
    data?: Uint8Array | string,
    options?: { reply?: string; headers?: NatsHeaders },
  ): void;
  /** Calls `callback` with each message to a subject. */
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): { unsubscribe(): void };
  /** Fulfils when the server has processed what was sent. */
  flush(): Promise<void>;
  /** The events of the connection. */
  status(): AsyncIterable<NatsStatus> & { stop?(): void };
  /** Whether the connection was closed for good. */
  isClosed(): boolean;
  /** Fulfils when the connection was closed, with the reason if there is one. */
  closed(): Promise<void | Error>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** What the server keeps about a stream. */
export interface StreamInfo {
  readonly config: {
    readonly subjects?: readonly string[];
    readonly max_msg_size?: number;
    readonly duplicate_window?: number;
  };
}

/** What the server keeps about a durable consumer. Durations are in nanoseconds. */
export interface DurableInfo {
  readonly config: {
    readonly ack_policy: string;
    readonly ack_wait?: number;
    readonly max_ack_pending?: number;
    readonly max_deliver?: number;
    readonly deliver_subject?: string;
    readonly filter_subject?: string;
  };
  /** When it was created: another one of the same name has another time. */
  readonly created: string;
  readonly delivered: { readonly consumer_seq: number; readonly stream_seq: number };
  readonly num_ack_pending: number;
}

/** The management of streams and durable consumers. */
export interface StreamManager {
  readonly streams: {
    info(stream: string): Promise<StreamInfo>;
    add(config: object): Promise<StreamInfo>;
  };
  readonly consumers: {
    info(stream: string, durable: string): Promise<DurableInfo>;
    add(stream: string, config: object): Promise<DurableInfo>;
  };
}

/** The functions of the two packages. */
export interface NatsClient {
  connect(options: object): Promise<NatsConnection>;
  headers(): NatsHeaders;
  createInbox(): string;
  credsAuthenticator(creds: Uint8Array): unknown;
  jetstreamManager(connection: NatsConnection): Promise<StreamManager>;
}

/**
 * Gives up the socket of a connection whose server is silent, so that the client connects again. The client waits
 * before that until the socket has sent what is left, which takes minutes while a cable is cut, and with TLS in
 * Deno no end.
 */
export function dropSocket(connection: NatsConnection): void {
  const { protocol } = connection as unknown as {
    readonly protocol?: { readonly transport: { close(cause: Error): Promise<void> } };
  };
  protocol?.transport.close(new Error("the server is silent")).catch(() => {});
}

/**
 * Loads the client: from Deno's cache, or from npm the first time.
 *
 * @throws {BridgeError} `ENOCLIENT` it is not in the cache and cannot be downloaded
 */
export async function loadNatsClient(): Promise<NatsClient> {
  const load = (name: string): Promise<NatsClient> => import(`npm:@nats-io/${name}@${VERSION}`);
  try {
    const [transport, jetstream] = await Promise.all([load("transport-node"), load("jetstream")]);
    return { ...transport, ...jetstream };
  } catch (cause) {
    throw new BridgeError(
      "ENOCLIENT",
      "load the client of NATS from npm",
      `${reasonOf(cause)}; \`deno cache npm:@nats-io/transport-node@${VERSION} ` +
        `npm:@nats-io/jetstream@${VERSION}\` downloads it on a machine that reaches npm`,
      cause,
    );
  }
}
