/**
 * Peers at work on a channel whose memory an intruder spoils, in one process. Whatever is written
 * where, an operation gives a result or one of the errors it may give; it reads and writes within its
 * ring; the lanes that were left alone bring every message once, whole and in order; and afterwards the
 * documented way out works.
 */

import assert from "node:assert/strict";
import {
  array,
  Channel,
  type Consumer,
  listChannels,
  type Producer,
  ShmError,
  statChannel,
  struct,
  u8,
} from "../../mod.ts";
import { SMALL } from "../../src/sync/payload_views.ts";
import { maxMessage, ringOffset, type Shape } from "../../src/channel/shape.ts";
import { beginAt } from "../channel/scratch_channel.ts";
import { freshKey } from "../support/peer.ts";
import { type Corruption, Intruder, lanesOf } from "./channel_hostile_memory.ts";
import { Counts } from "./counts.ts";
import { Random } from "./random.ts";
import { Deadline } from "../../src/sync/deadline.ts";

/** A safety net: an operation that waits for a millisecond is long back by then. */
const NET_MS = 20_000;
/** So many corruptions meet one channel. */
const CORRUPTIONS_A_CHANNEL = 40;

/** What an operation may fail with when the memory it works on was spoiled. */
const ALLOWED = {
  use: ["ECORRUPT"],
  wait: ["ECORRUPT", "ETIMEDOUT"],
  open: ["EFORMAT", "ETIMEDOUT"],
  look: ["EFORMAT"],
} as const;
type Kind = keyof typeof ALLOWED;

/** Thrown by a visitor on purpose. */
const NOT_NOW = Symbol("not now");

const STRUCT_SIZE = 16;
const Struct = struct({ bytes: array(u8, STRUCT_SIZE) });

/** One lane, and what must come out of it as long as it was not spoiled. */
interface Lane {
  producer: Producer<unknown>;
  /** Sequence numbers: of the next one written, of those published, received, and settled. */
  written: number;
  published: number;
  received: number;
  settled: number;
  spoiled: boolean;
}

/** A message says which it is in its tag, and its bytes follow from that. */
function payload(tag: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => tag * 7 + i);
}

/** The bytes of a message that a drain passes: bytes, or a view of a struct. */
function bytesOf(message: unknown): Uint8Array {
  if (message instanceof Uint8Array) return message;
  return Uint8Array.from((message as { readonly bytes: ArrayLike<number> }).bytes);
}

/** One channel with all its peers in this process. */
class World implements Disposable {
  /** Its messages are bytes or structs. */
  readonly #channel: Channel<unknown, unknown>;
  /** Makes a message of bytes. */
  readonly #message: (bytes: Uint8Array<ArrayBuffer>) => unknown;
  readonly #intruder: Intruder;
  readonly #random: Random;
  readonly #counts: Counts;
  readonly #shape: Shape;
  readonly #lanes: Lane[];
  #consumer: Consumer<unknown>;
  /** A corruption that comes in the midst of a drain. */
  #ambush: (() => void) | undefined;
  #headerSpoiled = false;

