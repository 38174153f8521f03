/**
 * The consumer of a channel: takes messages out of all lanes, in order for each of them.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction, checkNumber } from "../layout/arguments.ts";
import type { MessageDecoder } from "../layout/struct_codec.ts";
import { DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { handleEach, iterate } from "../sync/delivery.ts";
import { SMALL, SmallPayload } from "../sync/payload_views.ts";
import { type BytesMessage, DecodedMessage, decodeText } from "../sync/received_message.ts";
import type { Role } from "../sync/role.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import type { Limited } from "../sync/wait_schedule.ts";
import { MANY } from "../sync/visit.ts";
import { WaiterFlag } from "../sync/waiter_flag.ts";
import { promised, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import type { ChannelMembership } from "./channel_membership.ts";
import {
  type Acknowledgement,
  type ChannelMessage,
  type ChannelReceiveOptions,
  type ChannelReceiveSyncOptions,
  type ConsumeOptions,
  type ConsumerOptions,
  readConsumeOptions,
  readDrainOptions,
  readMessagesOptions,
  readReceiveOptions,
  readReceiveSyncOptions,
  readTryReceiveOptions,
} from "./channel_options.ts";
import { EndOfStream } from "./end_of_stream.ts";
import type { ChannelVisit } from "./lane_reader.ts";
import { LaneRotation } from "./lane_rotation.ts";
import { CONSUMER_WORD, consumerWords, WAITER_FLAG_OFFSET } from "./lane_words.ts";
import { MessageWait } from "./message_wait.ts";
import { ChannelReadable } from "./web_streams.ts";

/** The options of a drain that has none. */
const NO_LIMITS = readDrainOptions({});

/** Makes a consumer; its `role` is held. Internal: used by `channel.ts`. */
export let makeConsumer: <Out>(
  channel: ChannelMembership,
  role: Role,
  options: ConsumerOptions,
  codec: MessageDecoder<Out> | undefined,
) => Consumer<Out>;

/**
 * The number of the message that a drain of this consumer is passing, one of `lane`. Internal: used by the
 * command `recv`.
 */
export let numberPassed: (consumer: Consumer, lane: number) => number;

/** {@linkcode Consumer.deadProducers} of each lane. Internal: used by the command `recv`. */
export let deadByLane: (consumer: Consumer) => readonly number[];

/**
 * What names the messages of a channel outside it: the n-th message of a lane is `identity`, lane and n,
 * whichever consumer receives it, and however often.
 */
export interface MessageNumbers {
  /** Unlike that of any other channel, on any machine. */
  readonly identity: string;
  /** How many messages of each lane were ever acknowledged: the next one has the number after that. */
  readonly acknowledged: readonly number[];
}

/** The {@linkcode MessageNumbers} of a consumer's channel. Internal: used by the bridge to NATS. */
export let messageNumbers: (consumer: Consumer) => MessageNumbers;

/** A consumer that goes on receiving while it acknowledges nothing. */
export interface HoldingEnd<Out> {
  /** How many messages of each lane were ever acknowledged. */
  readonly acknowledged: readonly number[];
  /** As {@linkcode Consumer.ready}, without acknowledging. */
  ready(options: ChannelReceiveOptions): Promise<boolean>;
  /** As {@linkcode Consumer.drain}, without acknowledging, before it or after it. */
  drain(visit: ChannelVisit<Out>, max: number): number;
  /** Whether what is not acknowledged takes a quarter of a lane. */
  readonly isFilling: boolean;
}

/** The {@linkcode HoldingEnd} of a consumer. Internal: used by the recorder. */
export let holdingEnd: <Out>(consumer: Consumer<Out>) => HoldingEnd<Out>;

