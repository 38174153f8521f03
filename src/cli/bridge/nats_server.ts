/**
 * The server of NATS that a command line names, and how to connect to it. Secrets come from a file: other
 * users can read the command line of a process. Internal: used by `bridge_command.ts`.
 */

import { errnoName } from "../../../ffi/errno.ts";
import { readFileStart } from "../../../ffi/files.ts";
import { serverNames } from "../../nats/link.ts";
import { loadNatsClient } from "../../nats/nats_client.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import type { OptionTable, Parsed } from "../usage.ts";

/** The options that name the server. */
export const SERVER_OPTIONS = {
  server: {
    short: "s",
    value: "URL",
    help: "nats://127.0.0.1:4222 (default); several: with commas",
  },
  connect: { value: "FILE", help: "options of the client, as JSON: credentials, TLS" },
} as const satisfies OptionTable;

/** The options of the client, with the servers. */
export interface NatsServer {
  readonly servers: readonly string[];
  readonly [option: string]: unknown;
}

const LOCAL_SERVER = "nats://127.0.0.1:4222";
const LOCAL_PORT = 4222;

/** The longest file that is read. */
const LONGEST_FILE = 1 << 20;

/** The files that the client would read itself, and needs a permission for: their contents are passed instead. */
const TLS_FILES = { caFile: "ca", certFile: "cert", keyFile: "key" } as const;

/**
 * Reads the options of the command line.
 *
 * @throws {UsageError} a password in the URL, no URL, or a file that is no JSON object
 * @throws {CommandFailure} a file cannot be read, or the permission for the network is missing
 */
export async function natsServer(
  { server, connect }: Parsed<keyof typeof SERVER_OPTIONS>["options"],
): Promise<NatsServer> {
  if (typeof server === "string" && server.includes("@")) {
    throw new UsageError("option --server: a password there can be read by others: use --connect");
  }
  const options = typeof connect === "string" ? await connectOptions(connect) : {};
  const named = typeof server === "string" ? server.split(",") : options.servers ?? LOCAL_SERVER;
  const servers = [named].flat().map(String);
  const option = typeof server === "string" ? "server" : "connect";
  for (const host of servers.map((each) => hostOf(each, option))) checkPermission(host);
  return { ...options, servers };
}

/** The host and the port of a server. */
function hostOf(server: string, option: string): string {
  const url = URL.parse(server.includes("://") ? server : `nats://${server}`);
  // One of a file may have a password, which the error must not quote
  if (!url?.hostname) {
    const quoted = JSON.stringify(serverNames(server));
    throw new UsageError(`option --${option}: ${quoted} is no URL of a server`);
  }
  return `${url.hostname}:${url.port === "" ? LOCAL_PORT : url.port}`;
}

/** Fails where Deno would ask, or refuse with a stack. */
function checkPermission(host: string): void {
  if (Deno.permissions.querySync({ name: "net", host }).state === "granted") return;
  throw new CommandFailure(
    `cannot connect to ${host}: Deno runs without --allow-net; add it, or --allow-net=${host}`,
  );
}

async function connectOptions(path: string): Promise<Record<string, unknown>> {
  const options = objectIn(textOf(path), path);
  const { creds, tls } = options;
  if (creds !== undefined) {
    const { credsAuthenticator } = await loadNatsClient();
    options.authenticator = credsAuthenticator(bytesOf(String(creds)));
    delete options.creds;
  }
  if (typeof tls === "object" && tls !== null) {
    const own: Record<string, unknown> = { ...tls };
    for (const [file, content] of Object.entries(TLS_FILES)) {
      if (own[file] === undefined) continue;
      own[content] = textOf(String(own[file]));
      delete own[file];
    }
    options.tls = own;
  }
  return options;
}

function objectIn(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Its error would quote the file, and the file has secrets
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new UsageError(`option --connect: ${path} is no JSON object`);
}

function textOf(path: string): string {
  return new TextDecoder().decode(bytesOf(path));
}

/** Reads a file through libc, which needs no further permission. */
function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  const bytes = readFileStart(path, LONGEST_FILE);
  if (typeof bytes !== "number") return bytes;
  throw new CommandFailure(`cannot read ${path}: ${errnoName(-bytes)}`);
}
