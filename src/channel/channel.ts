/**
 * The channel: many producers, one consumer, between any processes on this machine, in TypeScript, C
 * and C++.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { acquireLane, acquireRole } from "../sync/lane_roles.ts";
import { Role } from "../sync/role.ts";
import type { Fields, StructInput, StructLayout, StructView } from "../layout/layout.ts";
import { checkMessageLayout } from "../layout/message_type.ts";
import { type MessageCodec, StructCodec } from "../layout/struct_codec.ts";
import { checkKey } from "../sysv/key.ts";
import {
  type ChannelOpenOptions,
  type ChannelOptions,
  type ConsumerOptions,
  type ProducerOptions,
  readChannelOpenOptions,
  readChannelOptions,
  readConsumerOptions,
  readProducerOptions,
  readStructChannelOptions,
} from "./channel_options.ts";
import { type ChannelStats, readStats } from "./channel_stat.ts";
import { Consumer, makeConsumer } from "./consumer.ts";
import { SEMAPHORE } from "./descriptor.ts";
import { ChannelMembership } from "./channel_membership.ts";
import { joinOrCreate } from "../sync/lane_shape.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { makeProducer, type Producer } from "./producer.ts";
import { KIND, maxMessage } from "./shape.ts";

/** What makes the messages of a channel of structs. Internal: used by the player of recordings. */
export let channelCodec: <In, Out>(channel: Channel<In, Out>) => MessageCodec<In, Out> | undefined;

/**
 * A channel that this process has open. Its messages are bytes, or structs if {@linkcode Channel.of} made
 * it: `In` is what producers take, and `Out` what the consumer returns.
 *
 * Each producer owns a lane, a ring in shared memory. Nothing is locked, and sending or receiving a
 * message makes no system call while both sides are awake. A producer or consumer that dies, even by
 * SIGKILL, harms no other: its published messages stay, and its lane or role is free at once.
 *
 * @example One process sends, another one receives
 * ```ts
 * import { Channel } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed4018, lanes: 4, laneCapacity: 1 << 16 });
 * {
 *   using producer = channel.producer(); // in another process, usually
 *   await producer.send(new TextEncoder().encode("hello"));
 * }
 * using consumer = channel.consumer();
 * await consumer.consume(({ text }) => assert.equal(text, "hello"), { until: "closed" });
 * ```
 */
