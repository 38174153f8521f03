/** From a channel or a topic to a stream of NATS JetStream. */

import { Consumer } from "../channel/consumer.ts";
import { mistyped } from "../layout/refusal.ts";
import { Subscriber } from "../topic/subscriber.ts";
import { BridgeError, reasonOf } from "./bridge_error.ts";
import {
  type BridgeOutOptions,
  type BridgeProgress,
  MAX_IN_FLIGHT,
  readBridgeOutOptions,
} from "./bridge_options.ts";
import { type BridgeSource, ChannelSource, TopicSource } from "./bridge_source.ts";
import { Link } from "./link.ts";
import type { StreamInfo } from "./nats_client.ts";
import { ProgressCount } from "./progress_count.ts";
import { HEADER_BYTES, StreamPublisher } from "./stream_publisher.ts";

/**
 * Publishes the messages of a channel or a topic to a stream, until `signal` aborts. The bridge needs the
 * consumer or subscriber for itself meanwhile.
 *
 * A message of a channel is acknowledged after the stream has stored it. If the bridge ends in between, in
 * whatever way, the next one publishes the message again under the same id, and the stream drops it if it
 * has it (within its `duplicate_window`, 2 minutes by default). So each message is in the stream once. A topic
 * keeps nothing for a bridge: what is overwritten before it is taken is counted as `missed`, and what is on
 * its way when the bridge ends may be lost.
 *
 * The messages of a lane stay in order. A header `Shm-Lane` has the lane, `Shm-Tag` the tag. While the server
 * is away, or the stream is full, the bridge waits, and the messages stay in the channel. A message larger
 * than the server or the stream takes ends the bridge; it stays in the channel too.
 *
 * @returns what was passed on, when `signal` has aborted
 * @throws {BridgeError} `ENOCLIENT` the packages from npm cannot be loaded, `ECONNECT`, `ESTREAM` there is no
 * such stream, `EMSGSIZE` a message is too large, `EREFUSED`
 * @throws {ShmError} as {@linkcode Consumer.ready} and {@linkcode Subscriber.ready}
 * @throws {TypeError} `source` is neither a consumer nor a subscriber of bytes
 * @throws {RangeError} an option out of range
 *
 * @example
 * ```ts ignore
 * import { Channel } from "@sysv/shm";
 * import { bridgeOut } from "@sysv/shm/nats";
 *
 * using channel = Channel.open(0xcafe);
 * using consumer = channel.consumer();
 * const { messages } = await bridgeOut(consumer, {
 *   server: { servers: "tls://nats.example.com", tls: { caFile: "ca.pem" } },
 *   stream: "TELEMETRY",
 *   subject: "shm.telemetry",
 *   signal: AbortSignal.timeout(60_000),
 * });
 * console.log(messages);
 * ```
 */
export async function bridgeOut(
  source: Consumer | Subscriber,
  options: BridgeOutOptions,
): Promise<BridgeProgress> {
  const from = sourceOf(source);
  const { signal, onProgress, maxInFlight = MAX_IN_FLIGHT, ...where } = readBridgeOutOptions(
    options,
  );
  const count = new ProgressCount(onProgress);
  if (signal?.aborted) return count.now;
  await using link = await Link.open(where, count, signal);
  if (link === undefined) return count.now;
  const { config } = await findStream(link, where);
  using publisher = new StreamPublisher(link, where, count.wait);
  try {
    while (await isReady(from, signal)) {
      const batch = from.take({ most: maxInFlight, longest: longest(link, config) });
      const { messages, bytes, tooLarge } = batch;
      const duplicates = await publisher.publish(messages, signal);
      if (duplicates === undefined) break;
      from.ack();
      count.add({ messages: messages.length, bytes, duplicates, missed: from.missed });
      if (tooLarge !== undefined) throw tooLarge;
    }
  } finally {
    from.putBack();
  }
  return count.now;
}

function sourceOf(source: Consumer | Subscriber): BridgeSource {
  if (source instanceof Consumer) return new ChannelSource(source);
  if (source instanceof Subscriber) return new TopicSource(source);
  throw mistyped("source", "a Consumer or a Subscriber", source);
}

/** Waits for a message. Returns `false` when the signal aborts. */
async function isReady(source: BridgeSource, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await source.ready(signal === undefined ? {} : { signal });
    return true;
  } catch (failure) {
    // Only an aborted signal has a reason
    if (signal?.aborted === true && failure === signal.reason) return false;
    throw failure;
  }
}

/** Finds the stream, or creates it if that is wanted. */
async function findStream(
  { manager }: Link,
  { stream, subject, create = false }: Pick<BridgeOutOptions, "stream" | "subject" | "create">,
): Promise<StreamInfo> {
  try {
    return await manager.streams.info(stream).catch((failure) => {
      if (!create || failure.status !== 404) throw failure;
      return manager.streams.add({ name: stream, subjects: [subject] });
    });
  } catch (cause) {
    throw new BridgeError(
      "ESTREAM",
      `find stream ${stream}`,
      reasonOf(cause),
      cause,
    );
  }
}

/** The longest payload that server and stream take. */
function longest({ connection }: Link, { max_msg_size = -1 }: StreamInfo["config"]): number {
  const most = [max_msg_size, connection.info?.max_payload ?? -1].filter((limit) => limit >= 0);
  return Math.min(...most) - HEADER_BYTES;
}
