/**
 * A publisher of a topic: owns one lane until it closes or its process dies.
 */

import { checkBytes, checkInteger, lengthOf } from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";
import type { MessageEncoder } from "../layout/struct_codec.ts";
import { EventCount } from "../sync/event_count.ts";
import { readTag } from "../sync/message_tag.ts";
import { SMALL } from "../sync/payload_views.ts";
import type { Role } from "../sync/role.ts";
import { LanePublisher } from "./lane_publisher.ts";
import { LANE_WORD, laneMemory, WAITING_OFFSET } from "./lane_words.ts";
import { maxMessage } from "./shape.ts";
import type { TopicMembership } from "./topic_membership.ts";
import type { PublishOptions } from "./topic_options.ts";

/** The span of the lengths while none can be published. */
const NO_LENGTH = -1;

/** The part of a ring that one batch may take: as much as a message may. */
const BATCH_PART = 1 / 4;

/** Makes a publisher of a lane whose `role` is held. Internal: used by `topic.ts`. */
export let makePublisher: <In>(
  topic: TopicMembership,
  lane: number,
  role: Role,
  codec: MessageEncoder<In> | undefined,
) => Publisher<In>;

/**
 * One publisher of a topic. Its messages arrive in order; there is no order between two publishers. It never
 * waits: it overwrites its oldest messages, whether they were read or not. Where each message must arrive,
 * use a {@linkcode Channel}.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed6003, laneCapacity: 4096 });
 * using subscriber = topic.subscriber(); // in other processes, usually, and any number of them
 * using publisher = topic.publisher();
 * const text = new TextEncoder();
 * assert.equal(publisher.publish(text.encode("one")), 1);
 * assert.equal(publisher.publishBatch([text.encode("two"), text.encode("three")]), 3);
 * for (const expected of ["one", "two", "three"]) {
 *   assert.equal((await subscriber.receive()).text, expected);
 * }
 * ```
 */
export class Publisher<In = ArrayBufferView | ArrayBufferLike> implements Disposable {
  readonly #topic: TopicMembership;
  readonly #role: Role;
  /** Without it, messages are bytes. */
  readonly #codec: MessageEncoder<In> | undefined;
  readonly #writer: LanePublisher;
  readonly #waiting: EventCount;
  /** The lane's words in shared memory; empty when the memory was detached. */
  readonly #words: Int32Array<ArrayBuffer>;
  /** The shortest length, and how much longer the longest is: 0 if all messages have one length. */
  readonly #least: number;
  /** -1 after close, and while a batch is made: then no length can be published. */
  #span: number;
  #open = true;

  static {
    makePublisher = (...how) => new Publisher(...how);
  }

  private constructor(
    topic: TopicMembership,
    lane: number,
    role: Role,
    codec: MessageEncoder<In> | undefined,
  ) {
    const { segment, shape } = topic;
    const memory = laneMemory(segment.buffer, shape, lane);
    this.#topic = topic;
    this.#role = role;
    this.#codec = codec;
    this.#writer = new LanePublisher(memory, (what) => topic.unusable(lane, what));
    this.#waiting = new EventCount(segment, WAITING_OFFSET);
    this.#words = memory.words;
    this.#least = shape.messageSize;
    this.#span = shape.messageSize === 0 ? maxMessage(shape.laneCapacity) : 0;
    Atomics.add(memory.words, LANE_WORD.OPENED, 1);
    Object.freeze(this);
  }

  /** The lane it owns. */
  get lane(): number {
    return this.#writer.memory.lane;
  }

  /** Whether the publisher is open. */
  get isOpen(): boolean {
    return this.#open && this.#words.length > 0;
  }

  /** Checks a length and this publisher before anything else is done. Returns the length. */
  #check(length: number, span: number = this.#span): number {
    const more = length - this.#least;
    if (!(more >= 0 && more <= span && this.#words.length > 0)) throw this.#refusal(length, span);
    return length;
  }

  /** The error for a message of `length` bytes that cannot be published. */
  #refusal(length: number, span: number = this.#span): Error {
    if (!this.isOpen) return this.#topic.closed("the publisher", this.#open);
    if (span === NO_LENGTH) {
      return this.#topic.busy("publish", "a batch is being published: return from it first");
    }
    const { laneCapacity, messageSize } = this.#topic.shape;
    const most = maxMessage(laneCapacity);
    return new RangeError(
      length >= 0 && length <= most
        ? `a message of ${length} bytes on a Topic whose messages have ${messageSize}`
        : `a message of ${length} bytes is too large: a lane of ${laneCapacity} bytes takes at most ` +
          `${most}; create the Topic with a larger laneCapacity, or publish it in pieces`,
    );
  }

