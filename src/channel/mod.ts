/**
 * The channel: messages of any length from many producers to one consumer, through a ring in shared memory
 * for each producer.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed0015 });
 * using consumer = channel.consumer();
 * using producer = channel.producer(); // usually in another process
 * producer.sendSync(new TextEncoder().encode("hello"));
 * assert.equal(consumer.receiveSync().text, "hello");
 * consumer.ack(); // nothing is left, so the last to leave removes the channel
 * ```
 *
 * @module
 */

export { Channel } from "./channel.ts";
export type {
  Acknowledgement,
  ChannelMessage,
  ChannelOpenOptions,
  ChannelOptions,
  ChannelReceiveOptions,
  ChannelReceiveSyncOptions,
  ChannelSendOptions,
  ChannelSendSyncOptions,
  ChannelTrySendOptions,
  ConsumeOptions,
  ConsumerOptions,
  ProducerOptions,
} from "./channel_options.ts";
export {
  type ChannelStat,
  type ChannelStats,
  type LaneStat,
  listChannels,
  statChannel,
} from "./channel_stat.ts";
export type { Consumer } from "./consumer.ts";
export type { ChannelVisit } from "./lane_reader.ts";
export type { VisitResult } from "../sync/visit.ts";
export type { Producer } from "./producer.ts";
export type { Reservation } from "./reservation.ts";