/**
 * The one receiver of a channel.
 *
 * `consume` calls a handler with each message, and an exception there loses no message. `tryReceive`
 * never waits, `receiveSync` blocks the thread, `receive` and `for await` use promises; each returns its
 * own copy of the message. `drain` passes the channel's memory itself, many messages in one call: it
 * allocates nothing and is the fastest. `drainText` passes text instead. `readable` is a Web stream.
 *
 * A delivered message must be acknowledged: by {@linkcode Consumer.ack}, or by asking for the next one.
 * Messages that are delivered but not acknowledged when the consumer closes or its process ends go to
 * the next consumer.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4010, laneCapacity: 4096 });
 * {
 *   using producer = channel.producer(); // in another process, usually
 *   for (let i = 0; i < 3; i++) producer.trySend(Uint8Array.of(i));
 * }
 * using consumer = channel.consumer();
 * const seen: number[] = [];
 * await consumer.consume(({ bytes }) => {
 *   seen.push(bytes[0]!);
 * }, { until: "closed" });
 * assert.deepEqual(seen, [0, 1, 2]);
 * ```
 */
export class Consumer<Out = Uint8Array<ArrayBuffer>>
  implements Disposable, AsyncIterable<ChannelMessage<Out>> {
  readonly #channel: ChannelMembership;
  readonly #role: Role;
  /** Without it, messages are bytes. */
  readonly #codec: MessageDecoder<Out> | undefined;
  /** The words of the consumer in shared memory; empty when the memory was detached. */
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #lanes: LaneRotation;
  readonly #end: EndOfStream;
  /** Whether the identity in memory goes with the counts of all lanes. */
  #identified: boolean;
  readonly #self: WaiterFlag;
  readonly #wait: MessageWait;
  readonly #queue = new SerialQueue();
  /** How many calls of `receive` are waiting, for a message or in the queue. */
  #receives = 0;
  #readable: ChannelReadable<Out> | undefined;
  #open = true;

  static {
    makeConsumer = (...how) => new Consumer(...how);
    numberPassed = (consumer, lane) => consumer.#lanes.readers[lane]!.nextNumber;
    deadByLane = (consumer) => consumer.#end.deadByLane;
    messageNumbers = (consumer) => consumer.#messageNumbers();
    holdingEnd = (consumer) => ({
      acknowledged: consumer.#acknowledged,
      ready: (options) => consumer.#ready(options, false),
      drain: (visit, max) => {
        consumer.#check();
        if (consumer.#isBehind) return 0;
        const codec = consumer.#codec;
        // Without a codec, `Out` is bytes
        const visitor = codec === undefined ? visit as ChannelVisit : showing(codec, visit);
        return consumer.#lanes.drain(visitor, max, true);
      },
      get isFilling(): boolean {
        return consumer.#lanes.readers.some(({ isFilling }) => isFilling);
      },
    });
  }

  private constructor(
    channel: ChannelMembership,
    role: Role,
    options: ConsumerOptions,
    codec: MessageDecoder<Out> | undefined,
  ) {
    this.#channel = channel;
    this.#role = role;
    this.#codec = codec;
    const { segment, set } = channel;
    const small = new SmallPayload();
    const gone = (): ShmError => channel.closed("the consumer", this.#open);
    const lanes = this.#lanes = new LaneRotation(channel, small, gone);
    this.#identified = lanes.readers.every(({ isCounted }) => isCounted);
    const words = this.#words = consumerWords(segment.buffer);
    const self = this.#self = new WaiterFlag(
      segment,
      words,
      CONSUMER_WORD.ASLEEP,
      WAITER_FLAG_OFFSET.CONSUMER,
    );
    const end = this.#end = new EndOfStream(set, lanes);
    this.#wait = new MessageWait({
      channel,
      lanes,
      end,
      self,
      small,
      spin: options.spin ?? DEFAULT_SPIN_US,
      isOpen: () => this.#open,
      checkOpen: () => this.#checkOpen(),
    });
    self.retract();
    Atomics.add(words, CONSUMER_WORD.OPENED, 1);
    Object.freeze(this);
  }

  /** Whether the consumer is open. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
  }

  #check(): void {
    if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
    if (this.#lanes.isDraining) {
      throw this.#channel.busy("receive", "a drain is under way: return from its callback first");
    }
  }

  /**
   * Acknowledges the delivered messages. A message that was taken for a `receive` whose promise is not
   * fulfilled yet is not acknowledged: the messages before it were, when that `receive` was called.
   */
  #settle(): void {
    if (this.#queue.handing) return;
    this.#lanes.acknowledge();
  }

  /**
   * Acknowledges all delivered messages: they count as received, and their space is free. Does nothing if
   * there are none. Asking for the next message does it too; {@linkcode Consumer.close} does not.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain
   */
  ack(): void {
    this.#check();
    this.#settle();
  }

  /**
   * Negative acknowledge: puts all messages back that are delivered but not acknowledged. They are
   * received next, here or by the next consumer. Does nothing if there are none, as with `ack: "before"`.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4040, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * producer.trySend(Uint8Array.of(1));
   * consumer.tryReceive();
   * consumer.nack(); // the work could not be done
   * assert.equal(consumer.tryReceive()?.bytes[0], 1);
   * consumer.ack();
   * ```
   */
  nack(): void {
    this.#check();
    if (this.#queue.handing) return;
    this.#lanes.nack();
    // Another receive may be waiting, queued after the one that took this message
    if (this.#queue.waiting > 0) this.#self.wake();
  }

  /** Whether other calls must be served first. */
  get #isBehind(): boolean {
    return this.#receives > 0 || this.#queue.handing;
  }

  /**
   * Returns the next message if there is one now; never waits. Acknowledges the delivered messages.
   * Returns `undefined` also while a {@linkcode Consumer.receive} waits, which is served first.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain, `ECORRUPT` a lane has
   * impossible contents. The other lanes are served first; the error names the lane, and is thrown again
   * after each round, until {@linkcode Consumer.discard} drops the contents
   */
  tryReceive(options?: { readonly ack?: Acknowledgement }): ChannelMessage<Out> | undefined {
    const read = readTryReceiveOptions(options);
    this.#check();
    this.#settle();
    return this.#isBehind ? undefined : this.#take(read);
  }

  /** The next message. It joins the messages that are delivered but not acknowledged. */
  #take({ ack }: { readonly ack?: Acknowledgement }): ChannelMessage<Out> | undefined {
    const message = this.#lanes.take();
    if (message === undefined) return undefined;
    if (ack === "before") this.#settle();
    const codec = this.#codec;
    // Without a codec, `Out` is bytes
    if (codec === undefined) return message as BytesMessage & { readonly value: Out };
    return new DecodedMessage(codec, message);
  }

  /**
   * Passes all messages that are there now to `visit`, lane by lane, at most `max`; never waits. The bytes
   * are memory of the channel or of the consumer: use or copy them only during the call, and decode them
   * only from a copy (see {@linkcode ChannelVisit}). A message is acknowledged when `visit` returns; if it
   * throws, its message and all messages after it stay. The space of a lane's messages is freed in one
   * store. With `ack: "after"` they stay unacknowledged after the drain, until they are acknowledged.
   * Messages delivered before are acknowledged first. Returns 0 while a {@linkcode Consumer.receive} waits,
   * which is served first.
   *
   * @returns the number of messages that were passed to `visit`
   * @throws {RangeError} `max` is not a positive number
   * @throws {TypeError} `visit` returned a promise: its message and all messages after it stay
   * @throws {ShmError} as {@linkcode Consumer.tryReceive}; `EDETACHED` also if `visit` transferred the
   * memory of the bytes away. Messages that `visit` has returned from may then be received again
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4011, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * producer.sendBatch([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)], { tag: 9 });
   * let sum = 0;
   * while (await consumer.ready()) { // sleeps until there is something
   *   consumer.drain((bytes, tag) => sum += bytes[0]! * tag);
   *   break;
   * }
   * assert.equal(sum, 54);
   * ```
   */
  drain(
    visit: ChannelVisit<Out>,
    options?: { readonly max?: number; readonly ack?: Acknowledgement },
  ): number {
    if (typeof visit !== "function") checkFunction(visit, "visit");
    // A spinning caller calls this every few nanoseconds, mostly without options
    const { max = MANY, ack } = options === undefined ? NO_LIMITS : readDrainOptions(options);
    this.#check();
    this.#settle();
    if (this.#isBehind) return 0;
    const codec = this.#codec;
    // Without a codec, `Out` is bytes
    const visitor = codec === undefined ? visit as ChannelVisit : showing(codec, visit);
    return this.#lanes.drain(visitor, max, ack === "after");
  }

  /**
   * As {@linkcode Consumer.drain}, but passes each message as text. It is decoded as UTF-8 from a copy;
   * invalid UTF-8 becomes U+FFFD. The caller may keep the text.
   *
   * @returns the number of messages that were passed to `visit`
   * @throws {RangeError} as {@linkcode Consumer.drain}
   * @throws {TypeError} as {@linkcode Consumer.drain}
   * @throws {ShmError} as {@linkcode Consumer.drain}
   */
  drainText(
    visit: ChannelVisit<string>,
    options?: { readonly max?: number; readonly ack?: Acknowledgement },
  ): number {
    checkFunction(visit, "visit");
    const { max = MANY, ack } = readDrainOptions(options);
    this.#check();
    this.#settle();
    if (this.#isBehind) return 0;
    const visitor: ChannelVisit = (bytes, tag, lane) => {
      // A small payload is a copy already
      const copy = bytes.length <= SMALL ? bytes : bytes.slice();
      return visit(decodeText(copy), tag, lane);
    };
    return this.#lanes.drain(visitor, max, ack === "after");
  }

  /**
   * Waits until there is a message to receive. Acknowledges the delivered messages.
   *
   * @returns `false` at the end of the stream (see {@linkcode ChannelReceiveSyncOptions.until})
   * @throws {ShmError} `ETIMEDOUT`, `EDETACHED` closed, `ECORRUPT`, `EIDRM` the channel was removed while
   * it was in use
   */
  ready(options?: ChannelReceiveOptions): Promise<boolean> {
    return this.#ready(options, true);
  }

  async #ready(options: ChannelReceiveOptions | undefined, settle: boolean): Promise<boolean> {
    const read = readReceiveOptions(options);
    read.signal?.throwIfAborted();
    this.#check();
    if (settle) this.#settle();
    if (this.#maySettleAtOnce() && this.#wait.soon()) return true;
    const found = await this.#queue.run(
      read,
      () => this.#wait.expired(),
      () => this.#wait.until(this.#found, read),
    );
    return found ?? false;
  }

  /** Whether a promise may be fulfilled at once: no other is before it, and the event loop gets its turns. */
  #maySettleAtOnce(): boolean {
    return this.#queue.waiting === 0 && !this.#queue.handing && yieldBudget.pause() === undefined;
  }

  /** As {@linkcode Consumer.ready}, but blocks the thread. */
  readySync(options?: ChannelReceiveSyncOptions): boolean {
    return this.#readySync(readReceiveSyncOptions(options));
  }

  #readySync(options: Limited<ChannelReceiveSyncOptions>): boolean {
    this.#check();
    this.#settle();
    if (this.#wait.soon()) return true;
    return waitSync(this.#wait.until(this.#found, options)) ?? false;
  }

  readonly #found = (): true | undefined => this.#lanes.look() ? true : undefined;

  /**
   * How many producers died without closing, or were closed before their {@linkcode Producer.writable}, among those whose messages this consumer has received or
   * would receive: their stream of messages may be incomplete. Counts those that died since this consumer
   * was opened, and those that died before in a lane that was not empty then. The number is exact while
   * there is no producer, as at the end of a stream (`until: "closed"`).
   *
   * @throws {ShmError} `EDETACHED` closed, `EINVAL` or `EIDRM` the channel was removed
   */
  get deadProducers(): number {
    this.#checkOpen();
    return this.#end.deadByLane.reduce((sum, dead) => sum + dead);
  }

  #messageNumbers(): MessageNumbers {
    this.#checkOpen();
    const words = this.#words;
    const at = CONSUMER_WORD.IDENTITY;
    if (!this.#identified || (words[at] === 0 && words[at + 1] === 0)) {
      crypto.getRandomValues(new Int32Array(2)).forEach((word, i) => words[at + i] = word);
      this.#identified = true;
    }
    const halves = [words[at]!, words[at + 1]!];
    return {
      identity: halves.map((half) => (half >>> 0).toString(16).padStart(8, "0")).join(""),
      acknowledged: this.#acknowledged,
    };
  }

  get #acknowledged(): readonly number[] {
    return this.#lanes.readers.map(({ acknowledged }) => acknowledged);
  }

  /**
   * Waits for the next message. The call acknowledges the messages delivered before it; that of an earlier
   * `receive` counts as delivered when its promise has fulfilled. So calls made together are served in
   * order, and none acknowledges the message of another. Returns `undefined` only with `until`.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}
   */
  receive(
    options?: ChannelReceiveOptions & { readonly until?: never },
  ): Promise<ChannelMessage<Out>>;
  /** With `until`: returns `undefined` at the end of the stream. */
  receive(options: ChannelReceiveOptions): Promise<ChannelMessage<Out> | undefined>;
  receive(options?: ChannelReceiveOptions): Promise<ChannelMessage<Out> | undefined> {
    return promised(() => this.#receive(readReceiveOptions(options)));
  }

  // Not an async function: each promise between the waker and the caller that awaits costs a microsecond
  #receive(read: Limited<ChannelReceiveOptions>): Promise<ChannelMessage<Out> | undefined> {
    read.signal?.throwIfAborted();
    this.#check();
    this.#settle();
    if (this.#maySettleAtOnce()) {
      const message = this.#take(read) ?? (this.#wait.soon() ? this.#take(read) : undefined);
      if (message !== undefined) return this.#queue.handOver(message);
    }
    this.#receives++;
    const received = this.#queue.run(
      read,
      () => this.#wait.expired(),
      () => this.#wait.until(() => this.#take(read), read),
    );
    received.then(this.#served, this.#served);
    return received;
  }

  readonly #served = (): void => void this.#receives--;

  /**
   * As {@linkcode Consumer.receive}, but blocks the thread: calls that wait for a promise cannot continue
   * in the meantime, and are served later.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}
   */
  receiveSync(
    options?: ChannelReceiveSyncOptions & { readonly until?: never },
  ): ChannelMessage<Out>;
  /** With `until`: returns `undefined` at the end of the stream. */
  receiveSync(options: ChannelReceiveSyncOptions): ChannelMessage<Out> | undefined;
  receiveSync(options?: ChannelReceiveSyncOptions): ChannelMessage<Out> | undefined {
    const read = readReceiveSyncOptions(options);
    this.#check();
    this.#settle();
    for (;;) {
      const message = this.#take(read);
      if (message !== undefined) return message;
      if (!this.#readySync(read)) return undefined;
    }
  }

  /**
   * Calls `handler` with each message, one after the other, and acknowledges the message when the promise
   * that `handler` returns fulfils. If the promise rejects, or `handler` throws, the message is put back for
   * the next receive, and `consume` rejects with the same reason. So neither an exception nor the end of
   * the process loses a message; a message may come twice.
   *
   * The promise of `consume` fulfils when `signal` aborts, at once or after the running handler has ended,
   * and with `until: "closed"` at the end of the stream.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}; `ETIMEDOUT` no message came within `timeout`
   * milliseconds
   */
  async consume(
    handler: (message: ChannelMessage<Out>) => unknown,
    options?: ConsumeOptions,
  ): Promise<void> {
    await handleEach(this, checkFunction(handler, "handler"), readConsumeOptions(options));
  }

  /**
   * Iterates over the messages as they come. Each message is acknowledged when the next is requested, and
   * when the loop ends, by `break` and by `throw` alike: the iterator cannot tell them apart. If an
   * exception must not lose a message, use {@linkcode Consumer.consume}. The consumer stays open. Without
   * `until` the iteration never ends by itself. The iterator's `return` ends a `next` that waits, which takes
   * no message then.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}, from the loop
   */
  messages(options?: ChannelReceiveOptions): AsyncIterableIterator<ChannelMessage<Out>, undefined> {
    return iterate(
      (limits) => this.#receive(limits),
      readMessagesOptions(options),
      () => this.#leave(),
    );
  }

  /** Acknowledges the message of a loop that is left. */
  #leave(): void {
    if (this.isOpen) this.ack();
  }

  /** `for await` over the consumer iterates over the messages as they come, without an end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelMessage<Out>, undefined> {
    return this.messages();
  }

  /**
   * The messages as a Web stream, one chunk each: its bytes, or a view of a struct. The same stream each
   * time until it ends, fails or is cancelled; then a new one, which goes on from there.
   *
   * A chunk is acknowledged when the next one is asked for, and no chunk is taken ahead. A sink that fails,
   * and a loop over the stream that is left, cancel the stream. Then the last chunk is put back, for the
   * next receive or consumer. `pipeTo` asks for the next chunk as soon as the sink's queue has room. With
   * the `highWaterMark` of 1 that `new WritableStream` has by default, this is when the sink has written
   * the last one: no message is lost (at least once). What else holds chunks loses them when it fails or
   * the process dies (at most once): a sink with a larger `highWaterMark`, as the `writable` of a file
   * and of a {@linkcode Producer}, a `TransformStream`, and a branch of `tee`. Where no message may be
   * lost, use a sink of your own or {@linkcode Consumer.consume}.
   *
   * The stream ends when there was a producer, all have closed, and all their messages were read. If one
   * of them died, aborted its {@linkcode Producer.writable} or did not close it, the stream fails with `EOWNERDEAD` instead,
   * after all that was sent: it may be incomplete. It also fails as {@linkcode Consumer.receive} does, and
   * with `EDETACHED` when the consumer is closed. The consumer stays open after the end.
   *
   * @throws {ShmError} `EDETACHED` closed
   *
   * @example A compressed file through a channel
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4048, laneCapacity: 1 << 16 });
   * using consumer = channel.consumer();
   * using producer = channel.producer(); // in another process, usually
   * const text = "all work and no play\n".repeat(10_000);
   * const sent = new Blob([text]).stream() // or the readable of a file
   *   .pipeThrough(new CompressionStream("gzip"))
   *   .pipeTo(producer.writable);
   * const stream = consumer.readable.pipeThrough(new DecompressionStream("gzip"));
   * assert.equal(await new Response(stream).text(), text);
   * await sent;
   * ```
   */
  get readable(): ReadableStream<Out> {
    if (this.#readable === undefined || this.#readable.isOver) {
      this.#checkOpen();
      const checkComplete = (): void => {
        const dead = this.deadProducers;
        if (dead > 0) throw this.#channel.incomplete(dead);
      };
      this.#readable = new ChannelReadable(this, checkComplete, this.#readable?.putBack);
    }
    return this.#readable.stream;
  }

  /**
   * Drops everything that is in a lane now, even contents that no reader can interpret (`ECORRUPT`;
   * {@linkcode ShmError.lane} is the lane).
   *
   * @returns the number of bytes dropped from the lane; more than its capacity if its words made no sense
   * @throws {RangeError} the lane does not exist
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain
   */
  discard(lane: number): number {
    checkNumber(lane, "lane");
    this.#check();
    const { readers } = this.#lanes;
    const reader = readers[lane];
    if (reader === undefined) {
      throw new RangeError(`there is no lane ${lane} in a channel of ${readers.length}`);
    }
    // A dropped message may have left the channel under a number that another one gets now
    this.#words[CONSUMER_WORD.IDENTITY] = this.#words[CONSUMER_WORD.IDENTITY + 1] = 0;
    return this.#lanes.discard(reader);
  }

  /**
   * Releases the role. Unacknowledged messages stay: the next consumer receives them. A `receive` that waits
   * fails with `EDETACHED`. Calling it again does nothing.
   *
   * @throws {ShmError} `EBUSY` called from within a drain
   */
  close(): void {
    if (!this.#open) return;
    if (this.isOpen) this.#check();
    this.#open = false;
    this.#self.close();
    this.#role.release();
    this.#readable?.fail(this.#channel.closed("the consumer", false));
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A visitor of bytes that shows `visit` the message in them. Apart: a drain of bytes must not allocate. */
function showing<Out>(codec: MessageDecoder<Out>, visit: ChannelVisit<Out>): ChannelVisit {
  return (bytes, tag, lane) => visit(codec.show(bytes), tag, lane);
}
