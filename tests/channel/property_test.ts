/**
 * Random schedules over tiny rings against plain queues: whatever is claimed, committed, given up,
 * staged, drained, put back, closed and opened again, each message comes once, whole and in order, and
 * there is room exactly when the wire format says so. Positions begin near 2^31 and 2^32 too.
 */

import assert from "node:assert/strict";
import { Channel, type Consumer, type Producer } from "../../mod.ts";
import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { beginAt } from "./scratch_channel.ts";

guardAgainstLeaks();

const SCHEDULES = 3_000;
const STEPS = 60;

/** A message as it was sent. */
interface Sent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: number;
  /** The position of its record, behind the padding there may be. */
  readonly start: number;
  /** The position behind its record. */
  readonly end: number;
}

/** What a lane must be like; positions are counted from where it began, without end. */
class LaneModel {
  head: number;
  tail: number;
  published: number;
  sent: number;
  /** Published and not given back, the first `handed` of them handed out. */
  queue: Sent[] = [];
  handed = 0;
  /** What was handed out ends here, with the padding behind it if that was passed over. */
  #passed: number;
  staged: Sent[] = [];
  readonly #capacity: number;

  constructor(position: number, messages: number, capacity: number) {
    this.head =
      this.tail =
      this.published =
      this.#passed =
        position;
    this.sent = messages;
    this.#capacity = capacity;
  }

  /** The next record's place; `undefined` if there is no room for it. */
  place(length: number): { readonly start: number; readonly end: number } | undefined {
    const size = 8 + Math.ceil(length / 8) * 8;
    const index = this.tail % this.#capacity;
    const padding = index + size > this.#capacity ? this.#capacity - index : 0;
    const start = this.tail + padding;
    const end = start + size;
    return end - this.head <= this.#capacity ? { start, end } : undefined;
  }

  stage(bytes: Uint8Array<ArrayBuffer>, tag: number): boolean {
    const place = this.place(bytes.length);
    if (place === undefined) return false;
    this.staged.push({ bytes: bytes.slice(), tag, ...place });
    this.tail = place.end;
    return true;
  }

  publish(): void {
    this.sent += this.staged.length;
    this.queue.push(...this.staged.splice(0));
    this.published = this.tail;
  }

  settle(): void {
    this.queue.splice(0, this.handed);
    this.head = this.#passed;
    this.handed = 0;
  }

  /** What was handed out comes again. */
  nack(): void {
    this.#passed = this.head;
    this.handed = 0;
  }

  /** The next message was looked at and not taken: the padding before it is behind us. */
  refuse(): void {
    this.#passed = this.queue[this.handed]!.start;
  }

  /** Checks a message that is handed out. */
  hand(bytes: Uint8Array, tag: number): void {
    const expected = this.queue[this.handed++];
    assert(expected !== undefined, "a message that was not sent");
    this.#passed = expected.end;
    assert.equal(tag, expected.tag);
    assert.equal(bytes.length, expected.bytes.length);
    assert(bytes.every((byte, i) => byte === expected.bytes[i]), "another payload");
  }
}

/** One channel, its peers, and what they must be like. */
class Schedule {
  readonly #random: Random;
  readonly #channel: Channel;
  readonly #capacity: number;
  readonly #lanes: LaneModel[];
  readonly #producers: (Producer | undefined)[];
  #consumer: Consumer;

  constructor(random: Random, key: number) {
    this.#random = random;
    const lanes = 1 + random.below(3);
    this.#capacity = random.of([64, 128, 256, 512]);
    this.#channel = Channel.openOrCreate({ key, lanes, laneCapacity: this.#capacity });
    const limit = random.of([0, 2 ** 31, 2 ** 32]);
    const position = limit === 0 ? 0 : limit - 8 * (1 + random.below(this.#capacity / 4));
    const messages = random.of([0, 2 ** 32 - 3]);
    beginAt(this.#channel, position, messages);
    this.#lanes = Array.from(
      { length: lanes },
      () => new LaneModel(position, messages, this.#capacity),
    );
    this.#producers = this.#lanes.map(() => this.#channel.producer());
    this.#consumer = this.#channel.consumer();
  }

  #length(): number {
    const most = this.#capacity / 2 - 8;
    const some = this.#random.below(most + 1);
    return this.#random.of([0, 1, some, some, some, most, Math.min(64, most)]);
  }

  #message(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#length()).map(() => this.#random.below(256));
  }

  /** The same bytes as a program has them: in an array of its own, or in one the producer gives. */
  #given(producer: Producer, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (bytes.length > 256 || this.#random.below(2) === 0) return bytes;
    const scratch = producer.scratch(bytes.length);
    scratch.set(bytes);
    return scratch;
  }