  /** Makes the written messages visible to subscribers, and wakes those that sleep. Returns the last number. */
  #publish(): number {
    this.#writer.publish();
    this.#waiting.wake();
    return this.#writer.count;
  }

  /**
   * Publishes `message`. Never waits.
   *
   * @returns the number of the message in its lane: the first one ever is 1, and each has one more
   * @throws {RangeError} a message longer than {@linkcode Topic.maxMessage}, a length other than the fixed
   * length of this topic, a number out of the range of its field, or a tag that is not 32 bits
   * @throws {TypeError} a message of another type than the topic's, options that are not an object
   * @throws {ShmError} `EDETACHED` closed; `EBUSY` called by a getter of a message of a batch
   */
  publish(message: In, options?: PublishOptions): number {
    const tag = readTag(options);
    const codec = this.#codec;
    const payload = codec === undefined ? checkBytes(message, "message") : codec.encode(message);
    const length = this.#check(lengthOf(payload));
    this.#writer.append(payload, length, tag);
    return this.#publish();
  }

  /**
   * Publishes `messages`, in order. Subscribers see all of them at once, if they take at most a quarter of
   * the lane; more of them are published a quarter at a time. Never waits.
   *
   * @returns the number of the last message in its lane, as {@linkcode Publisher.publish}
   * @throws {TypeError} `messages` is not an array; and as {@linkcode Publisher.publish}: nothing is published
   * then
   * @throws {RangeError} as {@linkcode Publisher.publish}; nothing is published then
   * @throws {ShmError} as {@linkcode Publisher.publish}, also if a getter of a message closes the publisher:
   * nothing is published then
   *
   * @example
   * ```ts
   * import { i32, struct, Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.of(struct({ n: i32 }), { key: 0x5eed6004, laneCapacity: 4096 });
   * using subscriber = topic.subscriber();
   * using publisher = topic.publisher();
   * assert.equal(publisher.publishBatch([{ n: 1 }, { n: 2 }, { n: 3 }], { tag: 7 }), 3);
   * let sum = 0;
   * subscriber.drain(({ n }, tag) => sum += n * tag);
   * assert.equal(sum, 42);
   * ```
   */
  publishBatch(messages: readonly In[], options?: PublishOptions): number {
    const tag = readTag(options);
    if (!Array.isArray(messages)) throw mistyped("messages", "an array", messages);
    this.#check(this.#least);
    const writer = this.#writer;
    const span = this.#span;
    // A message may run code of the caller, which must not publish a part of the batch
    this.#span = NO_LENGTH;
    try {
      const count = messages.length;
      for (let i = 0; i < count; i++) {
        const payload = this.#encode(messages[i]!, i);
        const length = this.#check(lengthOf(payload), this.#open ? span : NO_LENGTH);
        if (writer.staged > 0 && writer.stagedWith(length) > this.#part) {
          this.#publishInParts(this.#rest(messages, i, payload, span), tag);
          break;
        }
        writer.append(payload, length, tag);
      }
    } catch (failure) {
      writer.discard();
      throw failure;
    } finally {
      if (this.#open) this.#span = span;
    }
    if (writer.staged > 0) this.#publish();
    return writer.count;
  }

  #encode(message: In, index: number): Uint8Array {
    const codec = this.#codec;
    return codec === undefined ? checkBytes(message, "messages", index) : codec.encode(message);
  }

  /**
   * The bytes of the messages of a batch from `payload`, the one at `first`, on. All are checked: what is
   * published cannot be taken back.
   */
  #rest(messages: readonly In[], first: number, payload: Uint8Array, span: number): Uint8Array[] {
    // The next message overwrites what a codec has encoded
    const kept = (encoded: Uint8Array): Uint8Array =>
      this.#codec === undefined ? encoded : encoded.slice();
    const rest = [kept(payload)];
    const count = messages.length;
    for (let i = first + 1; i < count; i++) rest.push(kept(this.#encode(messages[i]!, i)));
    // Code of the caller has run: it may have closed the publisher, or resized a message before
    for (const each of rest) this.#check(lengthOf(each), this.#open ? span : NO_LENGTH);
    return rest;
  }

  /** Writes messages that were checked, and publishes a quarter of the lane at a time. */
  #publishInParts(payloads: readonly Uint8Array[], tag: number): void {
    const writer = this.#writer;
    for (const payload of payloads) {
      const length = lengthOf(payload);
      if (writer.staged > 0 && writer.stagedWith(length) > this.#part) this.#publish();
      writer.append(payload, length, tag);
    }
  }

  get #part(): number {
    return this.#topic.shape.laneCapacity * BATCH_PART;
  }

  /**
   * Returns an array of `length` bytes, at most 256, to write messages into and publish them. It is copied
   * the fastest, because the publisher knows its memory. It is private, and the same array for each call
   * with the same length; arrays of other lengths share its bytes.
   *
   * @throws {RangeError} a length that is not an integer from 0 to 256
   * @throws {ShmError} `EDETACHED` closed
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.openOrCreate({ key: 0x5eed6005, laneCapacity: 4096 });
   * using subscriber = topic.subscriber();
   * using publisher = topic.publisher();
   * const bytes = publisher.scratch(1);
   * for (let n = 1; n <= 3; n++) {
   *   bytes[0] = n;
   *   publisher.publish(bytes);
   * }
   * const seen: number[] = [];
   * subscriber.drain((bytes) => seen.push(bytes[0]!));
   * assert.deepEqual(seen, [1, 2, 3]);
   * ```
   */
  scratch(length: number): Uint8Array<ArrayBuffer> {
    checkInteger(length, "length", 0, SMALL);
    if (!this.isOpen) throw this.#refusal(length);
    return this.#writer.scratch(length);
  }

  /** Releases the lane. Calling it again does nothing. */
  close(): void {
    if (!this.#open) return;
    const attached = this.isOpen;
    this.#open = false;
    this.#span = NO_LENGTH;
    if (attached) Atomics.add(this.#words, LANE_WORD.CLOSED, 1);
    this.#role.release();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
