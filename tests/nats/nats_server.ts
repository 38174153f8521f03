/**
 * A server of NATS with JetStream on the loopback, for the tests of this folder, and the client to look at
 * it. Where the server or the packages from npm are missing, a test is ignored with the reason.
 */

import assert from "node:assert/strict";
import {
  loadNatsClient,
  type NatsClient,
  type NatsConnection,
} from "../../src/nats/nats_client.ts";
import { missing, type Needs } from "../support/needs.ts";
import { Peer, TestFolder } from "../support/peer.ts";

/** Messages that are read from a stream at a time. */
const GROUP = 1_000;

/** Longer than the longest run of kills. */
const SAFETY_MS = 3_600_000;

const NEEDS: Needs = { tools: ["nats-server"], files: true, loopback: true };

let reason = missing(NEEDS);
let loaded: NatsClient | undefined;
if (reason === undefined) {
  try {
    loaded = await loadNatsClient();
  } catch {
    reason = "no packages from npm";
  }
}

/** The client. Only for tests of {@linkcode testWithNats}. */
export function natsClient(): NatsClient {
  return loaded!;
}

/** Registers a test that needs the server, the client and perhaps more. */
export function testWithNats(
  name: string,
  body: () => Promise<void>,
  needs: Needs = {},
): void {
  const why = reason ?? missing(needs);
  if (why === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [${why}]`, ignore: true, fn: body });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Makes a certificate for the loopback, `cert.pem`, and its key, `key.pem`. */
export function selfSigned({ path }: TestFolder): void {
  const { success } = new Deno.Command("openssl", {
    args: `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost
      -addext subjectAltName=IP:127.0.0.1 -keyout ${path}/key.pem -out ${path}/cert.pem`
      .split(/\s+/),
    stderr: "null",
  }).outputSync();
  assert(success);
}

/** A message as the stream has it. */
export interface Stored {
  readonly sequence: number;
  readonly id: string;
  readonly lane: number;
  readonly tag: number;
  readonly text: string;
}

/** A running server. Disposing ends it, and removes its files. */
export class NatsServer implements AsyncDisposable {
  readonly #folder = new TestFolder();
  readonly #config: string;
  readonly port = freePort();
  #process: Peer | undefined;

  private constructor(config: (folder: TestFolder) => string) {
    this.#config = this.#folder.file(
      "nats.conf",
      `listen: "127.0.0.1:${this.port}"\n` +
        `jetstream { store_dir: "${this.#folder.path}/js" }\n${config(this.#folder)}\n`,
    );
  }

  /** Starts a server, with further lines of its configuration. */
  static async start(config: (folder: TestFolder) => string = () => ""): Promise<NatsServer> {
    const server = new NatsServer(config);
    await server.start();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get folder(): TestFolder {
    return this.#folder;
  }

  /** Starts it again, with what it had stored. */
  async start(): Promise<void> {
    this.#process = Peer.start("nats-server", ["-c", this.#config], {}, SAFETY_MS);
    await this.#process.stderr(/Server is ready/);
  }

  /** Ends it. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    this.#process?.kill(signal);
    await this.#process?.ended();
    this.#process = undefined;
  }

  /** Stops it in the middle of its work, or lets it go on: its connections stay. */
  freeze(frozen: boolean): void {
    this.#process!.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  /** Calls `action` with a connection. */
  async with<Result>(
    action: (connection: NatsConnection) => Promise<Result>,
    options: object = {},
  ): Promise<Result> {
    const connection = await natsClient().connect({ servers: this.url, ...options });
    try {
      return await action(connection);
    } finally {
      await connection.close();
    }
  }

  /** Creates a stream. */
  async addStream(name: string, config: object = {}): Promise<void> {
    await this.with(async (connection) => {
      const { streams } = await natsClient().jetstreamManager(connection);
      await streams.add({ name, subjects: [`${name}.>`], ...config });
    });
  }

  /** All messages of a stream, read by a consumer that leaves them there. */
  async stored(stream: string): Promise<Stored[]> {
    return await this.with(async (connection) => {
      const manager = await natsClient().jetstreamManager(connection);
      const { state } = await manager.streams.info(stream) as unknown as {
        readonly state: { readonly messages: number };
      };
      const { name } = await manager.consumers.add(stream, { ack_policy: "none" }) as unknown as {
        readonly name: string;
      };
      const found: Stored[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      const inbox = natsClient().createInbox();
      // In groups: a client that is sent too much at once is cut off
      const pull = (): void => {
        const request = JSON.stringify({ batch: GROUP });
        connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, request, {
          reply: inbox,
        });
      };
      connection.subscribe(inbox, {
        callback: (error, { reply, headers, data }) => {
          assert.equal(error, null);
          found.push({
            sequence: Number(reply!.split(".")[5]),
            id: headers?.get("Nats-Msg-Id") ?? "",
            lane: Number(headers?.get("Shm-Lane")),
            tag: Number(headers?.get("Shm-Tag")),
            text: new TextDecoder().decode(data),
          });
          if (found.length === state.messages) resolve();
          else if (found.length % GROUP === 0) pull();
        },
      });
      if (state.messages === 0) return [];
      pull();
      await promise;
      return found;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    this.#folder[Symbol.dispose]();
  }
}

/** A signal that aborts when a bridge has passed on `count` messages, and the options with both. */
export function until(count: number): {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly messages: number }) => void;
} {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onProgress: ({ messages }) => {
      if (messages >= count) stop.abort();
    },
  };
}
