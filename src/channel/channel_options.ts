/** The options of the channel, its producers and its consumer, and the functions that check them. */

import {
  checkFlag,
  checkNumber,
  checkTimeout,
  oneOf,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";
import { checkSpin } from "../sync/adaptive_spin.ts";
import { checkTag, tagAlone } from "../sync/message_tag.ts";
import {
  type Limited,
  WAIT,
  WAIT_SYNC,
  type WaitOptions,
  type WaitSyncOptions,
  withDeadline,
} from "../sync/wait_schedule.ts";
import { checkMax } from "../sync/visit.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode } from "../sysv/object_stat.ts";

/** How {@linkcode Channel.open} opens a channel. */
export interface ChannelOpenOptions {
  /** Whether to accept a channel that another user, not root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
  /**
   * How many milliseconds to wait while other processes join, leave or create the channel; then opening
   * fails with `ETIMEDOUT`. Defaults to 5000. Closing waits as long, but at most 1000; then it leaves the
   * channel as it is.
   */
  readonly timeout?: number;
}

/** How {@linkcode Channel.openOrCreate} finds or creates a channel. */
export interface ChannelOptions extends ChannelOpenOptions {
  /** The key that all processes use. */
  readonly key: number;
  /** The highest number of producers at a time, 1 to 256. Defaults to that of the channel found, or to 8. */
  readonly lanes?: number;
  /**
   * Bytes of each lane: how far a producer can be ahead of the consumer. A power of two from 64 to 2^30.
   * Defaults to that of the channel found, or to 1 MiB. A message is at most half of it, less 8.
   */
  readonly laneCapacity?: number;
  /** Bytes of every message; 0 means that lengths differ. Defaults to that of the channel found, or to 0. */
  readonly messageSize?: number;
  /** Permission bits of a channel that is created here. Defaults to 0o600. */
  readonly mode?: number;
  /** Whether a channel created here stays when the last process leaves. Defaults to `false`. */
  readonly persistent?: boolean;
}

/**
 * How a producer behaves.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import type { ProducerOptions } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * const options: ProducerOptions = { withoutConsumer: "error" };
 * using channel = Channel.openOrCreate({ key: 0x5eed4005, lanes: 1, laneCapacity: 64 });
 * using producer = channel.producer(options);
 * while (producer.trySend(new Uint8Array(8)));
 * assert.throws(() => producer.sendSync(new Uint8Array(8)), { code: "EPIPE" });
 * using consumer = channel.consumer();
 * consumer.drain(() => {});
 * ```
 */
export interface ProducerOptions {
  /**
   * What a send does when its lane is full and there is no consumer: `"wait"` for a consumer to come and
   * free space, or fail with an `"error"` (`EPIPE`). Defaults to `"wait"`. With both, messages are
   * accepted while there is space: they wait for a consumer.
   */
  readonly withoutConsumer?: "wait" | "error";
  /**
   * Microseconds to look for space before sleeping, while that is likely to succeed. Defaults to 250. As
   * {@linkcode ConsumerOptions.spin}.
   */
  readonly spin?: number;
}

/** How a consumer behaves. */
export interface ConsumerOptions {
  /**
   * Microseconds to look for messages before sleeping, while that is likely to succeed. Defaults to 250.
   * After a long sleep the consumer sleeps at once, until messages come sooner again. Where looking does
   * not succeed, as with both sides on one core, it is tried less and less often.
   */
  readonly spin?: number;
}

/** The tag of a message. */
export interface ChannelTrySendOptions {
  /** A 32-bit number that travels with the message; the sender chooses it. Defaults to 0. */
  readonly tag?: number;
}

/** The tag of a message, and how long `sendSync` waits for space. */
export interface ChannelSendSyncOptions extends ChannelTrySendOptions, WaitSyncOptions {}

/** As {@linkcode ChannelSendSyncOptions}, and a signal that ends the wait. */
export interface ChannelSendOptions extends ChannelTrySendOptions, WaitOptions {}

/**
 * When a message is acknowledged, and so counts as received.
 *
 * - `"after"`: by {@linkcode Consumer.ack}, or when the consumer asks for the next one. If it closes or
 *   dies before that, the next consumer gets the message (again): at least once.
 * - `"before"`: when it is delivered, with all messages delivered before. If the consumer dies, it is
 *   lost: at most once.
 *
 * @example
 * ```ts
 * import type { Acknowledgement } from "@sysv/shm/channel";
 * import { Channel } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const ack: Acknowledgement = "before";
 * using channel = Channel.openOrCreate({ key: 0x5eed4009, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * producer.trySend(Uint8Array.of(1));
 * consumer.tryReceive({ ack });
 * assert.equal(channel.stats().lanes[0]!.depth, 0); // with "after" it would still be 1
 * ```
 */
export type Acknowledgement = "before" | "after";

/** How `receiveSync` receives a message. */
export interface ChannelReceiveSyncOptions extends WaitSyncOptions {
  /** When the message is acknowledged. Defaults to `"after"`. */
  readonly ack?: Acknowledgement;
  /**
   * `"closed"`: wait only until the end of the stream: there was a producer, all have closed or died, and
   * all their messages were received. Producers count that were open when this consumer was opened, that
   * came later, or that left messages. If there was none yet, it waits for the first. Defaults to waiting
   * for further producers.
   */
  readonly until?: "closed";
}

/** As {@linkcode ChannelReceiveSyncOptions}, and a signal that ends the wait. */
export interface ChannelReceiveOptions extends ChannelReceiveSyncOptions, WaitOptions {}

/** How {@linkcode Consumer.consume} waits for messages. */
export interface ConsumeOptions {
  /** How many milliseconds to wait for each message. Defaults to no limit. */
  readonly timeout?: number;
  /** Ends `consume` when it aborts: the promise fulfils. */
  readonly signal?: AbortSignal;
  /** As {@linkcode ChannelReceiveSyncOptions.until}. */
  readonly until?: "closed";
}

/**
 * A received message.
 *
 * @example
 * ```ts
 * import { Channel, type ChannelMessage } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed400c, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * producer.trySend(new TextEncoder().encode("hello"), { tag: 3 });
 * const { text, tag, lane }: ChannelMessage = consumer.tryReceive()!;
 * assert.deepEqual([text, tag, lane], ["hello", 3, producer.lane]);
 * consumer.ack();
 * ```
 */
export interface ChannelMessage<Out = Uint8Array<ArrayBuffer>> {
  /** The message: its `bytes`, or on a channel of structs a view of their fields. */
  readonly value: Out;
  /** The bytes of the message: a copy, which the receiver may keep. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The bytes as UTF-8; invalid ones become U+FFFD. Decoded each time it is read. */
  readonly text: string;
  /** The tag that the sender chose. */
  readonly tag: number;
  /** The lane of its producer: messages of one lane are in order. */
  readonly lane: number;
}

const OPEN = { trust: checkFlag, timeout: checkTimeout };
const OF_STRUCTS = {
  key: checkKey,
  lanes: checkNumber,
  laneCapacity: checkNumber,
  mode: checkMode,
  persistent: checkFlag,
  ...OPEN,
};
const CHANNEL = { ...OF_STRUCTS, messageSize: checkNumber };
const CONSUMER = { spin: checkSpin };
const PRODUCER = { withoutConsumer: oneOf("wait", "error"), ...CONSUMER };
const TRY_SEND = { tag: checkTag };
const SEND_SYNC = { ...TRY_SEND, ...WAIT_SYNC };
const SEND = { ...TRY_SEND, ...WAIT };

const TRY_RECEIVE = { ack: oneOf("before", "after") };
const DRAIN = { max: checkMax, ...TRY_RECEIVE };
const UNTIL = { until: oneOf("closed") };
const RECEIVE_SYNC = { ...TRY_RECEIVE, ...UNTIL, ...WAIT_SYNC };
const RECEIVE = { ...RECEIVE_SYNC, ...WAIT };
const CONSUME = { ...WAIT, ...UNTIL };

/** Reads the options of `tryReceive`. */
export const readTryReceiveOptions: (options: unknown) => Read<typeof TRY_RECEIVE> = optionsReader(
  TRY_RECEIVE,
);

/** Reads the options of `drain`. */
export const readDrainOptions: (options: unknown) => Read<typeof DRAIN> = optionsReader(DRAIN);

/** Reads {@linkcode ChannelReceiveSyncOptions}. */
const readReceiveSync = optionsReader(RECEIVE_SYNC);

/** Reads {@linkcode ChannelReceiveSyncOptions}. */
export function readReceiveSyncOptions(options: unknown): Limited<ChannelReceiveSyncOptions> {
  return withDeadline<ChannelReceiveSyncOptions>(readReceiveSync(options));
}

/** Reads {@linkcode ChannelReceiveOptions}. */
export const readMessagesOptions: (options: unknown) => Read<typeof RECEIVE> = optionsReader(
  RECEIVE,
);

/** Reads {@linkcode ChannelReceiveOptions}, for one message. */
export function readReceiveOptions(options: unknown): Limited<ChannelReceiveOptions> {
  return withDeadline<ChannelReceiveOptions>(readMessagesOptions(options));
}

/** Reads {@linkcode ConsumeOptions}. */
export const readConsumeOptions: (options: unknown) => Read<typeof CONSUME> = optionsReader(
  CONSUME,
);

/** Reads {@linkcode ChannelOpenOptions}. */
export const readChannelOpenOptions: (options: unknown) => Read<typeof OPEN> = optionsReader(OPEN);

/** Reads {@linkcode ChannelOptions}. */
export const readChannelOptions: (options: unknown) => Read<typeof CHANNEL, "key"> = optionsReader(
  CHANNEL,
  ["key"],
);

/** Reads the options of a channel of structs. Its message size is that of the struct. */
export const readStructChannelOptions: (options: unknown) => Read<typeof OF_STRUCTS, "key"> =
  optionsReader(OF_STRUCTS, ["key"]);

/** Reads {@linkcode ProducerOptions}. */
export const readProducerOptions: (options: unknown) => Read<typeof PRODUCER> = optionsReader(
  PRODUCER,
);

/** Reads {@linkcode ConsumerOptions}. */
export const readConsumerOptions: (options: unknown) => Read<typeof CONSUMER> = optionsReader(
  CONSUMER,
);

const readSendSyncOptionsInFull = optionsReader(SEND_SYNC);
const readSendOptionsInFull = optionsReader(SEND);

/** Reads {@linkcode ChannelSendSyncOptions}. */
export function readSendSyncOptions(options: unknown): Limited<ChannelSendSyncOptions> {
  const tag = tagAlone(options);
  return tag === undefined
    ? withDeadline<ChannelSendSyncOptions>(readSendSyncOptionsInFull(options))
    : { tag };
}

/** Reads {@linkcode ChannelSendOptions}. */
export function readSendOptions(options: unknown): Limited<ChannelSendOptions> {
  const tag = tagAlone(options);
  return tag === undefined
    ? withDeadline<ChannelSendOptions>(readSendOptionsInFull(options))
    : { tag };
}