  constructor(random: Random, counts: Counts) {
    this.#random = random;
    this.#counts = counts;
    const laneCapacity = random.of([64, 128, 256, 1024, 4096]);
    const lanes = 1 + random.below(3);
    this.#shape = { lanes, laneCapacity, messageSize: random.below(4) === 0 ? STRUCT_SIZE : 0 };
    const key = freshKey();
    if (this.#shape.messageSize === STRUCT_SIZE && random.below(2) === 0) {
      this.#channel = Channel.of(Struct, { key, lanes, laneCapacity }) as Channel<unknown, unknown>;
      this.#message = (bytes) => ({ bytes: [...bytes] });
    } else {
      this.#channel = Channel.openOrCreate({ key, ...this.#shape }) as Channel<unknown, unknown>;
      this.#message = (bytes) => bytes;
    }
    beginAt(this.#channel, random.of([0, -64, -laneCapacity, 0x7fffffc0, 8 * random.below(1000)]));
    this.#intruder = new Intruder(this.#channel.id, this.#shape, random);
    this.#consumer = this.#channel.consumer({ spin: 0 });
    this.#lanes = Array.from({ length: lanes }, () => ({
      producer: this.#channel.producer({ spin: 0 }),
      ...{ written: 0, published: 0, received: 0, settled: 0, spoiled: false },
    }));
  }

  [Symbol.dispose](): void {
    this.#intruder[Symbol.dispose]();
    this.#channel.remove();
    this.#channel.close();
  }

  // ---- operations and what may come of them

  #judge(name: string, kind: Kind, error: unknown): void {
    if (!(error instanceof ShmError)) throw error;
    assert((ALLOWED[kind] as readonly string[]).includes(error.code), `${name}: ${error.message}`);
    assert(!error.message.includes("\n"), error.message);
    assert.equal(error.lane !== undefined, error.code === "ECORRUPT", `${name}: ${error.message}`);
    const { lane } = error;
    if (lane !== undefined) assert(this.#lanes[lane]!.spoiled, `${name}: ${error.message}`);
    this.#counts.add(`error ${error.code}`);
  }

  /** Carries out one operation; `undefined` if it failed in a way it may. */
  #try<Result>(name: string, kind: Kind, operation: () => Result): Result | undefined {
    const net = Deadline.after(NET_MS);
    this.#counts.add(`operation ${name}`);
    try {
      return operation();
    } catch (error) {
      this.#judge(name, kind, error);
      return undefined;
    } finally {
      assert(!net.passed, `${name} took longer than ${NET_MS} ms`);
    }
  }

  /** The same for a promise. It has `spoil` happen while it may be asleep. */
  async #await(name: string, operation: () => Promise<unknown>, spoil: () => void): Promise<void> {
    const net = Deadline.after(NET_MS);
    this.#counts.add(`operation ${name}`);
    try {
      const result = operation();
      spoil();
      await result;
    } catch (error) {
      this.#judge(name, "wait", error);
    } finally {
      assert(!net.passed, `${name} took longer than ${NET_MS} ms`);
    }
  }

  #length(): number {
    const { laneCapacity, messageSize } = this.#shape;
    return messageSize !== 0
      ? messageSize
      : this.#random.below(Math.min(200, maxMessage(laneCapacity)) + 1);
  }

  /** Writes one message in some way; `write` says whether it is there, and published. */
  #write(
    lane: Lane,
    length: number,
    write: (bytes: Uint8Array<ArrayBuffer>, tag: number) => boolean,
  ): void {
    const tag = lane.written;
    if (write(payload(tag, length), tag)) lane.written++;
  }

  /** What was published is what was written. */
  #publishes(lane: Lane): void {
    lane.published = lane.written;
  }

  #send(lane: Lane): void {
    const { producer } = lane;
    if (!producer.isOpen) return;
    const length = this.#length();
    const timeout = this.#random.below(8) === 0 ? 1 : 0;
    this.#try("send", "wait", () => {
      switch (this.#random.below(6)) {
        case 0:
        case 1:
          return this.#write(lane, length, (bytes, tag) => {
            const done = producer.trySend(this.#message(bytes), { tag });
            if (done) lane.published = tag + 1;
            return done;
          });
        case 2:
          this.#write(lane, length, (bytes, tag) => producer.stage(this.#message(bytes), { tag }));
          if (this.#random.below(2) === 0) return;
          producer.publish();
          return this.#publishes(lane);
        case 3:
          return this.#write(lane, length, (bytes, tag) => {
            // What was staged goes out with it, whatever becomes of it
            lane.published = tag;
            const sent = producer.sendBatch([this.#message(bytes)], { tag });
            lane.published += sent;
            return sent === 1;
          });
        case 4:
          return this.#write(lane, length, (bytes, tag) => {
            // Staged messages are published before a wait for room
            lane.published = lane.written;
            producer.sendSync(this.#message(bytes), { tag, timeout });
            lane.published = tag + 1;
            return true;
          });
        default:
          return this.#write(lane, length, (bytes, tag) => {
            const reservation = producer.claim(length, { tag });
            if (reservation === undefined) return false;
            reservation.bytes.set(bytes);
            // In the midst of it too
            this.#spring();
            if (this.#random.below(3) === 0) {
              reservation.abort();
              return false;
            }
            reservation.commit();
            lane.published = tag + 1;
            return true;
          });
      }
    });
  }

  #spring(): void {
    const ambush = this.#ambush;
    this.#ambush = undefined;
    ambush?.();
  }

  /** Looks at a message: never out of bounds, and the expected one if the lane was not spoiled. */
  #check(bytes: Uint8Array, tag: number, number: number): void {
    const { laneCapacity, messageSize } = this.#shape;
    const lane = this.#lanes[number];
    assert(lane !== undefined, `lane ${number}`);
    assert(Number.isInteger(tag) && tag >= 0 && tag <= 0xffffffff, `tag ${tag}`);
    assert(bytes.length <= maxMessage(laneCapacity), `${bytes.length} bytes`);
    const { byteLength } = bytes.buffer;
    // A copy of its own, the piece of memory for small ones, or within the lane's ring
    if (byteLength !== bytes.length && byteLength !== SMALL) {
      const start = bytes.byteOffset - ringOffset(this.#shape, number);
      assert(start >= 0 && start + bytes.length <= laneCapacity, `bytes at ${start} of the ring`);
    }
    assert(messageSize === 0 || bytes.length === messageSize, `${bytes.length} bytes`);
    this.#counts.add("message");
    if (lane.spoiled) return;
    assert.equal(tag, lane.received, `lane ${number}: message`);
    assert(tag < lane.published, `lane ${number}: message ${tag} was not sent`);
    assert.deepEqual(bytes, payload(tag, bytes.length), `lane ${number}, message ${tag}`);
    this.#counts.add("message of a lane left alone");
  }

  #take(bytes: Uint8Array, tag: number, number: number): void {
    this.#check(bytes, tag, number);
    this.#lanes[number]!.received++;
  }

  /** What was handed out counts as received when more is asked for. */
  #settle(): void {
    for (const lane of this.#lanes) lane.settled = lane.received;
  }

  /** What is in hand comes again. */
  #putBack(): void {
    for (const lane of this.#lanes) lane.received = lane.settled;
  }

  #drain(): void {
    const random = this.#random;
    const ack = random.of(["before", "after"] as const);
    const max = random.below(2) === 0 ? 1 + random.below(5) : Infinity;
    const most = Math.min(max, this.#shape.lanes * this.#shape.laneCapacity / 8);
    const refused = random.below(8) === 0 ? random.below(4) : Infinity;
    let visits = 0;
    this.#settle();
    this.#try("drain", "use", () => {
      try {
        this.#consumer.drain((message, tag, lane) => {
          assert(++visits <= most, `a drain hands out more than ${most}`);
          if (visits > refused) throw NOT_NOW;
          this.#take(bytesOf(message), tag, lane);
          this.#spring();
        }, { ack, max });
      } catch (error) {
        if (error !== NOT_NOW) throw error;
      }
    });
    if (ack === "before") this.#settle();
  }

  #receive(): void {
    const random = this.#random;
    const consumer = this.#consumer;
    const ack = random.of(["before", "after"] as const);
    const timeout = random.below(8) === 0 ? 1 : 0;
    const until = random.below(4) === 0 ? { until: "closed" } as const : {};
    switch (random.below(7)) {
      case 0:
      case 1:
        this.#settle();
        return this.#try("receive", "wait", () => {
          const message = consumer.tryReceive({ ack });
          if (message !== undefined) this.#take(message.bytes, message.tag, message.lane);
          if (ack === "before") this.#settle();
        });
      case 2:
        this.#settle();
        return this.#try("receive", "wait", () => {
          const message = consumer.receiveSync({ ack, timeout, ...until });
          if (message !== undefined) this.#take(message.bytes, message.tag, message.lane);
          if (ack === "before") this.#settle();
        });
      case 3:
        this.#settle();
        this.#try("readySync", "wait", () => consumer.readySync({ timeout, ...until }));
        return;
      case 4:
        this.#try("nack", "use", () => consumer.nack());
        return this.#putBack();
      default:
        return this.#drain();
    }
  }

  /** Closes an end and opens it anew, which believes the memory. */
  #reopen(): void {
    if (this.#random.below(2) === 0) {
      this.#try("consumer", "use", () => {
        this.#putBack();
        this.#consumer.close();
        this.#consumer = this.#channel.consumer({ spin: 0 });
      });
      return;
    }
    // The first lane without an owner is the one that is given out
    if (this.#lanes.some(({ producer }) => !producer.isOpen)) return;
    this.#reopenLane(this.#random.below(this.#shape.lanes));
  }

  /** Whether the lane has an owner again. */
  #reopenLane(number: number): boolean {
    const lane = this.#lanes[number]!;
    return this.#try("producer", "use", () => {
      lane.producer.close();
      this.#publishes(lane);
      const producer = this.#channel.producer({ spin: 0 });
      // Where ours cannot be used, another one without an owner is given out
      const taken = this.#lanes[producer.lane]!;
      assert(!taken.producer.isOpen, `lane ${producer.lane} has two owners`);
      taken.producer = producer;
      return taken === lane;
    }) ?? false;
  }

  #look(): void {
    const { key, id } = this.#channel;
    switch (this.#random.below(6)) {
      case 0:
        this.#try("listChannels", "look", () => listChannels());
        return;
      case 1:
        this.#try("statChannel", "look", () => {
          statChannel(id);
          assert(this.#intruder.headerIsGood, "a header that was overwritten passes");
        });
        return;
      case 2:
      case 3: {
        const other = this.#try(
          "open",
          "open",
          () =>
            this.#random.below(2) === 0
              ? Channel.open(key, { timeout: 1 })
              : Channel.openOrCreate({ key, timeout: 1 }),
        );
        if (other === undefined) return;
        other.close();
        assert(this.#intruder.headerIsGood, "a header that was overwritten passes");
        return;
      }
      default:
        this.#try("stats", "use", () => {
          for (const lane of this.#channel.stats().lanes) {
            assert(lane.bytes >= 0 && lane.bytes <= this.#shape.laneCapacity);
            assert(lane.depth >= 0 && lane.messages >= 0);
          }
        });
    }
  }

  // ---- corruptions

  #corrupt(): void {
    const corruption = this.#intruder.corrupt(true);
    this.#counts.add(`corruption ${corruption.kind}`);
    this.#headerSpoiled ||= corruption.offset < 128;
    for (const lane of lanesOf(corruption, this.#shape)) this.#lanes[lane]!.spoiled = true;
    if (this.#random.below(6) === 0) this.#reverted = corruption;
  }

  /** A corruption that is taken back at the next opportunity. */
  #reverted: (Corruption & { readonly before: Uint8Array }) | undefined;

  #revert(): void {
    if (this.#reverted === undefined) return;
    this.#intruder.undo(this.#reverted, this.#reverted.before);
    this.#reverted = undefined;
    this.#counts.add("taken back");
  }

  #work(): void {
    const random = this.#random;
    switch (random.below(12)) {
      case 0:
        return this.#reopen();
      case 1:
        return this.#look();
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
        return this.#send(random.of(this.#lanes));
      default:
        return this.#receive();
    }
  }

  /** Peers work, memory is spoiled at some moment, they work on, and the channel is repaired. */
  async step(): Promise<void> {
    const random = this.#random;
    for (let i = random.below(8); i > 0; i--) this.#send(random.of(this.#lanes));
    for (let i = random.below(3); i > 0; i--) this.#receive();
    const moment = random.below(40);
    if (moment === 0) await this.#asleep();
    else if (moment < 10) this.#ambush = () => this.#corrupt();
    else this.#corrupt();
    for (let i = 1 + random.below(6); i > 0; i--) {
      this.#work();
      if (random.below(3) === 0) this.#revert();
    }
    this.#spring();
    this.#revert();
    this.#repair();
  }

  async #asleep(): Promise<void> {
    const random = this.#random;
    const lane = random.of(this.#lanes);
    const timeout = random.below(2) === 0 ? 1 : 5;
    const spoil = (): void => this.#corrupt();
    const who = random.below(4);
    // Only the consumer's own calls count as asking for more
    if (who < 3) this.#settle();
    switch (who) {
      case 0:
        return await this.#await("receive", async () => {
          const { bytes, tag, lane } = await this.#consumer.receive({ timeout });
          this.#take(bytes, tag, lane);
        }, spoil);
      case 1:
        return await this.#await("messages", async () => {
          for await (const { bytes, tag, lane } of this.#consumer.messages({ timeout })) {
            this.#take(bytes, tag, lane);
            this.#settle();
          }
        }, spoil);
      case 2:
        return await this.#await("ready", () => this.#consumer.ready({ timeout }), spoil);
      default:
        lane.spoiled = true;
        if (!lane.producer.isOpen) return;
        return await this.#await(
          "send",
          () => lane.producer.send(this.#message(payload(0, this.#length())), { timeout }),
          spoil,
        );
    }
  }

  // ---- the way out

  /** Discards what was spoiled. */
  #repair(): void {
    if (this.#headerSpoiled) this.#intruder.repairHeader();
    this.#headerSpoiled = false;
    for (const [number, lane] of this.#lanes.entries()) {
      if (lane.spoiled) this.#repairLane(number);
    }
    // With all lanes read and repaired a wait finds nothing wrong, and nothing to receive
    this.#settle();
    this.#consumer.drain((message, tag, lane) => this.#take(bytesOf(message), tag, lane));
    this.#settle();
    for (const [number, { received, published }] of this.#lanes.entries()) {
      assert.equal(received, published, `lane ${number} was left alone and lost messages`);
    }
    assert.throws(
      () => this.#consumer.readySync({ timeout: 0 }),
      (error) => error instanceof ShmError && error.code === "ETIMEDOUT",
    );
  }

  #repairLane(number: number): void {
    const lane = this.#lanes[number]!;
    for (let tries = 0; tries < 4; tries++) {
      this.#settle();
      if (lane.producer.isOpen) lane.producer.publish();
      // Its owner goes on from the tail in memory if it knows that something is wrong
      if (tries > 0) lane.producer.close();
      this.#consumer.discard(number);
      if (!lane.producer.isOpen) {
        assert(this.#reopenLane(number), `lane ${number} has no owner and cannot be taken`);
      }
      const went = this.#try(
        "send",
        "use",
        () => lane.producer.trySend(this.#message(payload(0, this.#shape.messageSize))),
      );
      if (went !== true || !this.#arrives(number)) continue;
      lane.written =
        lane.published =
        lane.received =
        lane.settled =
          0;
      lane.spoiled = false;
      this.#counts.add(
        tries === 0 ? "repaired by discard" : "repaired by discard and a new producer",
      );
      return;
    }
    assert.fail(`lane ${number} cannot be repaired`);
  }

  /** Whether one message comes out of the lane, and nothing else. */
  #arrives(number: number): boolean {
    let count = 0;
    // What cannot be is an error only where it is the first of its lane
    for (let looks = 0; looks < 2 * this.#shape.lanes; looks++) {
      try {
        this.#consumer.drain((message, tag, lane) => {
          if (lane === number) count++;
          else this.#take(bytesOf(message), tag, lane);
        });
      } catch (error) {
        this.#judge("drain", "use", error);
        if ((error as ShmError).lane === number) return false;
      }
    }
    return count === 1;
  }
}

