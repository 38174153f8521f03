/**
 * The topic: many publishers, any number of subscribers, between any processes on this machine, in
 * TypeScript, C and C++.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import type { Fields, StructInput, StructLayout, StructView } from "../layout/layout.ts";
import { checkMessageLayout } from "../layout/message_type.ts";
import { type MessageCodec, StructCodec } from "../layout/struct_codec.ts";
import { checkNotCreated, type HeadedOptions } from "../sync/headed_object.ts";
import { acquireLane } from "../sync/lane_roles.ts";
import { joinOrCreate } from "../sync/lane_shape.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { checkKey } from "../sysv/key.ts";
import { SEMAPHORE } from "./lanes.ts";
import { makePublisher, type Publisher } from "./publisher.ts";
import { KIND, maxMessage, type Shape } from "./shape.ts";
import { checkIdle, makeSubscriber, Subscriber } from "./subscriber.ts";
import { TopicMembership } from "./topic_membership.ts";
import {
  readStructTopicOptions,
  readSubscriberOptions,
  readTopicOpenOptions,
  readTopicOptions,
  type StructTopicOptions,
  type SubscriberOptions,
  type TopicOpenOptions,
  type TopicOptions,
} from "./topic_options.ts";

/** What makes the messages of a topic of structs. Internal: used by the player of recordings. */
export let topicCodec: <In, Out>(topic: Topic<In, Out>) => MessageCodec<In, Out> | undefined;

/**
 * A topic that this process has open: each subscriber gets what each publisher publishes. Its messages are
 * bytes, or structs if {@linkcode Topic.of} made it: `In` is what publishers take, and `Out` what
 * subscribers return.
 *
 * Each publisher owns a lane, a ring in shared memory, and overwrites its oldest messages. Publishers never
 * wait, with or without subscribers. A subscriber that is too slow for the ring misses messages, and counts
 * them exactly; no message is ever torn. Where each message must arrive, use a
 * {@linkcode Channel}.
 *
 * A publisher that dies, even by SIGKILL, harms no other process: its published messages stay, and its lane
 * is free at once.
 *
 * @example One process publishes, others subscribe
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed6009, lanes: 4, laneCapacity: 1 << 16 });
 * using one = topic.subscriber();
 * using two = topic.subscriber(); // in another process, usually
 * using publisher = topic.publisher();
 * publisher.publish(new TextEncoder().encode("hello"));
 * assert.equal((await one.receive()).text, "hello");
 * assert.equal((await two.receive()).text, "hello");
 * ```
 */
