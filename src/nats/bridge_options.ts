/** The options of a bridge, the functions that check them, and what a bridge reports. */

import {
  checkFlag,
  checkFunction,
  checkInteger,
  checkSignal,
  checkText,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";
import { mistyped, outOfRange } from "../layout/refusal.ts";
import type { NatsConnection } from "./nats_client.ts";

/** How far a bridge is. */
export interface BridgeProgress {
  /** Messages that this bridge has passed on. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
  /** How many had arrived before: out, some of `messages` that the stream dropped; in, some that came again. */
  readonly duplicates: number;
  /** How many messages of a topic were overwritten before the bridge took them; 0 for a channel. */
  readonly missed: number;
  /** Why the bridge waits at present, for the server or a full channel; `undefined` if it does not. */
  readonly waiting: string | undefined;
}

/** What both directions of a bridge have in common. */
export interface BridgeOptions {
  /**
   * Where the server is: a URL, or the options of the client's `connect`, for several servers, TLS and
   * credentials. The bridge reconnects without an end, unless these options say otherwise. Defaults to
   * `nats://127.0.0.1:4222`.
   */
  readonly server?: string | Readonly<Record<string, unknown>>;
  /**
   * A connection to use instead of `server`. The bridge leaves it open. A permission that is missing to any user
   * of the connection ends the bridge.
   */
  readonly connection?: NatsConnection;
  /** The name of the stream. */
  readonly stream: string;
  /** Ends the bridge when it aborts: its promise fulfils. */
  readonly signal?: AbortSignal;
  /** Is called after each group of messages, and when the server goes away and comes back. */
  readonly onProgress?: (progress: BridgeProgress) => void;
  /** How many messages may be on their way at a time, 1 to 65536. Defaults to 1024. */
  readonly maxInFlight?: number;
}

/** The options of {@linkcode bridgeOut}. */
export interface BridgeOutOptions extends BridgeOptions {
  /** The subject to publish to. The stream must take it. */
  readonly subject: string;
  /**
   * Whether to create the stream if there is none of this name: it takes the subject, and keeps messages in
   * files without a limit. Defaults to `false`.
   */
  readonly create?: boolean;
}

/** The options of {@linkcode bridgeIn}. */
export interface BridgeInOptions extends BridgeOptions {
  /** The name of the durable consumer of the stream. It is created if there is none. */
  readonly durable: string;
  /** The messages to receive, if a durable consumer is created here. Defaults to all of the stream. */
  readonly subject?: string;
}

/** The default of {@linkcode BridgeOptions.maxInFlight}. */
export const MAX_IN_FLIGHT = 1024;

function checkServer(value: unknown, name: string): NonNullable<BridgeOptions["server"]> {
  if (typeof value === "string" && value !== "") return value;
  const isOptions = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isOptions) return value as Readonly<Record<string, unknown>>;
  throw mistyped(name, "a URL, or the options of the client", value);
}

function checkConnection(value: unknown, name: string): NatsConnection {
  const methods = ["publish", "subscribe", "flush", "status"];
  const made = typeof value === "object" && value !== null &&
    methods.every((method) => typeof Reflect.get(value, method) === "function");
  if (made) return value as NatsConnection;
  throw mistyped(name, "a connection to NATS", value);
}

/** The rule for names, in words. */
export const NAME_RULE = "a name without blanks, periods, *, >, / and \\";

/** Whether JetStream takes this as the name of a stream or durable consumer. Source: its naming rules. */
export function isName(text: string): boolean {
  return /^[^\s.*>/\\\p{Cc}]+$/u.test(text);
}

/** Whether this is a subject; with `wild`, one that may stand for several. */
export function isSubject(text: string, wild: boolean): boolean {
  const token = String.raw`[^\s.*>\p{Cc}]+`;
  const each = wild ? String.raw`(?:\*|${token})` : token;
  const end = wild ? String.raw`(?:\.>)?|>` : "";
  return new RegExp(String.raw`^(?:${each}(?:\.${each})*${end})$`, "u").test(text);
}

function checkName(value: unknown, name: string): string {
  const text = checkText(value, name);
  if (isName(text)) return text;
  throw outOfRange(name, NAME_RULE, text);
}

function checkSubject(value: unknown, name: string, wild: boolean): string {
  const text = checkText(value, name);
  if (isSubject(text, wild)) return text;
  throw outOfRange(name, wild ? "a subject" : "a subject without wildcards", text);
}

const COMMON = {
  server: checkServer,
  connection: checkConnection,
  stream: checkName,
  signal: checkSignal,
  onProgress: checkFunction<(progress: BridgeProgress) => void>,
  maxInFlight: (value: unknown, name: string): number => checkInteger(value, name, 1, 65536),
};
const OUT = {
  ...COMMON,
  subject: (value: unknown, name: string): string => checkSubject(value, name, false),
  create: checkFlag,
};
const IN = {
  ...COMMON,
  subject: (value: unknown, name: string): string => checkSubject(value, name, true),
  durable: checkName,
};

/** Reads {@linkcode BridgeOutOptions}. */
export const readBridgeOutOptions: (
  options: unknown,
) => Read<typeof OUT, "stream" | "subject"> = optionsReader(OUT, ["stream", "subject"]);

/** Reads {@linkcode BridgeInOptions}. */
export const readBridgeInOptions: (
  options: unknown,
) => Read<typeof IN, "stream" | "durable"> = optionsReader(IN, ["stream", "durable"]);
