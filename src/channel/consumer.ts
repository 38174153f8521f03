/**
 * The consumer of a channel: takes messages out of all lanes, in order for each of them.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction, checkNumber } from "../layout/arguments.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import type { Role } from "../sync/role.ts";
import { Deadline } from "../sync/deadline.ts";
import { handleEach, iterate } from "../sync/delivery.ts";
import { AdaptiveSpin, DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import { type Waiting, waitSync } from "../sysv/wait.ts";
import { type Limited, timedOut, WaitSchedule } from "../sync/wait_schedule.ts";
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
import type { ChannelMembership } from "./channel_membership.ts";
import { decodeText, type MessageDecoder, receivedMessage } from "./codec.ts";
import { WaiterFlag } from "../sync/waiter_flag.ts";
import { SEMAPHORE } from "./descriptor.ts";
import { type ChannelVisit, LaneReader } from "./lane_reader.ts";
import {
  CONSUMER_WORD,
  consumerWords,
  LANE_WORD,
  laneMemory,
  WAITER_FLAG_OFFSET,
} from "./lane_words.ts";
import { SMALL, SmallPayload } from "./payload_views.ts";
import { ChannelReadable } from "./web_streams.ts";

/** The number of times to read again while producers come and go. */
const TRIES = 3;

/** More than a drain ever finds. `Infinity` is not a small integer: it would allocate in each call. */
const MANY = 2 ** 30;

/** Makes a consumer; its `role` is held. Internal: used by `channel.ts`. */
export let makeConsumer: <Out>(
  channel: ChannelMembership,
  role: Role,
  options: ConsumerOptions,
  codec: MessageDecoder<Out> | undefined,
) => Consumer<Out>;