export class Topic<In = ArrayBufferView | ArrayBufferLike, Out = Uint8Array<ArrayBuffer>>
  implements Disposable {
  readonly #membership: TopicMembership;
  /** Without it, messages are bytes. */
  readonly #codec: MessageCodec<In, Out> | undefined;
  #leaveResult: LeaveResult | undefined;

  static {
    topicCodec = (topic) => topic.#codec;
  }

  private constructor(options: HeadedOptions<Shape>, codec?: MessageCodec<In, Out>) {
    this.#membership = new TopicMembership(options);
    this.#codec = codec;
    Object.freeze(this);
  }

  /**
   * Finds the topic or creates it; `created` tells which. A topic that exists keeps its mode; `lanes`,
   * `laneCapacity` and `messageSize` must match it where they are given. When the last process closes the
   * topic it is removed, unless its creator set `persistent`.
   *
   * @throws {ShmError} `EFORMAT` the key belongs to another object, or to a topic of another version or
   * shape: the message names the difference; `ETIMEDOUT` it was not initialised in time; `EUNTRUSTED` it
   * belongs to another user; `EACCES`; `ENOSPC` a limit of the system; `ENOMEM`
   * @throws {RangeError} a key, number of lanes, capacity, message size or mode out of range
   */
  static openOrCreate(options: TopicOptions): Topic {
    return new Topic(joinOrCreate(KIND, readTopicOptions(options)));
  }

  /**
   * Opens a topic that exists.
   *
   * @throws {ShmError} `ENOENT` it does not exist; and as {@linkcode Topic.openOrCreate}
   * @throws {RangeError} a key out of range
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using created = Topic.openOrCreate({ key: 0x5eed600a, laneCapacity: 4096 });
   * using opened = Topic.open(0x5eed600a, { readOnly: true });
   * using subscriber = opened.subscriber();
   * using publisher = created.publisher();
   * publisher.publish(Uint8Array.of(7));
   * assert.equal(subscriber.receiveSync().bytes[0], 7);
   * assert.throws(() => opened.publisher(), { code: "EREADONLY" });
   * ```
   */
  static open(key: number, options: TopicOpenOptions = {}): Topic {
    checkKey(key);
    const { readOnly, trust = false, timeout } = readTopicOpenOptions(options);
    return new Topic({ key, wanted: {}, readOnly, trust, timeout });
  }

  /**
   * Finds or creates a topic of structs, as {@linkcode Topic.openOrCreate}; with `readOnly` opens it, as
   * {@linkcode Topic.open}. Every message is a struct: publishers take an object with a value for each
   * field, and subscribers return and pass views of the fields. `drain` passes the same view each time, of
   * the subscriber's own copy: to keep a value, copy it during the call.
   *
   * The fields are stated in the topic: a program with another struct is refused, in C too if it states
   * its own. A topic that was created without a struct is accepted if its messages have that size.
   *
   * @throws {ShmError} as {@linkcode Topic.openOrCreate}; `EFORMAT` also if its messages have another
   * struct, of which the message names the first field that differs, or another size
   * @throws {RangeError} as {@linkcode Topic.openOrCreate}
   * @throws {TypeError} `layout` is not that of a struct, or it ends with a flexible array; `mode` or
   * `persistent` with `readOnly`
   *
   * @example
   * ```ts
   * import { f64, i32, struct, Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Point = struct({ id: i32, x: f64, y: f64 });
   * using topic = Topic.of(Point, { key: 0x5eed600b, laneCapacity: 4096 });
   * using subscriber = topic.subscriber();
   * using publisher = topic.publisher();
   * publisher.publish({ id: 1, x: 1.5, y: 2 });
   * assert.equal(subscriber.tryReceive()?.value.x, 1.5);
   * ```
   */
  static of<F extends Fields>(
    layout: StructLayout<F>,
    options: StructTopicOptions,
  ): Topic<StructInput<F>, StructView<F>> {
    checkMessageLayout(layout, "Topic.openOrCreate");
    const { readOnly = false, ...read } = readStructTopicOptions(options);
    if (readOnly) checkNotCreated("Topic", read);
    const { create, ...open } = joinOrCreate(KIND, { ...read, messageSize: layout.size });
    const how = readOnly ? { ...open, readOnly } : { ...open, create };
    return new Topic({ ...how, layout }, new StructCodec(layout));
  }

  /** The key of the topic. */
  get key(): number {
    return this.#membership.segment.key;
  }

  /** The id of its shared memory segment. */
  get id(): number {
    return this.#membership.segment.id;
  }

  /** The highest number of publishers at a time. */
  get lanes(): number {
    return this.#membership.shape.lanes;
  }

  /** Bytes of the ring of one lane. */
  get laneCapacity(): number {
    return this.#membership.shape.laneCapacity;
  }

  /** Bytes of every message, or 0 if lengths differ. */
  get messageSize(): number {
    return this.#membership.shape.messageSize;
  }

  /** Bytes of the longest possible message. */
  get maxMessage(): number {
    return maxMessage(this.laneCapacity);
  }

  /** Whether this call created the topic. */
  get created(): boolean {
    return this.#membership.created;
  }

  /** Whether the topic is open for reading only. */
  get readOnly(): boolean {
    return this.#membership.readOnly;
  }

  /**
   * Whether users other than the owner could change the topic when it was opened (mode & 0o022). `false`
   * for a topic created here: its mode was chosen here.
   */
  get othersMayWrite(): boolean {
    return this.#membership.othersMayWrite;
  }

  /** Whether the topic is open here. */
  get isOpen(): boolean {
    return this.#leaveResult === undefined && this.#membership.segment.attached;
  }

  #check(): void {
    if (!this.isOpen) throw this.#membership.closed("the Topic", this.#leaveResult === undefined);
  }

  /**
   * Acquires a free lane and returns its publisher. One process may have several. A free lane whose words
   * in memory are impossible is skipped.
   *
   * @throws {ShmError} `EBUSY` every lane has an owner: the message names the owners; `ECORRUPT` the free
   * lanes cannot be used; `EREADONLY` the topic is open for reading only; `EIDRM` it was removed while in
   * use; `EDETACHED` closed
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.openOrCreate({ key: 0x5eed600c, lanes: 1, laneCapacity: 4096 });
   * using publisher = topic.publisher();
   * assert.equal(publisher.lane, 0);
   * assert.throws(() => topic.publisher(), { code: "EBUSY" });
   * ```
   */
  publisher(): Publisher<In> {
    this.#check();
    const { key, id } = this;
    const action = "become a publisher";
    if (this.readOnly) {
      throw new ShmError(action, undefined, "EREADONLY", {
        key,
        id,
        remedy: "open the Topic without readOnly",
      });
    }
    const membership = this.#membership;
    return this.#membership.adopt(acquireLane(
      membership,
      { first: SEMAPHORE.LANE, lanes: this.lanes },
      (lane, role) => makePublisher(membership, lane, role, this.#codec),
      { action, name: "the Topic" },
    ));
  }

  /**
   * Returns a subscriber, which begins with what is published from now on, or with `history` before that.
   * One process may have several. No other process notices.
   *
   * @throws {ShmError} `EDETACHED` closed
   * @throws {RangeError} an option out of range
   */
  subscriber(options: SubscriberOptions = {}): Subscriber<Out> {
    const read = readSubscriberOptions(options);
    this.#check();
    return this.#membership.adopt(makeSubscriber(this.#membership, read, this.#codec));
  }

  /**
   * Removes the topic even if it is in use: its key is free at once. Other processes go on until they have
   * to wait, and then fail with `EIDRM`. Works after {@linkcode Topic.close} too.
   *
   * @throws {ShmError} `EPERM` the caller is neither owner, creator nor root
   *
   * @example
   * ```ts
   * import { Topic } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using topic = Topic.openOrCreate({ key: 0x5eed600d, laneCapacity: 4096 });
   * using subscriber = topic.subscriber();
   * topic.remove();
   * await assert.rejects(subscriber.receive(), { code: "EIDRM" });
   * ```
   */
  remove(): void {
    this.#membership.remove();
  }

  /**
   * Closes its publishers and subscribers, and leaves the topic. Calling it again does nothing.
   *
   * @returns what happened to the topic
   * @throws {ShmError} `EBUSY` called from within a drain
   */
  close(): LeaveResult {
    if (this.#leaveResult !== undefined) return this.#leaveResult;
    // Within a drain all must stay open
    for (const end of this.#membership.ends) if (end instanceof Subscriber) checkIdle(end);
    return this.#leaveResult = this.#membership.leave();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
