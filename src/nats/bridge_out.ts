/** From a channel to a stream of NATS JetStream. */

import { Consumer, messageNumbers } from "../channel/consumer.ts";
import { mistyped } from "../layout/refusal.ts";
import { BridgeError, reasonOf } from "./bridge_error.ts";
import {
  type BridgeOutOptions,
  type BridgeProgress,
  MAX_IN_FLIGHT,
  readBridgeOutOptions,
} from "./bridge_options.ts";
import { Link } from "./link.ts";
import type { StreamInfo } from "./nats_client.ts";
import { ProgressCount } from "./progress_count.ts";
import { HEADER_BYTES, type Outgoing, StreamPublisher } from "./stream_publisher.ts";

/** Bytes of payloads that are on their way at a time, unless one message is larger. */
const MOST_BYTES = 1 << 23;

/** Thrown at the message that has to wait for the next batch. */
const FULL = Symbol("full");

/** Messages that were taken from the channel together, and why no more were. */
interface Batch {
  readonly messages: readonly Outgoing[];
  readonly bytes: number;
  /** The error for the message behind them, if it can never pass. */
  readonly tooLarge: BridgeError | undefined;
}

/**
 * Publishes the messages of a channel to a stream, until `signal` aborts. The bridge needs the consumer for
 * itself meanwhile.
 *
 * A message is acknowledged to the channel after the stream has stored it. If the bridge ends in between, in
 * whatever way, the next one publishes the message again under the same id, and the stream drops it if it
 * has it (within its `duplicate_window`, 2 minutes by default). So each message is in the stream once. The
 * messages of a lane stay in order. A header `Shm-Lane` has the lane, `Shm-Tag` the tag.
 *
 * While the server is away, or the stream is full, the bridge waits, and the messages stay in the channel.
 * A message larger than the server or the stream takes ends the bridge; it stays in the channel too.
 *
 * @returns what was passed on, when `signal` has aborted
 * @throws {BridgeError} `ENOCLIENT` the packages from npm cannot be loaded, `ECONNECT`, `ESTREAM` there is no
 * such stream, `EMSGSIZE` a message is too large, `EREFUSED`
 * @throws {ShmError} as {@linkcode Consumer.ready}
 * @throws {TypeError} `consumer` is not a consumer of bytes
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
  consumer: Consumer,
  options: BridgeOutOptions,
): Promise<BridgeProgress> {
  if (!(consumer instanceof Consumer)) throw mistyped("consumer", "a Consumer", consumer);
  const { signal, onProgress, maxInFlight = MAX_IN_FLIGHT, ...where } = readBridgeOutOptions(
    options,
  );
  const count = new ProgressCount(onProgress);
  if (signal?.aborted) return count.now;
  await using link = await Link.open(where);
  const { config } = await findStream(link, where);
  using publisher = new StreamPublisher(link, where, count.wait);
  while (await isReady(consumer, signal)) {
    const { messages, bytes, tooLarge } = take(consumer, maxInFlight, longest(link, config));
    try {
      const duplicates = await publisher.publish(messages, signal);
      if (duplicates === undefined) break;
      consumer.ack();
      count.add(messages.length, bytes, duplicates);
    } catch (failure) {
      putBack(consumer);
      throw failure;
    }
    if (tooLarge !== undefined) throw tooLarge;
  }
  putBack(consumer);
  return count.now;
}

/** Waits for a message. Returns `false` when the signal aborts. */
async function isReady(consumer: Consumer, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return await consumer.ready(signal === undefined ? {} : { signal });
  } catch (failure) {
    // Only an aborted signal has a reason
    if (signal?.aborted === true && failure === signal.reason) return false;
    throw failure;
  }
}

function putBack(consumer: Consumer): void {
  if (consumer.isOpen) consumer.nack();
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

/** Takes the messages that are there, as far as they may be on their way together. */
function take(consumer: Consumer, maxInFlight: number, longest: number): Batch {
  const { identity, acknowledged } = messageNumbers(consumer);
  const numbers = [...acknowledged];
  const messages: Outgoing[] = [];
  let size = 0;
  let tooLarge: BridgeError | undefined;
  try {
    consumer.drain((bytes, tag, lane) => {
      if (!(bytes instanceof Uint8Array)) {
        throw mistyped("consumer", "a consumer of bytes, of Channel.open", bytes);
      }
      const { length } = bytes;
      if (length > longest) tooLarge = refusal(length, longest, lane, tag, numbers[lane]! + 1);
      if (length > longest || (size + length > MOST_BYTES && messages.length > 0)) throw FULL;
      const number = numbers[lane]! += 1;
      size += length;
      // The client keeps what it is given until it is sent, and the producer may change it until then
      messages.push({ id: `${identity}.${lane}.${number}`, lane, tag, bytes: bytes.slice() });
    }, { max: maxInFlight, ack: "after" });
  } catch (failure) {
    // What was delivered before an error is passed on first; the error comes again
    if (failure !== FULL && messages.length === 0) throw failure;
  }
  return { messages, bytes: size, tooLarge };
}

function refusal(
  length: number,
  longest: number,
  lane: number,
  tag: number,
  number: number,
): BridgeError {
  return new BridgeError(
    "EMSGSIZE",
    "publish a message",
    `message ${number} of lane ${lane} (tag ${tag}) has ${length} bytes, and the server or the stream takes ` +
      `at most ${longest} beside the headers; the message stays in the channel; raise max_payload of the ` +
      "server or max_msg_size of the stream, or receive it here",
  );
}