/** How long it goes on. */
export interface FuzzOptions {
  readonly corruptions: number;
  readonly seed: number;
  /** Told now and then how many there were. */
  readonly progress?: (corruptions: number) => void;
}

/** Corrupts channels as often as that, and fails with the seed at the first thing that is not right. */
export async function fuzzChannels(
  { corruptions, seed, progress }: FuzzOptions,
): Promise<Counts> {
  const counts = new Counts();
  let done = 0;
  while (done < corruptions) {
    // Each channel has a seed of its own, so that one is soon repeated
    const own = seed + done;
    try {
      using world = new World(new Random(own), counts);
      counts.add("channel");
      for (let i = 0; i < CORRUPTIONS_A_CHANNEL && done < corruptions; i++) {
        const before = counts.sum("corruption ");
        await world.step();
        done += counts.sum("corruption ") - before;
      }
    } catch (error) {
      throw new Error(`seed ${own}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
    progress?.(done);
  }
  return counts;
}

/** What there was, a line for each sort of thing. */
export function summary(counts: Counts): string {
  const line = (title: string, prefix: string): string =>
    `${title} ${counts.sum(prefix)}: ` +
    counts.entries(prefix).map(([name, count]) => `${name} ${count}`).join(", ");
  const outcomes = ["repaired by discard", "repaired by discard and a new producer"];
  const of = (name: string): number => counts.entries("").find(([each]) => each === name)?.[1] ?? 0;
  return [
    line("corruptions", "corruption "),
    line("operations", "operation "),
    line("errors", "error "),
    `messages ${of("message")}, of lanes left alone ${of("message of a lane left alone")}`,
    `channels ${of("channel")}; taken back ${of("taken back")}; ` +
    outcomes.map((name) => `${name} ${of(name)}`).join(", "),
  ].join("\n");
}
