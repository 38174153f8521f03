/**
 * Channels of structs: the producer and consumer of a channel, with each message as a C struct.
 */

import { checkFunction } from "../layout/arguments.ts";
import type { Fields, StructInput, StructLayout, StructView } from "../layout/layout.ts";
import { promised } from "../sysv/wait.ts";
import type { Channel } from "./channel.ts";
import type {
  Acknowledgement,
  ChannelMessage,
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
import type { ChannelStats } from "./channel_stat.ts";
import type { Consumer } from "./consumer.ts";
import type { LeaveResult } from "../sync/membership.ts";
import type { ChannelVisit } from "./lane_reader.ts";
import type { Producer } from "./producer.ts";

/**
 * How {@linkcode Channel.of} finds or creates a channel: as {@linkcode ChannelOptions}, without the
 * message size, which is that of the struct.
 *
 * @example
 * ```ts
 * import { Channel, i32, struct } from "@sysv/shm";
 * import type { TypedChannelOptions } from "@sysv/shm/channel";
 *
 * const options: TypedChannelOptions = { key: 0x5eed401e, lanes: 1, laneCapacity: 4096 };
 * using channel = Channel.of(struct({ n: i32 }), options);
 * console.assert(channel.channel.messageSize === 4);
 * ```
 */
export type TypedChannelOptions = Omit<ChannelOptions, "messageSize">;

/**
 * A received struct.
 *
 * @example
 * ```ts
 * import { Channel, i32, struct } from "@sysv/shm";
 * import type { TypedMessage } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * const Count = struct({ n: i32 });
 * using channel = Channel.of(Count, { key: 0x5eed401f, laneCapacity: 4096 });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * producer.trySend({ n: 7 });
 * const message: TypedMessage<{ n: typeof i32 }> = consumer.tryReceive()!;
 * assert.equal(message.value.n, 7);
 * consumer.ack();
 * ```
 */
export interface TypedMessage<F extends Fields> {
  /** A view of the receiver's own copy. */
  readonly value: StructView<F>;
  /** The tag that the sender chose. */
  readonly tag: number;
  /** The lane of its producer. */
  readonly lane: number;
}

/**
 * A channel whose messages are structs; made by {@linkcode Channel.of}.
 *
 * @example
 * ```ts
 * import { Channel, f64, struct } from "@sysv/shm";
 * import type { TypedChannel } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * const Sample = struct({ time: f64, value: f64 });
 * using channel: TypedChannel<{ time: typeof f64; value: typeof f64 }> = Channel.of(Sample, {
 *   key: 0x5eed4020,
 *   laneCapacity: 4096,
 * });
 * using producer = channel.producer();
 * using consumer = channel.consumer();
 * for (let time = 0; time < 3; time++) producer.trySend({ time, value: time * time });
 * let sum = 0;
 * consumer.drain((sample) => sum += sample.value);
 * assert.equal(sum, 5);
 * ```
 */
export class TypedChannel<F extends Fields> implements Disposable {
  readonly #channel: Channel;
  readonly #layout: StructLayout<F>;

  /** Internal: used by {@linkcode Channel.of}. */
  constructor(layout: StructLayout<F>, channel: Channel) {
    this.#layout = layout;
    this.#channel = channel;
    Object.freeze(this);
  }

  /** The underlying channel of bytes. */
  get channel(): Channel {
    return this.#channel;
  }

  /** The layout of the struct. */
  get layout(): StructLayout<F> {
    return this.#layout;
  }

  /**
   * As {@linkcode Channel.producer}.
   *
   * @throws {ShmError} as {@linkcode Channel.producer}
   */
  producer(options?: ProducerOptions): TypedProducer<F> {
    return new TypedProducer(this.#layout, this.#channel.producer(options));
  }

  /**
   * As {@linkcode Channel.consumer}.
   *
   * @throws {ShmError} as {@linkcode Channel.consumer}
   */
  consumer(options?: ConsumerOptions): TypedConsumer<F> {
    return new TypedConsumer(this.#layout, this.#channel.consumer(options));
  }

  /**
   * As {@linkcode Channel.stats}.
   *
   * @throws {ShmError} as {@linkcode Channel.stats}
   */
  stats(): ChannelStats {
    return this.#channel.stats();
  }

  /** As {@linkcode Channel.close}. */
  close(): LeaveResult {
    return this.#channel.close();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A sender of structs. Each method works as the method of {@linkcode Producer} and throws the same
 * errors. A value that a field cannot hold is a `TypeError` or `RangeError`, and nothing is sent.
 *
 * @example
 * ```ts
 * import { Channel, i32, struct } from "@sysv/shm";
 * import type { TypedProducer } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.of(struct({ n: i32 }), { key: 0x5eed4021, laneCapacity: 4096 });
 * using producer: TypedProducer<{ n: typeof i32 }> = channel.producer();
 * for (let n = 0; n < 100; n++) producer.stage({ n });
 * producer.publish();
 * using consumer = channel.consumer();
 * assert.equal(consumer.drain(() => {}), 100);
 * ```
 */
export class TypedProducer<F extends Fields> implements Disposable {
  readonly #producer: Producer;
  readonly #layout: StructLayout<F>;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** Internal: used by {@linkcode TypedChannel.producer}. */
  constructor(layout: StructLayout<F>, producer: Producer) {
    this.#layout = layout;
    this.#producer = producer;
    this.#bytes = new Uint8Array(layout.size);
    Object.freeze(this);
  }

  /** The underlying producer of bytes. */
  get producer(): Producer {
    return this.#producer;
  }

  #encode(value: StructInput<F>): Uint8Array<ArrayBuffer> {
    this.#layout.write(this.#bytes.buffer, value);
    return this.#bytes;
  }

  /** Sends `value` if there is room, and returns whether it did. */
  trySend(value: StructInput<F>, options?: ChannelTrySendOptions): boolean {
    return this.#producer.trySend(this.#encode(value), options);
  }

  /** Writes `value` if there is room, and returns whether; {@linkcode TypedProducer.publish} sends it. */
  stage(value: StructInput<F>, options?: ChannelTrySendOptions): boolean {
    return this.#producer.stage(this.#encode(value), options);
  }

  /** Publishes the staged structs. */
  publish(): void {
    this.#producer.publish();
  }

  /** Sends `value`, and blocks the thread while the lane is full. */
  sendSync(value: StructInput<F>, options?: ChannelSendSyncOptions): void {
    this.#producer.sendSync(this.#encode(value), options);
  }

  /** Sends `value` as soon as there is room. Copies it at once: later changes to it are not sent. */
  send(value: StructInput<F>, options?: ChannelSendOptions): Promise<void> {
    return promised(() => this.#producer.send(this.#encode(value).slice(), options));
  }

  /** Releases the lane. */
  close(): void {
    this.#producer.close();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The receiver of structs. Each method works as the method of {@linkcode Consumer} and throws the same
 * errors.
 *
 * @example
 * ```ts
 * import { Channel, i32, struct } from "@sysv/shm";
 * import type { TypedConsumer } from "@sysv/shm/channel";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.of(struct({ n: i32 }), { key: 0x5eed4022, laneCapacity: 4096 });
 * {
 *   using producer = channel.producer();
 *   producer.trySend({ n: 42 });
 * }
 * using consumer: TypedConsumer<{ n: typeof i32 }> = channel.consumer();
 * await consumer.consume(({ value }) => assert.equal(value.n, 42), { until: "closed" });
 * ```
 */
export class TypedConsumer<F extends Fields> implements Disposable, AsyncIterable<TypedMessage<F>> {
  readonly #consumer: Consumer;
  readonly #layout: StructLayout<F>;
  /** The memory of the view that `drain` passes; replaced if a visitor transferred it away. */
  #bytes: Uint8Array<ArrayBuffer>;
  #view: StructView<F>;

  /** Internal: used by {@linkcode TypedChannel.consumer}. */
  constructor(layout: StructLayout<F>, consumer: Consumer) {
    this.#layout = layout;
    this.#consumer = consumer;
    this.#bytes = new Uint8Array(layout.size);
    this.#view = layout.view(this.#bytes.buffer);
    Object.freeze(this);
  }

  /** The underlying consumer of bytes. */
  get consumer(): Consumer {
    return this.#consumer;
  }

  /** The consumer guarantees that all messages of the channel have the size of the struct. */
  #decode({ bytes, tag, lane }: ChannelMessage): TypedMessage<F> {
    return { value: this.#layout.view(bytes.buffer), tag, lane };
  }

  /** The next struct, if there is one. */
  tryReceive(
    options?: { readonly ack?: Acknowledgement },
  ): TypedMessage<F> | undefined {
    const message = this.#consumer.tryReceive(options);
    return message && this.#decode(message);
  }

  /** Waits for the next struct; returns `undefined` only with `until`. */
  receive(options?: ChannelReceiveOptions & { readonly until?: never }): Promise<TypedMessage<F>>;
  /** With `until`: returns `undefined` at the end of the stream. */
  receive(options: ChannelReceiveOptions): Promise<TypedMessage<F> | undefined>;
  receive(options: ChannelReceiveOptions = {}): Promise<TypedMessage<F> | undefined> {
    return this.#consumer.receive(options).then((message) => message && this.#decode(message));
  }

  /** As {@linkcode TypedConsumer.receive}, but blocks the thread. */
  receiveSync(options?: ChannelReceiveSyncOptions & { readonly until?: never }): TypedMessage<F>;
  /** With `until`: returns `undefined` at the end of the stream. */
  receiveSync(options: ChannelReceiveSyncOptions): TypedMessage<F> | undefined;
  receiveSync(options: ChannelReceiveSyncOptions = {}): TypedMessage<F> | undefined {
    const message = this.#consumer.receiveSync(options);
    return message && this.#decode(message);
  }

  /** Calls `handler` with each struct as it comes; as {@linkcode Consumer.consume}. */
  consume(
    handler: (message: TypedMessage<F>) => unknown,
    options?: ConsumeOptions,
  ): Promise<void> {
    return promised(() => {
      checkFunction(handler, "handler");
      return this.#consumer.consume((message) => handler(this.#decode(message)), options);
    });
  }

  /** Acknowledges all delivered structs; as {@linkcode Consumer.ack}. */
  ack(): void {
    this.#consumer.ack();
  }

  /** Puts all structs back that are delivered but not acknowledged; as {@linkcode Consumer.nack}. */
  nack(): void {
    this.#consumer.nack();
  }

  /** Drops everything that is in a lane now; as {@linkcode Consumer.discard}. */
  discard(lane: number): number {
    return this.#consumer.discard(lane);
  }

  /**
   * Passes all structs that are there to `visit`, at most `max`. The view is the same each time, of the
   * consumer's own copy: to keep a value, copy it during the call.
   *
   * @returns the number of structs that were passed to `visit`
   * @throws {TypeError} `visit` returned a promise: its struct and all structs after it stay
   */
  drain(
    visit: ChannelVisit<StructView<F>>,
    options?: { readonly max?: number; readonly ack?: Acknowledgement },
  ): number {
    checkFunction(visit, "visit");
    return this.#consumer.drain((bytes, tag, lane) => {
      if (this.#bytes.length === 0) {
        this.#bytes = new Uint8Array(this.#layout.size);
        this.#view = this.#layout.view(this.#bytes.buffer);
      }
      this.#bytes.set(bytes);
      return visit(this.#view, tag, lane);
    }, options);
  }

  /** As {@linkcode Consumer.deadProducers}. */
  get deadProducers(): number {
    return this.#consumer.deadProducers;
  }

  /** As {@linkcode Consumer.ready}. */
  ready(options?: ChannelReceiveOptions): Promise<boolean> {
    return this.#consumer.ready(options);
  }

  /** As {@linkcode Consumer.readySync}. */
  readySync(options?: ChannelReceiveSyncOptions): boolean {
    return this.#consumer.readySync(options);
  }

  /** Iterates over the structs as they come; as {@linkcode Consumer.messages}. */
  async *messages(
    options?: ChannelReceiveOptions,
  ): AsyncGenerator<TypedMessage<F>, void, void> {
    for await (const message of this.#consumer.messages(options)) yield this.#decode(message);
  }

  /** `for await` over the consumer iterates over the structs as they come, without an end. */
  [Symbol.asyncIterator](): AsyncGenerator<TypedMessage<F>, void, void> {
    return this.messages();
  }

  /** Releases the role. */
  close(): void {
    this.#consumer.close();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