/**
 * The one receiver of a channel.
 *
 * `consume` calls a handler with each message, and an exception there loses no message. `tryReceive`
 * never waits, `receiveSync` blocks the thread, `receive` and `for await` use promises; each returns its
 * own copy of the message. `drain` passes the channel's memory itself, many messages in one call: it
 * allocates nothing and is the fastest. `drainText` passes text instead.
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
  readonly #readers: readonly LaneReader[];
  readonly #self: WaiterFlag;
  readonly #small = new SmallPayload();
  readonly #spin: AdaptiveSpin;
  readonly #queue = new SerialQueue();
  /** How often each lane had been opened at the start: shows which producers came later. */
  readonly #opened: readonly number[];
  /** How many producers of each lane had died before the start and left no message. */
  readonly #diedBefore: readonly number[];
  /** The lane to read next. */
  #next = 0;
  /** A lane with unacknowledged messages: the only one, unless `#keeping`. */
  #owing: number | undefined;
  /** Whether several lanes may have unacknowledged messages. */
  #keeping = false;
  #draining = false;
  /** How many calls of `receive` are waiting, for a message or in the queue. */
  #receives = 0;
  /** The last failure that a reader reported for a lane that cannot be read. */
  #corruption: ShmError | undefined;
  /** The failure of one lane, thrown after the other lanes have delivered what they had. */
  #postponed: ShmError | undefined;
  #producerSeen = false;
  #readable: ChannelReadable<Out> | undefined;
  #open = true;

  static {
    makeConsumer = (...how) => new Consumer(...how);
  }

  private constructor(
    channel: ChannelMembership,
    role: Role,
    options: ConsumerOptions,
    codec: MessageDecoder<Out> | undefined,
  ) {
    this.#spin = new AdaptiveSpin(options.spin ?? DEFAULT_SPIN_US);
    this.#channel = channel;
    this.#role = role;
    this.#codec = codec;
    const { segment, shape } = channel;
    const small = this.#small;
    const gone = (): ShmError => channel.closed("the consumer", this.#open);
    this.#readers = Array.from(
      { length: shape.lanes },
      (_, lane) => {
        const memory = laneMemory(segment.buffer, shape, lane);
        const owner = new WaiterFlag(
          segment,
          memory.words,
          LANE_WORD.ASLEEP,
          WAITER_FLAG_OFFSET.laneOwner(lane),
        );
        const corrupt = (what: string): ShmError => this.#corruption = channel.corrupt(lane, what);
        return new LaneReader(memory, shape.messageSize, small, owner, gone, corrupt);
      },
    );
    const words = this.#words = consumerWords(segment.buffer);
    this.#self = new WaiterFlag(
      segment,
      words,
      CONSUMER_WORD.ASLEEP,
      WAITER_FLAG_OFFSET.CONSUMER,
    );
    this.#opened = this.#readers.map(({ memory }) => Atomics.load(memory.words, LANE_WORD.OPENED));
    const died = this.#died();
    this.#diedBefore = this.#readers.map(({ memory: { words } }, lane) => {
      const empty = Atomics.load(words, LANE_WORD.TAIL) === Atomics.load(words, LANE_WORD.HEAD);
      return empty ? died[lane]! : 0;
    });
    this.#self.retract();
    Atomics.add(words, CONSUMER_WORD.OPENED, 1);
    Object.freeze(this);
  }

  /** Whether the consumer is open. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  #check(): void {
    if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
    if (this.#draining) {
      throw this.#channel.busy("receive", "a drain is under way: return from its callback first");
    }
  }

  /**
   * Acknowledges the delivered messages. A message that was taken for a `receive` whose promise is not
   * fulfilled yet is not acknowledged: the messages before it were, when that `receive` was called.
   */
  #settle(): void {
    if (this.#queue.handing) return;
    if (this.#keeping) return this.#settleAll();
    const lane = this.#owing;
    if (lane === undefined) return;
    this.#owing = undefined;
    this.#readers[lane]!.publish();
  }

  #settleAll(): void {
    this.#keeping = false;
    this.#owing = undefined;
    for (const reader of this.#readers) reader.publish();
  }

  /**
   * Acknowledges all delivered messages: they count as received, and their space is free. Does nothing if
   * there are none. Asking for the next message does it too; {@linkcode Consumer.close} does not.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4045, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * producer.trySend(Uint8Array.of(1));
   * consumer.tryReceive();
   * assert.equal(channel.stats().lanes[0]!.depth, 1);
   * consumer.ack(); // done with it
   * assert.equal(channel.stats().lanes[0]!.depth, 0);
   * ```
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
    this.#keeping = false;
    this.#owing = undefined;
    for (const reader of this.#readers) reader.nack();
    // Another receive may be waiting, queued after the one that took this message
    if (this.#queue.waiting > 0) this.#self.wake();
  }

  /** Ends the turn of a lane: the lane after it is read next. */
  #leave(lane: number): void {
    this.#next = lane + 1 === this.#readers.length ? 0 : lane + 1;
  }

  /** Whether any lane has a message. If none has, a lane that cannot be read throws. */
  #look(): boolean {
    const readers = this.#readers;
    let failure: ShmError | undefined;
    let lane = this.#next;
    for (let i = 0; i < readers.length; i++) {
      try {
        if (readers[lane]!.look()) return true;
      } catch (error) {
        failure ??= this.#asCorruption(error);
      }
      if (++lane === readers.length) lane = 0;
    }
    if (failure !== undefined) throw this.#behind(failure);
    return false;
  }

  /** The failure of a lane that cannot be read. Throws any other error, for example a visitor's. */
  #asCorruption(error: unknown): ShmError {
    if (error !== this.#corruption || this.#corruption === undefined) throw error;
    return this.#corruption;
  }

  /** Prepares a failure to be thrown: the lane after the failed one is read next. */
  #behind(failure: ShmError): ShmError {
    this.#leave(failure.lane!);
    return failure;
  }

  /**
   * Postpones the failure of a lane until the other lanes have delivered what they have now. Messages that
   * arrive later do not count: a busy lane may never be empty.
   */
  #postpone(error: unknown): void {
    const failure = this.#asCorruption(error);
    const readers = this.#readers;
    if (this.#postponed === undefined) {
      this.#postponed = failure;
      for (const reader of readers) reader.mark();
    }
    // If several lanes cannot be read, none of them must wait for another
    readers[failure.lane!]!.unmark();
    if (this.#postponed.lane === failure.lane && readers.every(({ passed }) => passed)) {
      this.#throwPostponed();
    }
  }

  /** Throws the postponed failure: the other lanes have delivered what they had. */
  #throwPostponed(): void {
    const failure = this.#postponed;
    if (failure === undefined) return;
    this.#postponed = undefined;
    throw this.#behind(failure);
  }

  /** Records that a lane can be read, so its postponed failure no longer holds. */
  #isReadable(lane: number): void {
    if (this.#postponed?.lane === lane) this.#postponed = undefined;
  }

  /** The next message of a lane, if there is one. */
  #takeFrom(lane: number): ReturnType<LaneReader["next"]> {
    const reader = this.#readers[lane]!;
    try {
      const message = reader.look() ? reader.next() : undefined;
      this.#isReadable(lane);
      return message;
    } catch (error) {
      this.#postpone(error);
      return undefined;
    }
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
    const readers = this.#readers;
    for (let i = 0; i < readers.length; i++) {
      const lane = this.#next;
      const reader = readers[lane]!;
      const message = this.#takeFrom(lane);
      if (message === undefined) {
        this.#leave(lane);
        reader.publishPadding();
        continue;
      }
      this.#producerSeen = true;
      if (this.#owing !== undefined && this.#owing !== lane) this.#keeping = true;
      this.#owing = lane;
      // A lane's turn ends when all that was seen of it is delivered: no lane keeps the others waiting
      if (!reader.pending) this.#leave(lane);
      if (ack === "before") this.#settle();
      return receivedMessage(this.#codec, message.bytes, message.tag, lane);
    }
    this.#throwPostponed();
    return undefined;
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
    const codec = this.#codec;
    // Without a codec, `Out` is bytes
    return this.#drain(codec === undefined ? visit as ChannelVisit : codec.visitor(visit), options);
  }

  #drain(
    visit: ChannelVisit,
    options: { readonly max?: number; readonly ack?: Acknowledgement } | undefined,
  ): number {
    let most = MANY;
    let keep = false;
    // A spinning caller calls this every few nanoseconds, mostly without options
    if (options !== undefined) {
      const { max = MANY, ack } = readDrainOptions(options);
      if (!(max >= 1)) throw new RangeError(`max ${max} is not 1 or more`);
      most = Math.min(max, MANY);
      keep = ack === "after";
    }
    this.#check();
    this.#settle();
    if (this.#isBehind) return 0;
    const readers = this.#readers;
    let count = 0;
    this.#keeping = keep;
    this.#draining = true;
    try {
      for (let i = 0; i < readers.length && count < most; i++) {
        const lane = this.#next;
        this.#leave(lane);
        try {
          count += readers[lane]!.drain(visit, most - count, keep);
          this.#isReadable(lane);
        } catch (error) {
          this.#postpone(error);
        }
      }
      if (count < most) this.#throwPostponed();
    } finally {
      this.#draining = false;
      this.#producerSeen ||= count > 0;
    }
    return count;
  }

  /**
   * As {@linkcode Consumer.drain}, but passes each message as text. It is decoded as UTF-8 from a copy;
   * invalid UTF-8 becomes U+FFFD. The caller may keep the text.
   *
   * @returns the number of messages that were passed to `visit`
   * @throws {RangeError} as {@linkcode Consumer.drain}
   * @throws {TypeError} as {@linkcode Consumer.drain}
   * @throws {ShmError} as {@linkcode Consumer.drain}
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4043, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * for (const word of ["one", "two"]) producer.trySend(new TextEncoder().encode(word));
   * const words: string[] = [];
   * consumer.drainText((text) => words.push(text));
   * assert.deepEqual(words, ["one", "two"]);
   * ```
   */
  drainText(
    visit: ChannelVisit<string>,
    options?: { readonly max?: number; readonly ack?: Acknowledgement },
  ): number {
    checkFunction(visit, "visit");
    return this.#drain((bytes, tag, lane) => {
      // A small payload is a copy already
      const copy = bytes.length <= SMALL ? bytes : bytes.slice();
      return visit(decodeText(copy), tag, lane);
    }, options);
  }

  /**
   * Waits until there is a message to receive. Acknowledges the delivered messages.
   *
   * @returns `false` at the end of the stream (see {@linkcode ChannelReceiveOptions.until})
   * @throws {ShmError} `ETIMEDOUT`, `EDETACHED` closed, `ECORRUPT`, `EIDRM` the channel was removed while
   * it was in use
   */
  async ready(options?: ChannelReceiveOptions): Promise<boolean> {
    const read = readReceiveOptions(options);
    read.signal?.throwIfAborted();
    this.#check();
    this.#settle();
    if (this.#maySettleAtOnce() && this.#soon()) return true;
    const found = await this.#queue.run(
      read,
      () => this.#expired(),
      () => this.#until(this.#found, read),
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
    if (this.#soon()) return true;
    return waitSync(this.#until(this.#found, options)) ?? false;
  }

  /** Whether a message is there, or comes while spinning. */
  #soon(): boolean {
    return this.#spin.look(() => this.#look());
  }

  readonly #found = (): true | undefined => this.#look() ? true : undefined;

  /**
   * Waits until `find` finds something, and returns it; `undefined` at the end of the stream.
   */
  *#until<Found>(
    find: () => Found | undefined,
    { deadline = Deadline.never, until }: Limited<ChannelReceiveSyncOptions>,
  ): Waiting<Found | undefined> {
    const schedule = new WaitSchedule(deadline, () => this.#expired());
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
        let found = slept ? find() : undefined;
        if (found !== undefined) return found;
        this.#self.announce();
        found = find();
        if (found !== undefined) return found;
        for (const reader of this.#readers) reader.checkHead();
        // A system call; most waits end before it. A call with no time to wait must notice a removal too
        if (slept || deadline.passed || until !== undefined) this.#channel.checkPresent();
        if (until === "closed" && this.#ended()) return undefined;
        this.#small.prepare();
        yield this.#self.sleep(schedule.next({ woken: true }));
      }
    } finally {
      // After close the word may belong to the next consumer
      if (this.#open) this.#self.retract();
      this.#spin.woke();
    }
  }

  /**
   * How many producers died without closing, among those whose messages this consumer has received or
   * would receive: their stream of messages may be incomplete. Counts those that died since this consumer
   * was opened, and those that died before in a lane that was not empty then. The number is exact while
   * there is no producer, as at the end of a stream (`until: "closed"`).
   *
   * @throws {ShmError} `EDETACHED` closed, `EINVAL` or `EIDRM` the channel was removed
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4044, laneCapacity: 4096 });
   * using consumer = channel.consumer();
   * {
   *   using producer = channel.producer(); // in another process, usually
   *   producer.trySend(Uint8Array.of(1));
   * }
   * for await (const _ of consumer.messages({ until: "closed" }));
   * assert.equal(consumer.deadProducers, 0); // the stream is complete
   * ```
   */
  get deadProducers(): number {
    if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
    const before = this.#diedBefore;
    return this.#died().reduce((sum, died, lane) => sum + Math.max(0, died - before[lane]!), 0);
  }

  /** How many producers of each lane opened it, did not close it, and no longer own it. */
  #died(): number[] {
    const { OPENED, CLOSED } = LANE_WORD;
    const counted = (): number[] =>
      this.#readers.flatMap(({ memory: { words } }) => [
        Atomics.load(words, OPENED),
        Atomics.load(words, CLOSED),
      ]);
    for (let tries = 1;; tries++) {
      const counts = counted();
      const values = this.#channel.set.values();
      // A producer that opens or closes in between must not be counted as dead
      const still = counted().every((count, i) => count === counts[i]);
      if (!still && tries < TRIES) continue;
      return this.#readers.map((_, lane) => {
        const [opened, closed] = [counts[2 * lane]!, counts[2 * lane + 1]!];
        return Math.max(0, (opened - closed - values[SEMAPHORE.LANE + lane]!) | 0);
      });
    }
  }

  /** Whether there was a producer, there is none now, and no message is left. */
  #ended(): boolean {
    const readers = this.#readers;
    // Read the past producers before the present ones: one that comes in between must not count as gone
    this.#producerSeen ||= readers.some(({ memory }, lane) =>
      Atomics.load(memory.words, LANE_WORD.OPENED) !== this.#opened[lane]
    );
    const values = this.#channel.set.values();
    const present = readers.some((_, lane) => values[SEMAPHORE.LANE + lane] !== 0);
    this.#producerSeen ||= present;
    // This last look sees all messages of producers that were gone by then
    return this.#producerSeen && !present && !this.#look();
  }

  #expired(): ShmError {
    const { key, id } = this.#channel.segment;
    return timedOut("receive", "futex", { key, id, remedy: "no message came in time" });
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
    // Not an async function: each promise between the waker and the caller that awaits costs a microsecond
    let read: Limited<ChannelReceiveOptions>;
    try {
      read = readReceiveOptions(options);
      read.signal?.throwIfAborted();
      this.#check();
      this.#settle();
      if (this.#maySettleAtOnce()) {
        const message = this.#take(read) ?? (this.#soon() ? this.#take(read) : undefined);
        if (message !== undefined) return this.#queue.handOver(message);
      }
    } catch (failure) {
      return Promise.reject(failure);
    }
    this.#receives++;
    const received = this.#queue.run(
      read,
      () => this.#expired(),
      () => this.#until(() => this.#take(read), read),
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
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4046, laneCapacity: 4096 });
   * {
   *   using producer = channel.producer(); // in another process, usually
   *   for (const word of ["one", "two"]) producer.trySend(new TextEncoder().encode(word));
   * }
   * using consumer = channel.consumer();
   * const words: string[] = [];
   * await consumer.consume(async ({ text }) => {
   *   await Promise.resolve(); // for example, a write to a database
   *   words.push(text);
   * }, { until: "closed" });
   * assert.deepEqual(words, ["one", "two"]);
   * ```
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
   * `until` the iteration never ends by itself.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}, from the loop
   */
  messages(options?: ChannelReceiveOptions): AsyncIterableIterator<ChannelMessage<Out>, undefined> {
    return iterate(this, readMessagesOptions(options));
  }

  /** `for await` over the consumer iterates over the messages as they come, without an end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelMessage<Out>, undefined> {
    return this.messages();
  }

  /**
   * The messages as a Web stream, one chunk each: its bytes, or a view of a struct. The same stream each
   * time. A chunk is acknowledged when the next one is asked for, and no chunk is taken ahead. So `pipeTo`
   * loses no message: it asks for the next chunk when the sink has written the last one. A sink that fails,
   * and a loop over the stream that is left, cancel the stream. Then the last chunk is put back, for the
   * next receive or consumer. A `TransformStream` in between takes one chunk more, which is lost with it.
   *
   * The stream ends when there was a producer, all have closed, and all their messages were read. If one
   * of them died or aborted its {@linkcode Producer.writable}, the stream fails with `EOWNERDEAD` instead,
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
    if (this.#readable === undefined) {
      if (!this.isOpen) throw this.#channel.closed("the consumer", this.#open);
      this.#readable = new ChannelReadable(this, () => {
        const dead = this.deadProducers;
        if (dead > 0) throw this.#channel.incomplete(dead);
      });
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
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed4012, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * producer.trySend(Uint8Array.of(1));
   * assert.equal(consumer.discard(producer.lane), 16); // a record: 8 bytes, and 1 rounded up to 8
   * assert.equal(consumer.tryReceive(), undefined);
   * ```
   */
  discard(lane: number): number {
    checkNumber(lane, "lane");
    this.#check();
    const reader = this.#readers[lane];
    if (reader === undefined) {
      throw new RangeError(`there is no lane ${lane} in a channel of ${this.#readers.length}`);
    }
    this.#isReadable(lane);
    return reader.discard();
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