export class Channel<In = ArrayBufferView | ArrayBufferLike, Out = Uint8Array<ArrayBuffer>>
  implements Disposable {
  readonly #membership: ChannelMembership;
  /** Without it, messages are bytes. */
  readonly #codec: MessageCodec<In, Out> | undefined;
  #leaveResult: LeaveResult | undefined;

  static {
    channelCodec = (channel) => channel.#codec;
  }

  private constructor(membership: ChannelMembership, codec?: MessageCodec<In, Out>) {
    this.#membership = membership;
    this.#codec = codec;
    Object.freeze(this);
  }

  /**
   * Finds the channel or creates it; `created` tells which. A channel that exists keeps its mode; `lanes`,
   * `laneCapacity` and `messageSize` must match it where they are given. When the last process closes the
   * channel, and it is empty, it is removed, unless its creator set `persistent`.
   *
   * @throws {ShmError} `EFORMAT` the key belongs to another object, or to a channel of another version or
   * shape: the message names the difference; `ETIMEDOUT` it was not initialised in time; `EUNTRUSTED` it
   * belongs to another user; `EACCES`; `ENOSPC` a limit of the system; `ENOMEM`
   * @throws {RangeError} a key, number of lanes, capacity, message size or mode out of range
   */
  static openOrCreate(options: ChannelOptions): Channel {
    return new Channel(new ChannelMembership(joinOrCreate(KIND, readChannelOptions(options))));
  }

  /**
   * Opens a channel that exists.
   *
   * @throws {ShmError} `ENOENT` it does not exist; and as {@linkcode Channel.openOrCreate}
   * @throws {RangeError} a key out of range
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using created = Channel.openOrCreate({ key: 0x5eed4019, lanes: 3, laneCapacity: 4096 });
   * using opened = Channel.open(0x5eed4019);
   * assert.deepEqual([opened.lanes, opened.created], [3, false]);
   * ```
   */
  static open(key: number, options: ChannelOpenOptions = {}): Channel {
    checkKey(key);
    const { trust = false, timeout } = readChannelOpenOptions(options);
    return new Channel(new ChannelMembership({ key, wanted: {}, trust, timeout }));
  }

  /**
   * Finds or creates a channel of structs, as {@linkcode Channel.openOrCreate}. Every message is a struct:
   * its producers take an object with a value for each field, and its consumer returns and passes views of
   * the fields. `drain` passes the same view each time, of the consumer's own copy: to keep a value, copy
   * it during the call.
   *
   * The fields are stated in the channel: a program with another struct is refused, in C too if it states
   * its own. A channel that was created without a struct is accepted if its messages have that size.
   *
   * @throws {ShmError} as {@linkcode Channel.openOrCreate}; `EFORMAT` also if its messages have another
   * struct, of which the message names the first field that differs, or another size
   * @throws {RangeError} as {@linkcode Channel.openOrCreate}
   * @throws {TypeError} `layout` is not that of a struct, or it ends with a flexible array
   *
   * @example
   * ```ts
   * import { Channel, f64, i32, struct } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * const Point = struct({ id: i32, x: f64, y: f64 });
   * using channel = Channel.of(Point, { key: 0x5eed401a, laneCapacity: 4096 });
   * using producer = channel.producer();
   * using consumer = channel.consumer();
   * producer.trySend({ id: 1, x: 1.5, y: 2 });
   * assert.equal(consumer.tryReceive()?.value.x, 1.5);
   * consumer.ack();
   * ```
   */
  static of<F extends Fields>(
    layout: StructLayout<F>,
    options: Omit<ChannelOptions, "messageSize">,
  ): Channel<StructInput<F>, StructView<F>> {
    checkMessageLayout(layout, "Channel.openOrCreate");
    const read = { ...readStructChannelOptions(options), messageSize: layout.size };
    const codec = new StructCodec(layout);
    const how = { ...joinOrCreate(KIND, read), layout };
    return new Channel(new ChannelMembership(how), codec);
  }

  /** The key of the channel. */
  get key(): number {
    return this.#membership.segment.key;
  }

  /** The id of its shared memory segment. */
  get id(): number {
    return this.#membership.segment.id;
  }

  /** The highest number of producers at a time. */
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

  /** Whether this call created the channel. */
  get created(): boolean {
    return this.#membership.created;
  }

  /**
   * Whether users other than the owner could change the channel when it was opened (mode & 0o022).
   * `false` for a channel created here: its mode was chosen here.
   */
  get othersMayWrite(): boolean {
    return this.#membership.othersMayWrite;
  }

  /** Whether the channel is open here. */
  get isOpen(): boolean {
    return this.#leaveResult === undefined && this.#membership.segment.attached;
  }

  #check(): void {
    if (!this.isOpen) throw this.#membership.closed("the channel", this.#leaveResult === undefined);
  }

  /**
   * Acquires a free lane and returns its producer. One process may have several. A free lane whose words
   * in memory are impossible for a ring is skipped.
   *
   * @throws {ShmError} `EBUSY` every lane has an owner: the message names the owners; `ECORRUPT` the free
   * lanes cannot be used; `EIDRM` the channel was removed while in use; `EDETACHED` closed
   * @throws {RangeError} an option out of range
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed401b, lanes: 1, laneCapacity: 4096 });
   * using producer = channel.producer();
   * assert.equal(producer.lane, 0);
   * assert.throws(() => channel.producer(), { code: "EBUSY" });
   * ```
   */
  producer(options: ProducerOptions = {}): Producer<In> {
    const read = readProducerOptions(options);
    this.#check();
    const membership = this.#membership;
    return this.#membership.adopt(acquireLane(
      membership,
      { first: SEMAPHORE.LANE, lanes: this.lanes },
      (lane, role) => makeProducer(membership, lane, role, read, this.#codec),
      { action: "become a producer", name: "the channel" },
    ));
  }

  /**
   * Acquires the role of the consumer. It continues where the last consumer stopped.
   *
   * @throws {ShmError} `EBUSY` there is a consumer: the message names it; `EIDRM` the channel was removed
   * while in use; `EDETACHED` closed
   * @throws {RangeError} an option out of range
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed401c, laneCapacity: 4096 });
   * using consumer = channel.consumer();
   * assert.equal(channel.consumerPid, Deno.pid);
   * assert.throws(() => channel.consumer(), { code: "EBUSY" });
   * ```
   */
  consumer(options: ConsumerOptions = {}): Consumer<Out> {
    const read = readConsumerOptions(options);
    this.#check();
    const membership = this.#membership;
    const consumer = acquireRole(
      membership,
      SEMAPHORE.CONSUMER,
      (role) => makeConsumer(membership, role, read, this.#codec),
    );
    if (consumer !== undefined) return this.#membership.adopt(consumer);
    throw new ShmError("become the consumer", "semop", ERRNO.EBUSY, {
      key: this.key,
      id: this.id,
      remedy: `${formatProcess(this.consumerPid)} is it already`,
    });
  }

  /**
   * The pid of the consumer; `undefined` if there is none.
   *
   * @throws {ShmError} `EDETACHED` closed, `EINVAL` or `EIDRM` the channel was removed
   */
  get consumerPid(): number | undefined {
    this.#check();
    return new Role(this.#membership.set, SEMAPHORE.CONSUMER).holder;
  }

  /**
   * Returns the producers, the consumer, and how full each lane is.
   *
   * @throws {ShmError} `EDETACHED` closed, `EINVAL` or `EIDRM` the channel was removed
   */
  stats(): ChannelStats {
    this.#check();
    const { segment, set, shape } = this.#membership;
    return readStats(segment.buffer, set, shape);
  }

  /**
   * Removes the channel even if it is in use: its key is free at once. Other processes go on until they
   * have to wait, and then fail with `EIDRM`. Works after {@linkcode Channel.close} too.
   *
   * @throws {ShmError} `EPERM` the caller is neither owner, creator nor root
   *
   * @example
   * ```ts
   * import { Channel } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using channel = Channel.openOrCreate({ key: 0x5eed401d, laneCapacity: 4096 });
   * using consumer = channel.consumer();
   * channel.remove();
   * await assert.rejects(consumer.receive(), { code: "EIDRM" });
   * ```
   */
  remove(): void {
    this.#membership.remove();
  }

  /**
   * Closes its producers and its consumer, and leaves the channel. Calling it again does nothing.
   *
   * @returns what happened to the channel
   * @throws {ShmError} `EBUSY` called from within a drain
   */
  close(): LeaveResult {
    if (this.#leaveResult !== undefined) return this.#leaveResult;
    // The consumer first: within a drain its close throws, and then all must stay open
    for (const end of this.#membership.ends) if (end instanceof Consumer) end.close();
    return this.#leaveResult = this.#membership.leave();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
