/** From a stream of NATS JetStream to a channel. */

import { Producer } from "../channel/producer.ts";
import { mistyped } from "../layout/refusal.ts";
import { BridgeError } from "./bridge_error.ts";
import {
  type BridgeInOptions,
  type BridgeProgress,
  MAX_IN_FLIGHT,
  readBridgeInOptions,
} from "./bridge_options.ts";
import { DurableReader, findDurable, type Incoming } from "./durable_reader.ts";
import { Link } from "./link.ts";
import { ProgressCount } from "./progress_count.ts";

/**
 * Sends the messages of a stream through a channel, until `signal` aborts. They come by a durable consumer,
 * whose place in the stream the server keeps.
 *
 * A message is acknowledged to the stream after it was sent. If the bridge ends in between, in whatever way, the
 * next one sends it again: at least once, in order. It waits up to 2 s before that, until the server
 * delivers again. The tag is that of the header `Shm-Tag`, or 0. All messages go through the producer's
 * lane. While that is full, the messages stay in the stream.
 *
 * @returns what was passed on, when `signal` has aborted
 * @throws {BridgeError} `ENOCLIENT` the packages from npm cannot be loaded, `ECONNECT`, `ESTREAM` there is no
 * such stream, or its durable consumer is of no use, `EMSGSIZE` a message does not fit into the channel: it
 * stays in the stream, `EREFUSED`
 * @throws {ShmError} as {@linkcode Producer.send}
 * @throws {TypeError} `producer` is not a producer of bytes
 * @throws {RangeError} an option out of range
 *
 * @example
 * ```ts ignore
 * import { Channel } from "@sysv/shm";
 * import { bridgeIn } from "@sysv/shm/nats";
 *
 * using channel = Channel.openOrCreate({ key: 0xcafe });
 * using producer = channel.producer();
 * const { messages } = await bridgeIn(producer, {
 *   server: "nats://127.0.0.1:4222",
 *   stream: "TELEMETRY",
 *   durable: "dashboard",
 *   signal: AbortSignal.timeout(60_000),
 * });
 * console.log(messages);
 * ```
 */
export async function bridgeIn(
  producer: Producer,
  options: BridgeInOptions,
): Promise<BridgeProgress> {
  if (!(producer instanceof Producer)) throw mistyped("producer", "a Producer", producer);
  const { signal, onProgress, maxInFlight = MAX_IN_FLIGHT, ...where } = readBridgeInOptions(
    options,
  );
  const count = new ProgressCount(onProgress);
  if (signal?.aborted) return count.now;
  await using link = await Link.open(where);
  const info = await findDurable(link, { ...where, maxInFlight });
  const tellWaiting = count.wait;
  using reader = new DurableReader(link, { ...where, maxInFlight, info, tellWaiting });
  const sending = new Sending(producer, reader, count, 4 * maxInFlight);
  for (;;) {
    const messages = await reader.next(signal);
    if (messages.length === 0) break;
    await sending.send(messages, signal);
  }
  // The acknowledgements must leave before the connection is closed
  if (link.isUp) await link.connection.flush();
  return count.now;
}

/** Sends messages through the channel, and acknowledges them after that. */
class Sending {
  readonly #producer: Producer;
  readonly #reader: DurableReader;
  readonly #count: ProgressCount;
  /** Numbers in the stream of the messages sent last. One that is delivered again is not sent again. */
  readonly #sent = new Set<number>();
  readonly #most: number;
  #staged: Incoming[] = [];
  #duplicates: Incoming[] = [];

  constructor(producer: Producer, reader: DurableReader, count: ProgressCount, most: number) {
    this.#producer = producer;
    this.#reader = reader;
    this.#count = count;
    this.#most = most;
  }

  /** Sends and acknowledges; less than all if `signal` aborts. */
  async send(messages: readonly Incoming[], signal: AbortSignal | undefined): Promise<void> {
    let at = 0;
    try {
      for (; at < messages.length; at++) {
        const message = messages[at]!;
        if (this.#sent.has(message.sequence)) this.#duplicates.push(message);
        else await this.#sendOne(message, signal);
      }
    } catch (failure) {
      // Only an aborted signal has a reason
      if (signal?.aborted === true && failure === signal.reason) return;
      throw failure instanceof RangeError ? misfit(messages[at]!, failure) : failure;
    } finally {
      if (this.#producer.isOpen) this.#publish();
    }
  }

  async #sendOne(message: Incoming, signal: AbortSignal | undefined): Promise<void> {
    const { bytes, tag, sequence } = message;
    if (!this.#producer.stage(bytes, { tag })) {
      this.#publish();
      await this.#producer.send(bytes, signal === undefined ? { tag } : { tag, signal });
    }
    this.#staged.push(message);
    this.#sent.add(sequence);
  }

  /** Publishes what is staged, and acknowledges it and all that was sent before. */
  #publish(): void {
    this.#producer.publish();
    const staged = this.#staged;
    const duplicates = this.#duplicates;
    if (staged.length === 0 && duplicates.length === 0) return;
    this.#staged = [];
    this.#duplicates = [];
    for (const message of [...staged, ...duplicates]) this.#reader.ack(message);
    for (const sequence of this.#sent) {
      if (this.#sent.size <= this.#most) break;
      this.#sent.delete(sequence);
    }
    const size = staged.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#count.add(staged.length, size, duplicates.length);
  }
}

function misfit({ sequence }: Incoming, cause: RangeError): BridgeError {
  return new BridgeError(
    "EMSGSIZE",
    "send a message through the channel",
    `message ${sequence} of the stream stays there: ${cause.message}`,
    cause,
  );
}
