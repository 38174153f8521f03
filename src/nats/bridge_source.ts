/** Where a bridge takes messages from: a channel, or a topic. Internal: used by `bridge_out.ts`. */

import { type Consumer, messageNumbers } from "../channel/consumer.ts";
import { mistyped } from "../layout/refusal.ts";
import type { Subscriber } from "../topic/subscriber.ts";
import { BridgeError } from "./bridge_error.ts";
import type { Outgoing } from "./stream_publisher.ts";

/** Bytes of payloads that are on their way at a time, unless one message is larger. */
const MOST_BYTES = 1 << 23;

/** Thrown at the message that has to wait for the next batch. */
const FULL = Symbol("full");

/** Messages that were taken together, and why no more were. */
export interface Batch {
  readonly messages: readonly Outgoing[];
  readonly bytes: number;
  /** The error for the message behind them, if it can never pass. */
  readonly tooLarge: BridgeError | undefined;
}

/** How many messages, and of which length, a batch may have. */
interface Limits {
  readonly most: number;
  readonly longest: number;
}

/** Where messages come from. */
export interface BridgeSource {
  /** Waits for a message. */
  ready(options: { readonly signal?: AbortSignal }): Promise<unknown>;
  /** Takes the messages that are there, within the limits. */
  take(limits: Limits): Batch;
  /** Says that the messages taken last have arrived. */
  ack(): void;
  /** Puts the messages taken last back, as far as that is possible. */
  putBack(): void;
  /** How many messages were overwritten before they could be taken. */
  readonly missed: number;
}

/** A channel: each message is published until the stream has it. */
export class ChannelSource implements BridgeSource {
  readonly missed = 0;
  readonly #consumer: Consumer;

  constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  ready(options: { readonly signal?: AbortSignal }): Promise<unknown> {
    return this.#consumer.ready(options);
  }

  take({ most, longest }: Limits): Batch {
    const { identity, acknowledged } = messageNumbers(this.#consumer);
    const collecting = new Collecting(identity, acknowledged, longest);
    return collecting.run((visit) => this.#consumer.drain(visit, { max: most, ack: "after" }));
  }

  ack(): void {
    this.#consumer.ack();
  }

  putBack(): void {
    if (this.#consumer.isOpen) this.#consumer.nack();
  }
}

/** A topic: publishers do not wait, and what is overwritten before it is taken never passes. */
export class TopicSource implements BridgeSource {
  readonly #subscriber: Subscriber;
  readonly #missedBefore: number;
  /** Unlike that of any other bridge: a topic has no messages that a second bridge would publish again. */
  readonly #identity = crypto.randomUUID();
  readonly #taken: number[] = [];

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
    this.#missedBefore = subscriber.missed;
  }

  get missed(): number {
    return this.#subscriber.missed - this.#missedBefore;
  }

  ready(options: { readonly signal?: AbortSignal }): Promise<unknown> {
    return this.#subscriber.ready(options);
  }

  take({ most, longest }: Limits): Batch {
    const collecting = new Collecting(this.#identity, this.#taken, longest);
    const batch = collecting.run((visit) => this.#subscriber.drain(visit, { max: most }));
    for (const { lane } of batch.messages) this.#taken[lane] = (this.#taken[lane] ?? 0) + 1;
    return batch;
  }

  ack(): void {}

  putBack(): void {}
}

type Visit = (bytes: Uint8Array<ArrayBuffer>, tag: number, lane: number) => void;

/** Collects one batch. */
class Collecting {
  readonly #identity: string;
  readonly #numbers: number[];
  readonly #longest: number;
  readonly #messages: Outgoing[] = [];
  #bytes = 0;
  #tooLarge: BridgeError | undefined;

  /** `numbers` are those of the last messages of each lane before this batch. */
  constructor(identity: string, numbers: readonly number[], longest: number) {
    this.#identity = identity;
    this.#numbers = [...numbers];
    this.#longest = longest;
  }

  /** The batch of what `drain` passes to the visitor. */
  run(drain: (visit: Visit) => void): Batch {
    try {
      drain((bytes, tag, lane) => this.#add(bytes, tag, lane));
    } catch (failure) {
      // What was delivered before an error is passed on first; the error comes again
      if (failure !== FULL && this.#messages.length === 0) throw failure;
    }
    return { messages: this.#messages, bytes: this.#bytes, tooLarge: this.#tooLarge };
  }

  #add(bytes: Uint8Array<ArrayBuffer>, tag: number, lane: number): void {
    if (!(bytes instanceof Uint8Array)) {
      throw mistyped("source", "one of bytes, not of structs", bytes);
    }
    const { length } = bytes;
    const number = (this.#numbers[lane] ?? 0) + 1;
    if (length > this.#longest) {
      this.#tooLarge = refusal(
        `message ${number} of lane ${lane} (tag ${tag})`,
        length,
        this.#longest,
      );
      throw FULL;
    }
    if (this.#bytes + length > MOST_BYTES && this.#messages.length > 0) throw FULL;
    this.#numbers[lane] = number;
    this.#bytes += length;
    // The client keeps what it is given until it is sent, and the memory may change until then
    const copy = bytes.slice();
    this.#messages.push({ id: `${this.#identity}.${lane}.${number}`, lane, tag, bytes: copy });
  }
}

function refusal(message: string, length: number, longest: number): BridgeError {
  return new BridgeError(
    "EMSGSIZE",
    "publish a message",
    `${message} has ${length} bytes, and the server or the stream takes at most ${longest} beside the ` +
      "headers; the message stays where it is; raise max_payload of the server or max_msg_size of the " +
      "stream, or receive it here",
  );
}
