/** From a stream of NATS JetStream to a channel or a topic. */

import { Producer } from "../channel/producer.ts";
import { mistyped } from "../layout/refusal.ts";
import { Publisher } from "../topic/publisher.ts";
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
import { SentSequences } from "./sent_sequences.ts";

/** A channel that is full for longer than this is reported, in milliseconds. */
const FULL_MS = 2_000;

/** Where messages go: what a bridge needs of a producer. */
interface Target {
  readonly isOpen: boolean;
  /** Takes a message, if there is room. */
  stage(bytes: Uint8Array, options: { readonly tag: number }): boolean;
  /** Shows what was staged to the receivers. */
  publish(): void;
  /** Waits for room. */
  send(
    bytes: Uint8Array,
    options: { readonly tag: number; readonly signal?: AbortSignal },
  ): Promise<void>;
}

/**
 * Sends the messages of a stream through a channel, or publishes them to a topic, until `signal` aborts. They
 * come by a durable consumer, whose place in the stream the server keeps.
 *
 * A message is acknowledged to the stream after it was sent. If the bridge ends in between, in whatever way, the
 * next one sends it again: at least once, in order. It waits up to 2 s before that, until the server
 * delivers again. The tag is that of the header `Shm-Tag`, or 0. All messages go through the lane of the
 * producer or publisher. While that of a producer is full, the messages stay in the stream.
 *
 * @returns what was passed on, when `signal` has aborted
 * @throws {BridgeError} `ENOCLIENT` the packages from npm cannot be loaded, `ECONNECT`, `ESTREAM` there is no
 * such stream, or its durable consumer is of no use or was made anew meanwhile, `EMSGSIZE` a message does not
 * fit into the channel: it stays in the stream, `EREFUSED`
 * @throws {ShmError} as {@linkcode Producer.send} and {@linkcode Publisher.publish}
 * @throws {TypeError} `target` is neither a producer nor a publisher
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
  target: Producer | Publisher,
  options: BridgeInOptions,
): Promise<BridgeProgress> {
  const to = targetOf(target);
  const { signal, onProgress, maxInFlight = MAX_IN_FLIGHT, ...where } = readBridgeInOptions(
    options,
  );
  const count = new ProgressCount(onProgress);
  if (signal?.aborted) return count.now;
  await using link = await Link.open(where, count, signal);
  if (link === undefined) return count.now;
  const info = await findDurable(link, { ...where, maxInFlight });
  using reader = new DurableReader(link, { ...where, maxInFlight, info, count });
  const sending = new Sending(to, reader, count);
  for (;;) {
    const messages = await reader.next(signal);
    if (messages.length === 0) break;
    await sending.send(messages, signal);
  }
  // The acknowledgements must leave before the connection is closed; without it, the messages come again
  if (link.isUp) await link.flush();
  return count.now;
}

function targetOf(target: Producer | Publisher): Target {
  if (target instanceof Producer) return target;
  if (!(target instanceof Publisher)) {
    throw mistyped("target", "a Producer or a Publisher", target);
  }
  const publish = (bytes: Uint8Array, options: { readonly tag: number }): true => {
    target.publish(bytes, options);
    return true;
  };
  return {
    get isOpen(): boolean {
      return target.isOpen;
    },
    stage: publish,
    publish: () => {},
    send: (bytes, { tag }) => Promise.resolve(void publish(bytes, { tag })),
  };
}

/** Sends messages through the channel or topic, and acknowledges them after that. */
class Sending {
  readonly #target: Target;
  readonly #reader: DurableReader;
  readonly #count: ProgressCount;
  /** One that is delivered again is not sent again. */
  readonly #sent = new SentSequences();
  #staged: Incoming[] = [];
  #duplicates: Incoming[] = [];

  constructor(target: Target, reader: DurableReader, count: ProgressCount) {
    this.#target = target;
    this.#reader = reader;
    this.#count = count;
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
      if (this.#target.isOpen) this.#publish();
    }
  }

  async #sendOne(message: Incoming, signal: AbortSignal | undefined): Promise<void> {
    const { bytes, tag, sequence } = message;
    if (!this.#target.stage(bytes, { tag })) {
      this.#publish();
      const slow = setTimeout(this.#count.wait, FULL_MS, "the channel is full");
      try {
        await this.#target.send(bytes, signal === undefined ? { tag } : { tag, signal });
      } finally {
        clearTimeout(slow);
      }
    }
    this.#staged.push(message);
    this.#sent.add(sequence);
  }

  /** Publishes what is staged, and acknowledges it and all that was sent before. */
  #publish(): void {
    this.#target.publish();
    const staged = this.#staged;
    const duplicates = this.#duplicates;
    if (staged.length === 0 && duplicates.length === 0) return;
    this.#staged = [];
    this.#duplicates = [];
    for (const message of [...staged, ...duplicates]) this.#reader.ack(message);
    const bytes = staged.reduce((sum, message) => sum + message.bytes.length, 0);
    this.#count.add({ messages: staged.length, bytes, duplicates: duplicates.length });
  }
}

function misfit({ sequence }: Incoming, cause: RangeError): BridgeError {
  return new BridgeError(
    "EMSGSIZE",
    "send a message on",
    `message ${sequence} of the stream stays there: ${cause.message}`,
    cause,
  );
}
