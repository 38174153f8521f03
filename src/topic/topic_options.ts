/** The options of the topic, its publishers and its subscribers, and the functions that check them. */

import {
  checkFlag,
  checkNumber,
  checkTimeout,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";
import { checkSpin } from "../sync/adaptive_spin.ts";
import { checkMax } from "../sync/visit.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode } from "../sysv/object_stat.ts";

/** How {@linkcode Topic.open} opens a topic. */
export interface TopicOpenOptions {
  /**
   * Whether to open it for reading only: it can be subscribed to, and no trace of that is left. Permission
   * to read is enough. It does not keep the topic alive: when the last other process leaves, the topic is
   * removed, and a wait fails with `EIDRM`. Defaults to `false`.
   */
  readonly readOnly?: boolean;
  /** Whether to accept a topic that another user, not root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
  /**
   * How many milliseconds to wait while other processes join, leave or create the topic; then opening fails
   * with `ETIMEDOUT`. Defaults to 5000. Closing waits as long, but at most 1000; then it leaves the topic
   * as it is.
   */
  readonly timeout?: number;
}

/** How {@linkcode Topic.openOrCreate} finds or creates a topic. */
export interface TopicOptions {
  /** The key that all processes use. */
  readonly key: number;
  /** The highest number of publishers at a time, 1 to 256. Defaults to that of the topic found, or to 8. */
  readonly lanes?: number;
  /**
   * Bytes of each lane: how far a subscriber can be behind a publisher. A power of two from 256 to 2^30.
   * Defaults to that of the topic found, or to 1 MiB. A message is at most a quarter of it, less 16.
   */
  readonly laneCapacity?: number;
  /** Bytes of every message; 0 means that lengths differ. Defaults to that of the topic found, or to 0. */
  readonly messageSize?: number;
  /** Permission bits of a topic that is created here. Defaults to 0o600. */
  readonly mode?: number;
  /** Whether a topic created here stays when the last process leaves. Defaults to `false`. */
  readonly persistent?: boolean;
  /** As {@linkcode TopicOpenOptions.trust}. */
  readonly trust?: boolean;
  /** As {@linkcode TopicOpenOptions.timeout}. */
  readonly timeout?: number;
}

/** How {@linkcode Topic.of} finds or creates a topic of structs, or opens one. */
export interface StructTopicOptions extends Omit<TopicOptions, "messageSize"> {
  /** As {@linkcode TopicOpenOptions.readOnly}: then the topic must exist. */
  readonly readOnly?: boolean;
}

/** How a subscriber begins and waits. */
export interface SubscriberOptions {
  /**
   * How many messages of each lane it gets that were published before: at most this many of the newest,
   * or `"all"` that the ring still holds. Defaults to 0.
   */
  readonly history?: number | "all";
  /**
   * Microseconds to look for messages before sleeping, while that is likely to succeed. Defaults to 250.
   * After a long sleep the subscriber sleeps at once, until messages come sooner again. Where looking does
   * not succeed, as with both sides on one core, it is tried less and less often.
   */
  readonly spin?: number;
}

/** The tag of a published message. */
export interface PublishOptions {
  /** A 32-bit number that travels with the message; the publisher chooses it. Defaults to 0. */
  readonly tag?: number;
}

/**
 * A message that a subscriber received.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import type { TopicMessage } from "@sysv/shm/topic";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed6002, laneCapacity: 4096 });
 * using subscriber = topic.subscriber();
 * using publisher = topic.publisher();
 * publisher.publish(new TextEncoder().encode("hello"), { tag: 3 });
 * const { text, tag, lane, number, missed }: TopicMessage = subscriber.tryReceive()!;
 * assert.deepEqual([text, tag, lane, number, missed], ["hello", 3, publisher.lane, 1, 0]);
 * ```
 */
export interface TopicMessage<Out = Uint8Array<ArrayBuffer>> {
  /** The message: its `bytes`, or on a topic of structs a view of their fields. */
  readonly value: Out;
  /** The bytes of the message: a copy, which the receiver may keep. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes as UTF-8; invalid ones become U+FFFD. Decoded each time it is read. */
  readonly text: string;
  /** The tag that the publisher chose. */
  readonly tag: number;
  /** The lane of its publisher: messages of one lane are in order. */
  readonly lane: number;
  /** The number of the message in its lane. The first one ever is 1, and each has one more. */
  readonly number: number;
  /** How many messages of its lane were missed right before it: they were overwritten too early. */
  readonly missed: number;
}

const OPEN = { readOnly: checkFlag, trust: checkFlag, timeout: checkTimeout };
const CREATE = {
  key: checkKey,
  lanes: checkNumber,
  laneCapacity: checkNumber,
  mode: checkMode,
  persistent: checkFlag,
  trust: checkFlag,
  timeout: checkTimeout,
};
const OF_STRUCTS = { ...CREATE, ...OPEN };
const TOPIC = { ...CREATE, messageSize: checkNumber };
const SUBSCRIBER = { history: checkHistory, spin: checkSpin };
const DRAIN = { max: checkMax };

/** Accepts how much of the history a subscriber gets, as a number of messages. */
function checkHistory(value: unknown, name: string): number {
  if (value === "all") return Infinity;
  if (typeof value !== "number") throw mistyped(name, 'a number of messages or "all"', value);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new RangeError(`history ${value} is not a number of messages, 0 or more`);
}

/** Reads {@linkcode TopicOpenOptions}. */
export const readTopicOpenOptions: (options: unknown) => Read<typeof OPEN> = optionsReader(OPEN);

/** Reads {@linkcode TopicOptions}. */
export const readTopicOptions: (options: unknown) => Read<typeof TOPIC, "key"> = optionsReader(
  TOPIC,
  ["key"],
);

/** Reads {@linkcode StructTopicOptions}. The message size is that of the struct. */
export const readStructTopicOptions: (options: unknown) => Read<typeof OF_STRUCTS, "key"> =
  optionsReader(OF_STRUCTS, ["key"]);

/** Reads {@linkcode SubscriberOptions}. */
export const readSubscriberOptions: (options: unknown) => Read<typeof SUBSCRIBER> = optionsReader(
  SUBSCRIBER,
);

/** Reads the options of `drain`. */
export const readDrainOptions: (options: unknown) => Read<typeof DRAIN> = optionsReader(DRAIN);
