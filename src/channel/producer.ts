/**
 * A producer of a channel: owns one lane until it closes or its process dies.
 */

import { checkBytes, checkInteger, checkNumber, lengthOf } from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";
import type { MessageEncoder } from "../layout/struct_codec.ts";
import { DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import type { Deadline } from "../sync/deadline.ts";
import { readTag } from "../sync/message_tag.ts";
import { SMALL } from "../sync/payload_views.ts";
import type { Role } from "../sync/role.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import { WaiterFlag } from "../sync/waiter_flag.ts";
import { type Waiting, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import type { ChannelMembership } from "./channel_membership.ts";
import {
  type ChannelSendOptions,
  type ChannelSendSyncOptions,
  type ChannelTrySendOptions,
  type ProducerOptions,
  readSendOptions,
  readSendSyncOptions,
} from "./channel_options.ts";
import {
  CONSUMER_WORD,
  consumerWords,
  LANE_WORD,
  laneMemory,
  WAITER_FLAG_OFFSET,
} from "./lane_words.ts";
import { LaneWriter, type Mark } from "./lane_writer.ts";
import { type Reservation, ReservedPlace } from "./reservation.ts";
import { RoomWait } from "./room_wait.ts";
import { maxMessage } from "./shape.ts";
import { ChannelWritable } from "./web_streams.ts";

/** The span of the lengths while none can be sent. */
const NO_LENGTH = -1;

/** The part of the lane's bytes that may wait in the writable stream. */
const STREAM_AHEAD = 1 / 4;

/** Makes a producer of a lane whose `role` is held. Internal: used by `channel.ts`. */
export let makeProducer: <In>(
  channel: ChannelMembership,
  lane: number,
  role: Role,
  options: ProducerOptions,
  codec: MessageEncoder<In> | undefined,
) => Producer<In>;

/**
 * One sender of a channel. Its messages arrive in order; there is no order between two producers.
 *
 * `trySend` never waits, `sendSync` blocks the thread, `send` returns a promise. To send many messages
 * at once, `stage` them and then `publish`: one atomic store publishes all of them. `writable` is a Web
 * stream.
 *
 * @example
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed400d, lanes: 2, laneCapacity: 4096 });
 * using producer = channel.producer();
 * const text = new TextEncoder();
 * assert(producer.trySend(text.encode("one")));
 * producer.sendSync(text.encode("two"));
 * await producer.send(text.encode("three"));
 *
 * using consumer = channel.consumer(); // in another process, usually
 * const texts: string[] = [];
 * consumer.drainText((text) => texts.push(text));
 * assert.deepEqual(texts, ["one", "two", "three"]);
 * ```
 */
export class Producer<In = ArrayBufferView | ArrayBufferLike> implements Disposable {
  readonly #channel: ChannelMembership;
  readonly #role: Role;
  /** Without it, messages are bytes. */
  readonly #codec: MessageEncoder<In> | undefined;
  readonly #writer: LaneWriter;
  readonly #consumer: WaiterFlag;
  readonly #self: WaiterFlag;
  readonly #words: Int32Array<ArrayBuffer>;
  /** The shortest length, and how much longer the longest is: 0 if all messages have one length. */
  readonly #least: number;
  /** -1 while a reservation is open or a batch is made, and after close: then no length can be sent. */
  #span: number;
  /** What was staged before the batch that is made now. */
  #beforeBatch: Mark | undefined;
  readonly #wait: RoomWait;
  readonly #queue = new SerialQueue();
  readonly #reserved: ReservedPlace;
  #writable: ChannelWritable<In> | undefined;
  #open = true;

  static {
    makeProducer = (...how) => new Producer(...how);
  }

  private constructor(
    channel: ChannelMembership,
    lane: number,
    role: Role,
    options: ProducerOptions,
    codec: MessageEncoder<In> | undefined,
  ) {
    const { withoutConsumer = "wait", spin = DEFAULT_SPIN_US } = options;
    const { segment, shape } = channel;
    const memory = laneMemory(segment.buffer, shape, lane);
    this.#channel = channel;
    this.#role = role;
    this.#codec = codec;
    const writer = this.#writer = new LaneWriter(memory, (what) => channel.corrupt(lane, what));
    const self = this.#self = new WaiterFlag(
      segment,
      memory.words,
      LANE_WORD.ASLEEP,
      WAITER_FLAG_OFFSET.laneOwner(lane),
    );
    this.#consumer = new WaiterFlag(
      segment,
      consumerWords(segment.buffer),
      CONSUMER_WORD.ASLEEP,
      WAITER_FLAG_OFFSET.CONSUMER,
    );
    this.#words = memory.words;
    this.#least = shape.messageSize;
    const span = this.#span = shape.messageSize === 0 ? maxMessage(shape.laneCapacity) : 0;
    const checkOpen = (): void => this.#checkOpen();
    this.#wait = new RoomWait({
      channel,
      writer,
      self,
      spin,
      failWithoutConsumer: withoutConsumer === "error",
      isOpen: () => this.#open,
      checkOpen,
    });
    this.#reserved = new ReservedPlace(channel, {
      checkOpen,
      send: (length, tag) => {
        writer.commit(length, tag);
        this.#publish();
      },
      ended: () => {
        if (this.#open) this.#span = span;
      },
    });
    self.retract();
    Atomics.add(memory.words, LANE_WORD.OPENED, 1);
    Object.freeze(this);
  }

  /** The lane it owns. */
  get lane(): number {
    return this.#writer.memory.lane;
  }

  /** Whether the producer is open. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#channel.closed("the producer", this.#open);
  }

  /** The bytes of a message. `stage` has this written out: a call costs half as much again there. */
  #encode(message: In): Uint8Array {
    const codec = this.#codec;
    return codec === undefined ? checkBytes(message, "message") : codec.encode(message);
  }

  /** Checks a message and this producer before anything else is done. Returns the length. */
  #check(length: number, span: number = this.#span): number {
    const more = length - this.#least;
    if (!(more >= 0 && more <= span && this.#words.length > 0)) throw this.#refusal(length, span);
    return length;
  }

  /** The error for a message of `length` bytes that cannot be sent. */
  #refusal(length: number, span: number): Error {
    if (!this.isOpen) return this.#channel.closed("the producer", this.#open);
    if (this.#reserved.isOpen) {
      return this.#channel.busy("send", "a reservation is open: commit or abort it first");
    }
    if (span === NO_LENGTH) return this.#inBatch();
    const { laneCapacity, messageSize } = this.#channel.shape;
    const most = maxMessage(laneCapacity);
    return new RangeError(
      length >= 0 && length <= most
        ? `a message of ${length} bytes on a channel whose messages have ${messageSize}`
        : `a message of ${length} bytes is too large: a lane of ${laneCapacity} bytes takes at most ` +
          `${most}; create the channel with a larger laneCapacity, or send it in pieces`,
    );
  }

  /** The error for a getter of a message of a batch that sends, too. */
  #inBatch(): Error {
    return this.#channel.busy("send", "a batch is being sent: return from it first");
  }

  /** Makes the written messages visible to the consumer, and wakes it if it sleeps. */
  #publish(): void {
    this.#writer.publish();
    this.#consumer.wake();
  }

  /**
   * Sends `message` if there is room, and returns whether it did. Never waits.
   *
   * @throws {RangeError} a message longer than {@linkcode Channel.maxMessage}, a length other than the
   * fixed length of this channel, a number out of the range of its field, or a tag that is not 32 bits
   * @throws {TypeError} a message of another type than the channel's, options that are not an object
   * @throws {ShmError} `EDETACHED` closed; `EBUSY` a reservation is open, or called by a getter of a message
   * of a batch; `ECORRUPT` the lane's words in memory are impossible
   */
  trySend(message: In, options?: ChannelTrySendOptions): boolean {
    if (!this.stage(message, options)) return false;
    this.#publish();
    return true;
  }

  /**
   * Writes `message` into the lane if there is room, and returns whether it did. The consumer does not see
   * it until {@linkcode Producer.publish} or another send publishes. If this process dies before that,
   * the message was not sent. Never waits.
   *
   * @throws {RangeError} as {@linkcode Producer.trySend}
   * @throws {ShmError} as {@linkcode Producer.trySend}
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed400e, lanes: 1, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * for (let i = 0; i < 10; i++) producer.stage(Uint8Array.of(i));
   * assert.equal(consumer.drain(() => {}), 0);
   * producer.publish();
   * assert.equal(consumer.drain(() => {}), 10);
   * ```
   */
  stage(message: In, options?: ChannelTrySendOptions): boolean {
    const tag = readTag(options);
    const codec = this.#codec;
    const payload = codec === undefined ? checkBytes(message, "message") : codec.encode(message);
    return this.#stage(payload, tag, this.#span);
  }

  #stage(payload: Uint8Array, tag: number, span: number): boolean {
    const length = this.#check(lengthOf(payload), span);
    return this.#queue.waiting === 0 && this.#writer.append(payload, length, tag);
  }

  /**
   * Publishes all staged messages at once. Does nothing if none is staged.
   *
   * @throws {ShmError} `EDETACHED` closed; `EBUSY` called by a getter of a message of a batch
   */
  publish(): void {
    this.#checkOpen();
    if (this.#beforeBatch !== undefined) throw this.#inBatch();
    if (this.#writer.staged > 0) this.#publish();
  }

  /**
   * Sends as many of `messages` as there is room for, in order, and publishes them at once. Never waits.
   *
   * @returns the number of messages sent, from the start of the array
   * @throws {TypeError} `messages` is not an array; and as {@linkcode Producer.trySend}: nothing is sent then
   * @throws {RangeError} as {@linkcode Producer.trySend}; nothing is sent then
   * @throws {ShmError} as {@linkcode Producer.trySend}, also if a getter of a message closes the producer:
   * nothing of the batch is sent then
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed400f, lanes: 1, laneCapacity: 64 });
   * using producer = channel.producer();
   * const messages = Array.from({ length: 10 }, (_, i) => Uint8Array.of(i));
   * assert.equal(producer.sendBatch(messages), 4); // records of 16 bytes: there is no more room
   * using consumer = channel.consumer();
   * assert.equal(consumer.drain(() => {}), 4);
   * ```
   */
  sendBatch(messages: readonly In[], options?: ChannelTrySendOptions): number {
    const tag = readTag(options);
    if (!Array.isArray(messages)) throw mistyped("messages", "an array", messages);
    this.#check(this.#least);
    const codec = this.#codec;
    const span = this.#span;
    const before = this.#beforeBatch = this.#writer.mark();
    // A message may run code of the caller, which must not send a part of the batch
    this.#span = NO_LENGTH;
    let sent = 0;
    try {
      for (const count = messages.length; sent < count; sent++) {
        const payload = codec === undefined
          ? checkBytes(messages[sent], "messages", sent)
          : codec.encode(messages[sent]!);
        if (!this.#stage(payload, tag, this.#open ? span : NO_LENGTH)) break;
      }
    } catch (failure) {
      this.#writer.takeBack(before);
      throw failure;
    } finally {
      this.#beforeBatch = undefined;
      if (this.#open) this.#span = span;
    }
    if (this.#writer.staged > 0) this.#publish();
    return sent;
  }

  /**
   * Sends `message`, and blocks the thread while the lane is full.
   *
   * @throws {RangeError} as {@linkcode Producer.trySend}
   * @throws {ShmError} as {@linkcode Producer.trySend}; `ETIMEDOUT` there was no room in time, `EPIPE`
   * there is no consumer (see {@linkcode ProducerOptions}), `EIDRM` the channel was removed while in use,
   * `EBUSY` a `send` of this producer is waiting. Nothing was sent then
   */
  sendSync(message: In, options?: ChannelSendSyncOptions): void {
    const { tag = 0, deadline } = readSendSyncOptions(options);
    const payload = this.#encode(message);
    const length = this.#check(lengthOf(payload));
    if (this.#queue.waiting > 0) {
      throw this.#channel.busy("send", "a send() of this producer is waiting: await it first");
    }
    if (!this.#writer.append(payload, length, tag)) {
      if (!this.#findRoom(length)) waitSync(this.#wait.until(length, deadline));
      this.#writer.append(payload, length, tag);
    }
    this.#publish();
  }

  /**
   * Sends `message` as soon as there is room. Do not change its bytes before the promise fulfils; a struct
   * is sent as it was at the call. If several calls wait, they are sent in the order of the calls.
   *
   * @throws {RangeError} as {@linkcode Producer.trySend}
   * @throws {ShmError} as {@linkcode Producer.sendSync}. Nothing was sent then
   */
  async send(message: In, options?: ChannelSendOptions): Promise<void> {
    const read = readSendOptions(options);
    const { tag = 0, deadline } = read;
    read.signal?.throwIfAborted();
    const payload = this.#encode(message);
    const length = this.#check(lengthOf(payload));
    const free = this.#queue.waiting === 0;
    if (free && this.#writer.append(payload, length, tag)) {
      this.#publish();
      return yieldBudget.pause();
    }
    if (!free || !this.#findRoom(length)) {
      // The next message overwrites what a codec has encoded
      const kept = this.#codec === undefined ? payload : payload.slice();
      return await this.#queue.run(
        read,
        () => this.#wait.expired(),
        () => this.#sending(kept, length, tag, deadline),
      );
    }
    this.#writer.append(payload, length, tag);
    this.#publish();
    return yieldBudget.pause();
  }

  *#sending(
    payload: Uint8Array,
    length: number,
    tag: number,
    deadline: Deadline | undefined,
  ): Waiting<void> {
    yield* this.#wait.until(length, deadline);
    this.#check(length);
    const now = lengthOf(payload);
    if (now !== length) {
      throw new TypeError(
        `the message had ${length} bytes and has ${now}: its memory was transferred away or resized ` +
          "while send() waited for room, and nothing was sent",
      );
    }
    this.#writer.append(payload, length, tag);
    this.#publish();
  }

  /** Reserves room if some becomes free soon. Publishes first: the consumer frees only what it sees. */
  #findRoom(length: number): boolean {
    if (this.#writer.staged > 0) this.#publish();
    return this.#wait.soon(length);
  }

  /**
   * Reserves a place for a message of `length` bytes, to be written there without a copy; returns
   * `undefined` if there is no room now. Nothing else can be sent until the reservation is committed or
   * aborted. Its bytes are shared memory: decode or sort nothing in it, see SECURITY.md. On a channel of
   * structs, `length` is the size of the struct, and `layout.view(bytes.buffer, bytes.byteOffset)` writes
   * its fields.
   *
   * @throws {RangeError} as {@linkcode Producer.trySend}
   * @throws {ShmError} as {@linkcode Producer.trySend}
   */
  claim(length: number, options?: ChannelTrySendOptions): Reservation | undefined {
    const tag = readTag(options);
    checkNumber(length, "length");
    if (!Number.isInteger(length)) throw new RangeError(`length ${length} is not an integer`);
    this.#check(length);
    if (this.#queue.waiting > 0 || !this.#writer.reserve(length)) return undefined;
    this.#span = NO_LENGTH;
    return this.#reserved.open(this.#writer.place(length), length, tag);
  }

  /**
   * Returns an array of `length` bytes, at most 256, to write messages into and send them by any method.
   * It is copied the fastest, because the producer knows its memory. It is private, and the same array for
   * each call with the same length; arrays of other lengths and reservations of {@linkcode Producer.claim}
   * share its bytes. It may be written again when the method has returned, or the promise of `send` has
   * fulfilled.
   *
   * @throws {RangeError} a length that is not an integer from 0 to 256
   * @throws {ShmError} `EDETACHED` closed
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4047, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * const bytes = producer.scratch(8);
   * const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
   * for (let n = 0; n < 10; n++) {
   *   view.setFloat64(0, n / 2);
   *   producer.stage(bytes);
   * }
   * producer.publish();
   * let sum = 0;
   * consumer.drain((bytes) => {
   *   sum += new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0);
   * });
   * assert.equal(sum, 22.5);
   * ```
   */
  scratch(length: number): Uint8Array<ArrayBuffer> {
    checkInteger(length, "length", 0, SMALL);
    this.#checkOpen();
    return this.#writer.scratch(length);
  }

  /**
   * The lane as a Web stream: each chunk is a message. The same stream each time. A write is done when the
   * message is in the lane, and waits while the lane is full; a quarter of the lane's bytes may wait in the
   * stream before `ready` and `pipeTo` wait too. Closing the stream closes the producer, and
   * {@linkcode Consumer.readable} ends when all producers are closed.
   *
   * A write that fails and `abort` close the producer too, but as if it had died: what was sent stays sent,
   * and the consumer gets an error: the stream is incomplete. A chunk longer than
   * {@linkcode Channel.maxMessage} is a `RangeError`; a chunk is never split. Closing the producer in
   * another way, as `using` does, fails the stream with `EDETACHED`. If a chunk was written, or a writer or a
   * pipe holds the stream, that too counts as if the producer had died: await `pipeTo`, or the writer's
   * `close`, first.
   *
   * @throws {ShmError} `EDETACHED` closed
   *
   * @example
   * ```ts
   * import { Channel, i32, struct } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.of(struct({ n: i32 }), { key: 0x5eed4049, laneCapacity: 4096 });
   * using consumer = channel.consumer();
   * using producer = channel.producer(); // in another process, usually
   * const sent = ReadableStream.from([{ n: 1 }, { n: 2 }, { n: 3 }]).pipeTo(producer.writable);
   * let sum = 0;
   * for await (const { n } of consumer.readable) sum += n;
   * assert.equal(sum, 6);
   * await sent;
   * ```
   */
  get writable(): WritableStream<In> {
    if (this.#writable === undefined) {
      this.#checkOpen();
      const { messageSize, laneCapacity } = this.#channel.shape;
      const target = {
        send: (message: In, options: ChannelSendOptions) => this.send(message, options),
        close: () => this.close(),
        abandon: () => this.#release({ publish: false, complete: false }),
      };
      this.#writable = new ChannelWritable(target, messageSize, laneCapacity * STREAM_AHEAD);
    }
    return this.#writable.stream;
  }

  /**
   * Publishes the staged messages and releases the lane; the consumer is woken. Sends that still wait fail
   * with `EDETACHED`. If {@linkcode Producer.writable} was used and is not closed, the consumer gets an
   * error: the stream is incomplete. Calling it again does nothing.
   */
  close(): void {
    this.#release({ publish: true, complete: !this.#writable?.isUnfinished });
  }

  /** If not `complete`, leaves what the death of this process would leave. */
  #release({ publish, complete }: { readonly publish: boolean; readonly complete: boolean }): void {
    if (!this.#open) return;
    const attached = this.isOpen;
    this.#open = false;
    this.#span = NO_LENGTH;
    this.#reserved.abort();
    if (this.#beforeBatch !== undefined) this.#writer.takeBack(this.#beforeBatch);
    if (attached && publish && this.#writer.staged > 0) this.#writer.publish();
    if (attached && complete) Atomics.add(this.#words, LANE_WORD.CLOSED, 1);
    // A sleeping send of this producer wakes and fails
    this.#self.close();
    this.#role.release();
    if (attached) this.#consumer.wake();
    this.#writable?.fail(this.#channel.closed("the producer", false));
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
