/**
 * The consumer of a channel: takes messages out of all lanes, in order for each of them.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction, checkNumber } from "../layout/arguments.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import type { Role } from "../sync/role.ts";
import { Deadline } from "../sync/deadline.ts";
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
import type { ChannelPlace } from "./channel_place.ts";
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

/** Looks again as often as this while producers come and go. */
const TRIES = 3;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A message and its text, which is decoded when it is asked for. */
class ReceivedMessage implements ChannelMessage {
  constructor(
    readonly bytes: Uint8Array<ArrayBuffer>,
    readonly tag: number,
    readonly lane: number,
  ) {}

  get text(): string {
    return decoder.decode(this.bytes);
  }
}

/** More than a drain ever finds. Infinity would be an object for each call: it is no small integer. */
const MANY = 2 ** 30;

/**
 * The one receiver of a channel.
 *
 * `consume` calls a handler with each message, and loses none by its exceptions. `tryReceive` never
 * waits, `receiveSync` blocks the thread, `receive` and `for await` use promises; each message they give
 * is a copy of its own. `drain` hands out the memory itself, many messages a call: it allocates nothing
 * and is the fastest. `drainText` hands out text instead.
 *
 * A message that was handed out is in hand until it is acknowledged: by {@linkcode Consumer.ack}, or by
 * asking for the next one. What is in hand when the consumer closes or its process ends goes to the next
 * consumer.
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
export class Consumer implements Disposable, AsyncIterable<ChannelMessage> {
  readonly #place: ChannelPlace;
  readonly #role: Role;
  /** The consumer's line, empty when its memory is gone. */
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #readers: readonly LaneReader[];
  readonly #self: WaiterFlag;
  readonly #small = new SmallPayload();
  readonly #spin: AdaptiveSpin;
  readonly #queue = new SerialQueue();
  /** How often each lane had been opened when we began, to notice who comes and goes. */
  readonly #opened: readonly number[];
  /** How many producers of each lane had died when we began, and left nothing to receive. */
  readonly #diedBefore: readonly number[];
  /** The lane that is looked at next. */
  #next = 0;
  /** The only lane with messages in hand, or one of several. */
  #owing: number | undefined;
  /** Whether several lanes may have messages in hand. */
  #keeping = false;
  #draining = false;
  /** How many calls of `receive` wait, or wait for their turn. */
  #receives = 0;
  /** What the readers said last of a lane that cannot be read. */
  #corruption: ShmError | undefined;
  /** A failure of one lane that is thrown when the others have handed out what they held. */
  #postponed: ShmError | undefined;
  #producerSeen = false;
  #open = true;

  /** For {@linkcode Channel.consumer} only: `role` is held. */
  constructor(place: ChannelPlace, role: Role, options: ConsumerOptions) {
    this.#spin = new AdaptiveSpin(options.spin ?? DEFAULT_SPIN_US);
    this.#place = place;
    this.#role = role;
    const { segment, shape } = place;
    const small = this.#small;
    const gone = (): ShmError => place.closed("the consumer", this.#open);
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
        const corrupt = (what: string): ShmError => this.#corruption = place.corrupt(lane, what);
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

  /** Whether it was not closed. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  #check(): void {
    if (!this.isOpen) throw this.#place.closed("the consumer", this.#open);
    if (this.#draining) {
      throw this.#place.busy("receive", "a drain is under way: return from its callback first");
    }
  }

  /**
   * Acknowledges what is in hand. What was taken for a caller who does not have it yet is not: all in
   * hand before that was acknowledged when it was asked for.
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
   * Acknowledges all messages in hand: they count as received, and their space is free. Does nothing if
   * none is in hand. Asking for the next one does it too; {@linkcode Consumer.close} does not.
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
   * Negative acknowledge: puts all messages in hand back. They are what is received next, here or by the
   * next consumer. Does nothing if none is in hand, as with `ack: "before"`.
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
   * consumer.nack(); // what it was for could not be done
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
    // A receive that waits behind the one whose message this was
    if (this.#queue.waiting > 0) this.#self.wake();
  }

  /** Ends the turn of a lane: the one behind it is looked at next. */
  #leave(lane: number): void {
    this.#next = lane + 1 === this.#readers.length ? 0 : lane + 1;
  }

  /** Whether there is something to hand out, in any lane. One that cannot be read fails if not. */
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

  /** The failure of a lane that cannot be read; any other one, of a visitor say, is thrown. */
  #asCorruption(error: unknown): ShmError {
    if (error !== this.#corruption || this.#corruption === undefined) throw error;
    return this.#corruption;
  }

  /** A failure to be thrown: the lanes behind its own are next. */
  #behind(failure: ShmError): ShmError {
    this.#leave(failure.lane!);
    return failure;
  }

  /**
   * Puts off the failure of a lane until the others have handed out what they hold now. What comes to
   * them later does not count: it may be that they never hold nothing.
   */
  #postpone(error: unknown): void {
    const failure = this.#asCorruption(error);
    const readers = this.#readers;
    if (this.#postponed === undefined) {
      this.#postponed = failure;
      for (const reader of readers) reader.mark();
    }
    // Of several that cannot be read, none is to wait for another one
    readers[failure.lane!]!.unmark();
    if (this.#postponed.lane === failure.lane && readers.every(({ passed }) => passed)) {
      this.#throwPostponed();
    }
  }

  /** Throws what was put off: the other lanes have handed out what they held. */
  #throwPostponed(): void {
    const failure = this.#postponed;
    if (failure === undefined) return;
    this.#postponed = undefined;
    throw this.#behind(failure);
  }

  /** Says that a lane can be read, and so is no failure any more. */
  #isReadable(lane: number): void {
    if (this.#postponed?.lane === lane) this.#postponed = undefined;
  }

  /** The next message of a lane if there is one. */
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

  /** Whether others are to be served first. */
  get #isBehind(): boolean {
    return this.#receives > 0 || this.#queue.handing;
  }

  /**
   * The next message if there is one now; never waits. Acknowledges what is in hand. `undefined` also
   * while a {@linkcode Consumer.receive} waits, which is served first.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain, `ECORRUPT` what is in a
   * lane cannot be. The other lanes have their turn first; the error names the lane, and comes again
   * after each round, until {@linkcode Consumer.discard} drops what is there
   */
  tryReceive(options?: { readonly ack?: Acknowledgement }): ChannelMessage | undefined {
    const read = readTryReceiveOptions(options);
    this.#check();
    this.#settle();
    return this.#isBehind ? undefined : this.#take(read);
  }

  /** The next message, in hand beside those that are. */
  #take({ ack }: { readonly ack?: Acknowledgement }): ChannelMessage | undefined {
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
      // A lane is left when all that was seen of it is handed out: none can keep the others waiting
      if (!reader.pending) this.#leave(lane);
      if (ack === "before") this.#settle();
      return new ReceivedMessage(message.bytes, message.tag, lane);
    }
    this.#throwPostponed();
    return undefined;
  }

  /**
   * Hands all messages that are there now to `visit`, lane by lane, at most `max`; never waits. The
   * bytes are the channel's own memory or a piece of the consumer's: they are to be used or copied
   * during the call only, and decoded from a copy only (see {@linkcode ChannelVisit}). A message is
   * acknowledged when `visit` has come back from it; if it throws, its message and all behind it stay.
   * After each lane the space of its messages is given back in one store. With `ack: "after"` they are in
   * hand when the drain is over, until they are acknowledged. What was in hand before is acknowledged
   * first. While a {@linkcode Consumer.receive} waits, which is served first, there is nothing to drain.
   *
   * @returns how many messages were handed out
   * @throws {RangeError} `max` is no positive number
   * @throws {TypeError} `visit` returned a promise: its message and all behind it stay
   * @throws {ShmError} as {@linkcode Consumer.tryReceive}; `EDETACHED` also if `visit` transferred the
   * memory of the bytes away. What `visit` came back from may be received again then
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
    visit: ChannelVisit,
    options?: { readonly max?: number; readonly ack?: Acknowledgement },
  ): number {
    if (typeof visit !== "function") checkFunction(visit, "visit");
    let most = MANY;
    let keep = false;
    // Who spins calls this every few nanoseconds, mostly without options
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
   * As {@linkcode Consumer.drain}, with each message as text: it is decoded from a copy, as UTF-8, and
   * what is none becomes U+FFFD. The text is the caller's to keep.
   *
   * @returns how many messages were handed out
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
    return this.drain((bytes, tag, lane) => {
      // A small payload is a copy already
      const copy = bytes.length <= SMALL ? bytes : bytes.slice();
      return visit(decoder.decode(copy), tag, lane);
    }, options);
  }

  /**
   * Waits until there is something to receive. Acknowledges what is in hand.
   *
   * @returns `false` at the end of the stream (see {@linkcode ChannelReceiveOptions.until})
   * @throws {ShmError} `ETIMEDOUT`, `EDETACHED` closed, `ECORRUPT`, `EIDRM` the channel was removed
   * underneath
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

  /** Whether a promise may settle at once: none comes before it, and the event loop has its turns. */
  #maySettleAtOnce(): boolean {
    return this.#queue.waiting === 0 && !this.#queue.handing && yieldBudget.pause() === undefined;
  }

  /** As {@linkcode Consumer.ready}, blocking the thread. */
  readySync(options?: ChannelReceiveSyncOptions): boolean {
    return this.#readySync(readReceiveSyncOptions(options));
  }

  #readySync(options: Limited<ChannelReceiveSyncOptions>): boolean {
    this.#check();
    this.#settle();
    if (this.#soon()) return true;
    return waitSync(this.#until(this.#found, options)) ?? false;
  }

  /** Whether something is there, or comes within the time to spin. */
  #soon(): boolean {
    return this.#spin.look(() => this.#look());
  }

  readonly #found = (): true | undefined => this.#look() ? true : undefined;

  /**
   * Waits until `find` finds something, and gives that; `undefined` at the end of the stream.
   */
  *#until<Found>(
    find: () => Found | undefined,
    { deadline = Deadline.never, until }: Limited<ChannelReceiveSyncOptions>,
  ): Waiting<Found | undefined> {
    const schedule = new WaitSchedule(deadline, () => this.#expired());
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        if (!this.isOpen) throw this.#place.closed("the consumer", this.#open);
        let found = slept ? find() : undefined;
        if (found !== undefined) return found;
        this.#self.announce();
        found = find();
        if (found !== undefined) return found;
        for (const reader of this.#readers) reader.checkHead();
        // A system call, which most waits are over before; who only looks in is to learn of it too
        if (slept || deadline.passed || until !== undefined) this.#place.checkPresent();
        if (until === "closed" && this.#ended()) return undefined;
        this.#small.prepare();
        yield this.#self.sleep(schedule.next({ woken: true }));
      }
    } finally {
      // After close the word may be the next consumer's
      if (this.#open) this.#self.retract();
      this.#spin.woke();
    }
  }

  /**
   * How many producers died without closing, of those whose messages this consumer received or was to
   * receive: what they sent may end in the midst of something. Those count that died since the consumer
   * began, and those that died before in a lane that was not empty then. The figure is exact while no
   * producer is there, as at the end of a stream (`until: "closed"`).
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
   * assert.equal(consumer.deadProducers, 0); // all is complete
   * ```
   */
  get deadProducers(): number {
    if (!this.isOpen) throw this.#place.closed("the consumer", this.#open);
    const before = this.#diedBefore;
    return this.#died().reduce((sum, died, lane) => sum + Math.max(0, died - before[lane]!), 0);
  }

  /** How many producers of each lane opened it, did not close it, and do not have it any more. */
  #died(): number[] {
    const { OPENED, CLOSED } = LANE_WORD;
    const counted = (): number[] =>
      this.#readers.flatMap(({ memory: { words } }) => [
        Atomics.load(words, OPENED),
        Atomics.load(words, CLOSED),
      ]);
    for (let tries = 1;; tries++) {
      const counts = counted();
      const values = this.#place.set.values();
      // One that opens or closes meanwhile must not be taken for dead
      const still = counted().every((count, i) => count === counts[i]);
      if (!still && tries < TRIES) continue;
      return this.#readers.map((_, lane) => {
        const [opened, closed] = [counts[2 * lane]!, counts[2 * lane + 1]!];
        return Math.max(0, (opened - closed - values[SEMAPHORE.LANE + lane]!) | 0);
      });
    }
  }

  /** Whether there was a producer, none is there now, and nothing of theirs is left. */
  #ended(): boolean {
    const readers = this.#readers;
    // First who has been there, then who is: one who comes in between must not be taken for gone
    this.#producerSeen ||= readers.some(({ memory }, lane) =>
      Atomics.load(memory.words, LANE_WORD.OPENED) !== this.#opened[lane]
    );
    const values = this.#place.set.values();
    const present = readers.some((_, lane) => values[SEMAPHORE.LANE + lane] !== 0);
    this.#producerSeen ||= present;
    // What those sent who had gone at that look is seen by this one
    return this.#producerSeen && !present && !this.#look();
  }

  #expired(): ShmError {
    const { key, id } = this.#place.segment;
    return timedOut("receive", "futex", { key, id, remedy: "no message came in time" });
  }

  /**
   * Waits for the next message. Acknowledges what is in hand when it is called; the promise has to be
   * fulfilled for that. Several calls at once are served in their order, and their messages are in hand
   * together: none of them acknowledges another one's. `undefined` only with `until`.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}
   */
  receive(options?: ChannelReceiveOptions & { readonly until?: never }): Promise<ChannelMessage>;
  /** The same with `until`: `undefined` at the end of the stream. */
  receive(options: ChannelReceiveOptions): Promise<ChannelMessage | undefined>;
  receive(options?: ChannelReceiveOptions): Promise<ChannelMessage | undefined> {
    // No async function: each promise between a waker and who awaits the message takes a microsecond
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
   * As {@linkcode Consumer.receive}, blocking the thread: calls that wait for a promise cannot go on
   * meanwhile, and are served later.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}
   */
  receiveSync(options?: ChannelReceiveSyncOptions & { readonly until?: never }): ChannelMessage;
  /** The same with `until`: `undefined` at the end of the stream. */
  receiveSync(options: ChannelReceiveSyncOptions): ChannelMessage | undefined;
  receiveSync(options?: ChannelReceiveSyncOptions): ChannelMessage | undefined {
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
   * Calls `handler` with each message as it comes, one after the other, and acknowledges it when the
   * promise that `handler` returns fulfils. If that rejects, or `handler` throws, the message is put back
   * for the next receive, and `consume` rejects with the same reason. So a message is lost neither by an
   * exception nor by the end of the process; it may come twice.
   *
   * It fulfils when `signal` aborts, at once or once the handler under way has ended, and with
   * `until: "closed"` at the end of the stream.
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
   *   await Promise.resolve(); // a write to a database, say
   *   words.push(text);
   * }, { until: "closed" });
   * assert.deepEqual(words, ["one", "two"]);
   * ```
   */
  async consume(
    handler: (message: ChannelMessage) => unknown,
    options?: ConsumeOptions,
  ): Promise<void> {
    checkFunction(handler, "handler");
    const read = readConsumeOptions(options);
    const { signal } = read;
    while (signal?.aborted !== true) {
      let message: ChannelMessage | undefined;
      try {
        message = await this.receive(read);
      } catch (failure) {
        // Only a signal that has aborted has a reason
        if (failure === signal?.reason) return;
        throw failure;
      }
      if (message === undefined) return;
      try {
        await handler(message);
      } catch (failure) {
        // After close it is back already
        if (this.isOpen) this.nack();
        throw failure;
      }
      this.ack();
    }
  }

  /**
   * The messages as they come. Each is acknowledged when the next is asked for, and when the loop is
   * left, by `break` and by `throw` alike: the two cannot be told apart here. Where an exception must not
   * lose a message, use {@linkcode Consumer.consume}. The consumer stays open. Without `until` it never
   * ends by itself.
   *
   * @throws {ShmError} as {@linkcode Consumer.ready}, from the loop
   */
  messages(options?: ChannelReceiveOptions): AsyncIterableIterator<ChannelMessage, undefined> {
    const read = readMessagesOptions(options);
    const iterator: AsyncIterableIterator<ChannelMessage, undefined> = {
      next: () =>
        this.receive(read).then((value) =>
          value === undefined ? { done: true, value } : { done: false, value }
        ),
      return: () => {
        if (this.isOpen) this.ack();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** `for await` over the consumer gives the messages as they come, for ever. */
  [Symbol.asyncIterator](): AsyncIterableIterator<ChannelMessage, undefined> {
    return this.messages();
  }

  /**
   * Drops everything that is in a lane now, which may be what no reader can make sense of (`ECORRUPT`;
   * {@linkcode ShmError.lane} says in which lane).
   *
   * @returns how many bytes of the lane were dropped; more than it has if its words made no sense
   * @throws {RangeError} no such lane
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
   * Lets the role go. Messages in hand are not acknowledged: the next consumer receives them. A `receive`
   * that waits fails with `EDETACHED`. Twice is once.
   *
   * @throws {ShmError} `EBUSY` called from within a drain
   */
  close(): void {
    if (!this.#open) return;
    if (this.isOpen) this.#check();
    this.#open = false;
    this.#self.close();
    this.#role.release();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