  #tag(): number {
    return this.#random.of([0, 0xffffffff, this.#random.bits()]);
  }

  #produce(): void {
    const random = this.#random;
    const lane = random.below(this.#lanes.length);
    const model = this.#lanes[lane]!;
    const producer = this.#producers[lane];
    if (producer === undefined) {
      const opened = this.#channel.producer();
      assert.equal(opened.lane, this.#producers.indexOf(undefined), "not the first free lane");
      this.#producers[opened.lane] = opened;
      return;
    }
    const tag = this.#tag();
    const bytes = this.#message();
    switch (random.below(8)) {
      case 0:
      case 1: {
        const fits = model.stage(bytes, tag);
        assert.equal(producer.trySend(this.#given(producer, bytes), { tag }), fits);
        if (fits) model.publish();
        break;
      }
      case 2:
        assert.equal(
          producer.stage(this.#given(producer, bytes), { tag }),
          model.stage(bytes, tag),
        );
        break;
      case 3:
        producer.publish();
        model.publish();
        break;
      case 4: {
        const reservation = producer.claim(bytes.length, { tag });
        assert.equal(reservation !== undefined, model.place(bytes.length) !== undefined);
        if (reservation === undefined) break;
        reservation.bytes.set(bytes);
        reservation.commit();
        model.stage(bytes, tag);
        model.publish();
        break;
      }
      case 5: {
        using reservation = producer.claim(bytes.length, { tag });
        assert.equal(reservation !== undefined, model.place(bytes.length) !== undefined);
        reservation?.bytes.fill(0xee);
        break;
      }
      case 6: {
        const messages = Array.from({ length: random.below(5) }, () => this.#message());
        let fit = 0;
        while (fit < messages.length && model.stage(messages[fit]!, tag)) fit++;
        assert.equal(producer.sendBatch(messages, { tag }), fit);
        model.publish();
        break;
      }
      case 7:
        producer.close();
        model.publish();
        this.#producers[lane] = undefined;
    }
  }

  #settle(): void {
    for (const model of this.#lanes) model.settle();
  }

  #there(): number {
    return this.#lanes.reduce((sum, { queue, handed }) => sum + queue.length - handed, 0);
  }

  #consume(): void {
    const random = this.#random;
    const consumer = this.#consumer;
    const ack = random.of(["before", "after"] as const);
    switch (random.below(8)) {
      case 0:
      case 1: {
        this.#settle();
        const message = consumer.tryReceive({ ack });
        if (message === undefined) {
          assert.equal(this.#there(), 0, "nothing was received, and there was something");
          break;
        }
        this.#lanes[message.lane]!.hand(message.bytes, message.tag);
        if (ack === "before") this.#settle();
        break;
      }
      case 2:
      case 3: {
        this.#settle();
        const max = random.of([1, 2, 3, Infinity]);
        const expected = Math.min(max, this.#there());
        const count = consumer.drain(
          (bytes, tag, lane) => this.#lanes[lane]!.hand(bytes, tag),
          { max, ack },
        );
        assert.equal(count, expected);
        if (ack === "before") this.#settle();
        break;
      }
      case 4: {
        this.#settle();
        let left = random.below(4);
        const visit = (bytes: Uint8Array, tag: number, lane: number): void => {
          if (left-- === 0) {
            this.#lanes[lane]!.refuse();
            throw new RangeError("enough");
          }
          this.#lanes[lane]!.hand(bytes, tag);
        };
        const enough = this.#there() <= left;
        if (enough) consumer.drain(visit, { ack });
        else assert.throws(() => consumer.drain(visit, { ack }), /enough/);
        if (ack === "before") this.#settle();
        break;
      }
      case 5:
        consumer.nack();
        for (const model of this.#lanes) model.nack();
        break;
      case 6:
        consumer.close();
        for (const model of this.#lanes) model.nack();
        this.#consumer = this.#channel.consumer();
        break;
      case 7:
        consumer.ack();
        this.#settle();
    }
  }

  #checkStats(): void {
    for (const [lane, stat] of this.#channel.stats().lanes.entries()) {
      const { queue, sent, published, head } = this.#lanes[lane]!;
      assert.deepEqual([stat.depth, stat.messages, stat.bytes], [
        queue.length,
        sent,
        published - head,
      ]);
    }
  }

  run(): void {
    try {
      for (let step = 0; step < STEPS; step++) {
        if (this.#random.below(2) === 0) this.#produce();
        else this.#consume();
        if (this.#random.below(8) === 0) this.#checkStats();
      }
      for (const producer of this.#producers) producer?.close();
      for (const model of this.#lanes) model.publish();
      this.#settle();
      const left = this.#there();
      assert.equal(this.#consumer.drain((b, tag, lane) => this.#lanes[lane]!.hand(b, tag)), left);
      this.#settle();
      this.#checkStats();
      assert.equal(this.#channel.close(), "removed");
    } finally {
      if (this.#channel.isOpen) {
        this.#channel.remove();
        this.#channel.close();
      }
    }
  }
}

Deno.test("Channel: random schedules over tiny rings behave as plain queues", () => {
  const first = seed();
  const key = freshKey();
  for (let i = 0; i < SCHEDULES; i++) {
    try {
      new Schedule(new Random(first + i), key).run();
    } catch (cause) {
      throw new Error(`with SYSV_SHM_TEST_SEED=${first + i}`, { cause });
    }
  }
});
