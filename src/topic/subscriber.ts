/**
 * A subscriber of a topic: gets the messages of all lanes, in order for each of them, and counts what it has
 * missed.
 */

import type { ShmError } from "../../ffi/shm_error.ts";
import { checkFunction } from "../layout/arguments.ts";
import type { MessageDecoder } from "../layout/struct_codec.ts";
import { DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { iterate } from "../sync/delivery.ts";
import { EventCount } from "../sync/event_count.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import { MANY } from "../sync/visit.ts";
import {
  readEachWaitOptions,
  readWaitOptions,
  readWaitSyncOptions,
  type WaitLimits,
  type WaitOptions,
  type WaitSyncOptions,
} from "../sync/wait_schedule.ts";
import { memoryOf } from "../sysv/segment.ts";
import { promised, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import { LaneRotation } from "./lane_rotation.ts";
import type { TopicVisit } from "./lane_subscriber.ts";
import { laneMemory, WAITING_OFFSET } from "./lane_words.ts";
import { type TopicBytesMessage, TopicDecodedMessage } from "./message.ts";
import { MessageWait } from "./message_wait.ts";
import type { TopicMembership } from "./topic_membership.ts";
import { readDrainOptions, type TopicMessage } from "./topic_options.ts";
import { TopicReadable } from "./web_stream.ts";

/** Makes a subscriber. Internal: used by `topic.ts`. */
export let makeSubscriber: <Out>(
  topic: TopicMembership,
  options: { readonly history?: number; readonly spin?: number },
  codec: MessageDecoder<Out> | undefined,
) => Subscriber<Out>;

/**
 * The number of the message that a drain of this subscriber is passing, one of `lane`. Internal: used by the
 * command `sub`.
 */
export let numberPassed: <Out>(subscriber: Subscriber<Out>, lane: number) => number;

/** Throws if a drain of this subscriber is under way. Internal: used by `topic.ts`. */
export let checkIdle: <Out>(subscriber: Subscriber<Out>) => void;

/**
 * One subscriber of a topic. There may be any number, and none of them changes what a publisher or another
 * subscriber does. The messages of each publisher come in order. If a publisher was so far ahead that it
 * overwrote messages that were not read, the subscriber goes on with the oldest that is left, and each
 * message says how many were `missed` right before it. Where each message must arrive, use a
 * {@linkcode Channel}.
 *
 * `tryReceive` never waits, `receiveSync` blocks the thread, `receive` and `for await` use promises; each
 * returns its own copy of the message. `drain` passes many messages in one call: it allocates nothing and
 * is the fastest. `readable` is a Web stream. No message counts as received or not: there is nothing to
 * acknowledge.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed6006, laneCapacity: 4096 });
 * using publisher = topic.publisher(); // in another process, usually
 * for (let n = 1; n <= 5; n++) publisher.publish(Uint8Array.of(n));
 * using subscriber = topic.subscriber({ history: 2 }); // it begins with the last two
 * publisher.publish(Uint8Array.of(6));
 * const seen: number[] = [];
 * for await (const { bytes } of subscriber) {
 *   seen.push(bytes[0]!);
 *   if (seen.length === 3) break;
 * }
 * assert.deepEqual(seen, [4, 5, 6]);
 * ```
 */
export class Subscriber<Out = Uint8Array<ArrayBuffer>>
  implements Disposable, AsyncIterable<TopicMessage<Out>> {
  readonly #topic: TopicMembership;
  /** Without it, messages are bytes. */
  readonly #codec: MessageDecoder<Out> | undefined;
  /** The memory of the first lane; empty when the memory was detached. */
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #lanes: LaneRotation;
  readonly #waiting: EventCount;
  readonly #wait: MessageWait;
  readonly #queue = new SerialQueue();
  #readable: TopicReadable<Out> | undefined;
  #open = true;

  static {
    makeSubscriber = (...how) => new Subscriber(...how);
    numberPassed = (subscriber, lane) => subscriber.#lanes.next(lane);
    checkIdle = (subscriber) => subscriber.#checkIdle();
  }

  private constructor(
    topic: TopicMembership,
    { history = 0, spin = DEFAULT_SPIN_US }: { readonly history?: number; readonly spin?: number },
    codec: MessageDecoder<Out> | undefined,
  ) {
    this.#topic = topic;
    this.#codec = codec;
    const { segment, shape } = topic;
    const { buffer } = memoryOf(segment, "subscribe");
    const memories = Array.from(
      { length: shape.lanes },
      (_, lane) => laneMemory(buffer, shape, lane),
    );
    this.#words = memories[0]!.words;
    const corrupt = (lane: number, what: string): ShmError => topic.corrupt(lane, what);
    const lanes = this.#lanes = new LaneRotation(memories, shape, history, corrupt);
    const waiting = this.#waiting = new EventCount(segment, WAITING_OFFSET);
    const checkOpen = (): void => this.#checkOpen();
    this.#wait = new MessageWait({ topic, lanes, waiting, spin, checkOpen });
    Object.freeze(this);
  }

  /** Whether the subscriber is open. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#topic.closed("the subscriber", this.#open);
  }

  #check(): void {
    this.#checkOpen();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#lanes.isDraining) {
      throw this.#topic.busy("receive", "a drain is under way: return from its callback first");
    }
  }

  /**
   * How many messages were published since it subscribed and overwritten before it read them, as far as it
   * has noticed: it notices when it asks for the next message.
   */
  get missed(): number {
    return this.#lanes.missed;
  }

  /**
   * Returns the next message if there is one now; never waits. Returns `undefined` also while a
   * {@linkcode Subscriber.receive} waits, which is served first.
   *
   * @throws {ShmError} `EDETACHED` closed, `EBUSY` called from within a drain, `ECORRUPT` a lane has
   * impossible contents. The error names the lane, which starts again at its tail; the others go on
   */
  tryReceive(): TopicMessage<Out> | undefined {
    this.#check();
    return this.#queue.waiting > 0 ? undefined : this.#take();
  }

  #take(): TopicMessage<Out> | undefined {
    const message = this.#lanes.take();
    if (message === undefined) return undefined;
    const codec = this.#codec;
    // Without a codec, `Out` is bytes
    if (codec === undefined) return message as TopicBytesMessage & { readonly value: Out };
    return new TopicDecodedMessage(codec, message);
  }

  /**
   * Passes all messages that are there now to `visit`, lane by lane, at most `max`; never waits. Use or copy
   * the bytes only during the call: they are the subscriber's own copy, which the next message overwrites. A
   * message that `visit` throws for comes again. If messages of a lane are overwritten meanwhile, the next
   * drain tells how many. Returns 0 while a {@linkcode Subscriber.receive} waits, which is served first.
   *
   * @returns the number of messages that were passed to `visit`
   * @throws {RangeError} `max` is not a positive number
   * @throws {TypeError} `visit` returned a promise: its message comes again
   * @throws {ShmError} as {@linkcode Subscriber.tryReceive}
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.openOrCreate({ key: 0x5eed6007, lanes: 1, laneCapacity: 256 });
   * using subscriber = topic.subscriber();
   * using publisher = topic.publisher();
   * for (let n = 1; n <= 100; n++) publisher.publish(Uint8Array.of(n)); // too many for the ring
   * let next = 1;
   * while (await subscriber.ready()) { // sleeps until there is something
   *   subscriber.drain((bytes, _tag, _lane, missed) => {
   *     next += missed;
   *     assert.equal(bytes[0], next++);
   *   });
   *   break;
   * }
   * assert.equal(next, 101);
   * ```
   */
  drain(visit: TopicVisit<Out>, options?: { readonly max?: number }): number {
    if (typeof visit !== "function") checkFunction(visit, "visit");
    // A spinning caller calls this every few nanoseconds, mostly without options
    const max = options === undefined ? MANY : readDrainOptions(options).max ?? MANY;
    this.#check();
    if (this.#queue.waiting > 0) return 0;
    const codec = this.#codec;
    // Without a codec, `Out` is bytes
    const visitor = codec === undefined ? visit as TopicVisit : showing(codec, visit);
    return this.#lanes.drain(visitor, max);
  }

  /**
   * Waits until there is a message to receive.
   *
   * @returns `true`
   * @throws {ShmError} `ETIMEDOUT`, `EDETACHED` closed, `EBUSY` called from within a drain, `EIDRM` the topic
   * was removed while it was in use
   */
  async ready(options?: WaitOptions): Promise<true> {
    const read = readWaitOptions(options);
    read.signal?.throwIfAborted();
    this.#check();
    if (this.#maySettleAtOnce() && this.#wait.soon()) return true;
    return await this.#run(read, this.#found);
  }

  /** As {@linkcode Subscriber.ready}, but blocks the thread. */
  readySync(options?: WaitSyncOptions): true {
    const read = readWaitSyncOptions(options);
    this.#check();
    return this.#wait.soon() || waitSync(this.#wait.until(this.#found, read));
  }

  readonly #found = (): true | undefined => this.#lanes.look() ? true : undefined;

  /** Whether a promise may be fulfilled at once: no other is before it, and the event loop gets its turns. */
  #maySettleAtOnce(): boolean {
    return this.#queue.waiting === 0 && yieldBudget.pause() === undefined;
  }

  #run<Found>(limits: WaitLimits, find: () => Found | undefined): Promise<Found> {
    return this.#queue.run(
      limits,
      () => this.#wait.expired(),
      () => this.#wait.until(find, limits),
    );
  }

  /**
   * Waits for the next message. Calls made together are served in order.
   *
   * @throws {ShmError} as {@linkcode Subscriber.ready} and {@linkcode Subscriber.tryReceive}
   */
  receive(options?: WaitOptions): Promise<TopicMessage<Out>> {
    return promised(() => this.#receive(readWaitOptions(options), this.#takeOne));
  }

  readonly #takeOne = (): TopicMessage<Out> | undefined => this.#take();

  /** Waits until `take` takes a message. */
  // Not an async function: each promise between the waker and the caller that awaits costs a microsecond
  #receive<Taken extends object>(
    limits: WaitLimits,
    take: () => Taken | undefined,
  ): Promise<Taken> {
    limits.signal?.throwIfAborted();
    this.#check();
    if (this.#maySettleAtOnce()) {
      const taken = take() ?? (this.#wait.soon() ? take() : undefined);
      if (taken !== undefined) return Promise.resolve(taken);
    }
    return this.#run(limits, take);
  }

  /** Passes the next message to `deliver` as soon as it is taken. */
  #deliver(deliver: (value: Out) => void, signal: AbortSignal): Promise<unknown> {
    return this.#receive({ signal }, () => {
      const message = this.#take();
      if (message !== undefined) deliver(message.value);
      return message;
    });
  }

  /**
   * As {@linkcode Subscriber.receive}, but blocks the thread: calls that wait for a promise cannot continue
   * in the meantime, and are served later.
   *
   * @throws {ShmError} as {@linkcode Subscriber.receive}
   */
  receiveSync(options?: WaitSyncOptions): TopicMessage<Out> {
    const read = readWaitSyncOptions(options);
    this.#check();
    const message = this.#take() ?? (this.#wait.soon() ? this.#take() : undefined);
    return message ?? waitSync(this.#wait.until(() => this.#take(), read));
  }

  /**
   * Iterates over the messages as they come, without an end. The loop may be left at any time; the
   * subscriber stays open. The iterator's `return` ends a `next` that waits, which takes no message then.
   *
   * @throws {ShmError} as {@linkcode Subscriber.receive}, from the loop; the reason of the signal when it
   * aborts
   */
  messages(options?: WaitOptions): AsyncIterableIterator<TopicMessage<Out>, undefined> {
    return iterate(
      (limits) => this.#receive(limits, this.#takeOne),
      readEachWaitOptions(options),
    );
  }

  /** `for await` over the subscriber iterates over the messages as they come, without an end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<TopicMessage<Out>, undefined> {
    return this.messages();
  }

  /**
   * The messages as a Web stream, one chunk each: its bytes, or a view of a struct. The same stream each
   * time until it fails or is cancelled; then a new one. No message is taken ahead of a read, so cancelling
   * loses none; only a chunk that came for a reader that has released its lock waits in the stream, and is
   * dropped by a cancel. The stream never ends by itself. It fails as {@linkcode Subscriber.receive} does,
   * and with `EDETACHED` when the subscriber is
   * closed. Chunks do not say what was missed: {@linkcode Subscriber.missed} does.
   *
   * @throws {ShmError} `EDETACHED` closed
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.openOrCreate({ key: 0x5eed6008, laneCapacity: 4096 });
   * using publisher = topic.publisher();
   * using subscriber = topic.subscriber();
   * publisher.publish(new TextEncoder().encode("hello"));
   * for await (const text of subscriber.readable.pipeThrough(new TextDecoderStream())) {
   *   assert.equal(text, "hello");
   *   break;
   * }
   * ```
   */
  get readable(): ReadableStream<Out> {
    if (this.#readable === undefined || this.#readable.isOver) {
      this.#checkOpen();
      this.#readable = new TopicReadable((...how) => this.#deliver(...how));
    }
    return this.#readable.stream;
  }

  /**
   * Closes it. A `receive` that waits fails with `EDETACHED`. Calling it again does nothing.
   *
   * @throws {ShmError} `EBUSY` called from within a drain
   */
  close(): void {
    if (!this.#open) return;
    this.#checkIdle();
    this.#open = false;
    this.#waiting.close();
    this.#readable?.fail(this.#topic.closed("the subscriber", false));
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A visitor of bytes that shows `visit` the message in them. Apart: a drain of bytes must not allocate. */
function showing<Out>(codec: MessageDecoder<Out>, visit: TopicVisit<Out>): TopicVisit {
  return (bytes, tag, lane, missed) => visit(codec.show(bytes), tag, lane, missed);
}
