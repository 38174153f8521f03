/** Sending: with room, without room, in order, given up, refused. */

import assert from "node:assert/strict";
import {
  array,
  Channel,
  type Producer,
  removeSegment,
  SemaphoreSet,
  ShmError,
  struct,
  u8,
} from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { LANE_WORD } from "../../src/channel/lane_words.ts";
import { byte, drained, fill, scratchChannel, SOON, withLaneWords } from "./scratch_channel.ts";

guardAgainstLeaks();

/** Records of one byte that fit into the usual lane of these tests. */
const FIT = 16;

Deno.test("Producer.trySend returns false when the lane is full, and there is room again after receiving", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  assert.equal(fill(producer), FIT);
  assert.equal(producer.stage(byte(0)), false);
  assert.equal(producer.claim(0), undefined);
  assert.equal(producer.sendBatch([byte(0)]), 0);
  assert.equal(drained(consumer, 1)[0], 0);
  assert(producer.trySend(byte(99)));
  assert.equal(producer.trySend(byte(100)), false);
  assert.deepEqual(drained(consumer), [...Array(FIT - 1).keys()].map((i) => i + 1).concat(99));
});

Deno.test("Producer: a message that is too large is refused with the limit, in every way of sending", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  const large = new Uint8Array(channel.maxMessage + 1);
  const error = {
    name: "RangeError",
    message: "a message of 121 bytes is too large: a lane of 256 bytes takes at most 120; create " +
      "the channel with a larger laneCapacity, or send it in pieces",
  };
  assert.equal(channel.maxMessage, 120);
  assert.throws(() => producer.trySend(large), error);
  assert.throws(() => producer.stage(large), error);
  assert.throws(() => producer.sendSync(large), error);
  assert.throws(() => producer.claim(large.length), error);
  assert.throws(() => producer.sendBatch([large]), error);
  await assert.rejects(producer.send(large), error);
  assert.throws(() => producer.claim(-1), RangeError);
  assert.throws(() => producer.claim(1.5), /length 1.5 is not an integer/);
  assert.throws(() => producer.claim(NaN), RangeError);
  for (const tag of [-1, 2 ** 32, 0.5, NaN]) {
    assert.throws(() => producer.trySend(byte(1), { tag }), /tag .* is not an integer/);
  }
});

Deno.test("Producer.trySend: messages of every length, with the smallest and largest tag, arrive as they were", () => {
  using channel = scratchChannel({ laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  for (let length = 0; length <= channel.maxMessage; length++) {
    const tag = length % 2 === 0 ? 0 : 0xffffffff;
    // Unaligned in its buffer
    const bytes = new Uint8Array(length + 3).map((_, i) => i * 7 + length).subarray(3);
    assert(producer.trySend(bytes, { tag }));
    const received = consumer.tryReceive({ ack: "before" });
    assert.deepEqual({ ...received }, { bytes: new Uint8Array(bytes), tag, lane: 0 });
    assert(producer.trySend(bytes, { tag }));
    consumer.drain((got, gotTag) => assert.deepEqual([got, gotTag], [bytes, tag]));
  }
});

Deno.test("Producer: every way of sending takes its tag as { tag }, and a number is a TypeError", async () => {
  using channel = scratchChannel({ messageSize: 8, lanes: 2 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const bytes = new Uint8Array(8);
  using ofStructs = Channel.of(struct({ bytes: array(u8, 8) }), {
    key: channel.key,
    lanes: 2,
    laneCapacity: 256,
  });
  using typed = ofStructs.producer();
  const options = { tag: 7 };
  const ways: Readonly<Record<string, (options?: { tag?: number }) => unknown>> = {
    trySend: (options) => producer.trySend(bytes, options),
    stage: (options) => producer.stage(bytes, options),
    sendBatch: (options) => producer.sendBatch([bytes], options),
    sendSync: (options) => producer.sendSync(bytes, options),
    send: (options) => producer.send(bytes, options),
    claim: (options) => producer.claim(8, options)?.commit(),
    "typed trySend": (options) => typed.trySend({ bytes: [...bytes] }, options),
    "typed stage": (options) => typed.stage({ bytes: [...bytes] }, options),
    "typed sendSync": (options) => typed.sendSync({ bytes: [...bytes] }, options),
    "typed send": (options) => typed.send({ bytes: [...bytes] }, options),
    "typed sendBatch": (options) => typed.sendBatch([{ bytes: [...bytes] }], options),
    "typed claim": (options) => typed.claim(8, options)?.commit(),
  };
  for (const [name, send] of Object.entries(ways)) {
    for (const [given, expected] of [[options, 7], [{}, 0], [undefined, 0]] as const) {
      await send(given);
      producer.publish();
      typed.publish();
      const tags: number[] = [];
      consumer.drain((_, tag) => tags.push(tag));
      assert.deepEqual(tags, [expected], name);
    }
    for (const wrong of [7, null, "7"]) {
      const error = {
        name: "TypeError",
        message: /^"options" takes a plain object with tag.*, got (7|null|"7")$/,
      };
      await assert.rejects(async () => await send(wrong as never), error, name);
    }
    assert.equal(consumer.tryReceive(), undefined, name);
  }
});

Deno.test("Producer: the same array is sent with the bytes it has at each call", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const payload = new Uint8Array(11);
  for (let i = 0; i < 6; i++) {
    payload.fill(i);
    assert(producer.trySend(payload));
  }
  assert.deepEqual(drained(consumer), [0, 1, 2, 3, 4, 5]);
});

Deno.test("Producer.scratch: one array for a length, sent with the bytes it has at each call, by every method", async () => {
  using channel = scratchChannel({ laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const ways: ((bytes: Uint8Array) => unknown)[] = [
    (bytes) => producer.trySend(bytes),
    (bytes) => producer.stage(bytes),
    (bytes) => producer.sendBatch([bytes]),
    (bytes) => producer.sendSync(bytes),
    (bytes) => producer.send(bytes),
  ];
  for (let length = 0; length <= 256; length++) {
    const bytes = producer.scratch(length);
    assert.equal(bytes.length, length);
    assert.equal(producer.scratch(length), bytes);
    const expected = ways.map((_, way) => new Uint8Array(length).fill(way + length));
    for (const [way, send] of ways.entries()) {
      bytes.fill(way + length);
      await send(bytes);
    }
    bytes.fill(0xff);
    const received: Uint8Array[] = [];
    consumer.drain((bytes) => received.push(bytes.slice()));
    assert.deepEqual(received, expected, `${length} bytes`);
  }
  assert.throws(() => producer.scratch(257), RangeError);
});

Deno.test("Producer.scratch: an array that was transferred away is refused, and the next one is another", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const bytes = producer.scratch(8);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  assert.throws(() => producer.trySend(bytes), /takes memory that is there/);
  const next = producer.scratch(8).fill(5);
  assert(producer.trySend(next));
  assert.deepEqual(consumer.tryReceive({ ack: "before" })?.bytes, new Uint8Array(8).fill(5));
});

Deno.test("Producer.send: bytes of scratch that are written while it waits are sent as they are then", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  fill(producer);
  const bytes = producer.scratch(1);
  bytes[0] = 1;
  const sent = producer.send(bytes, { timeout: SOON });
  bytes[0] = 2;
  drained(consumer);
  await sent;
  assert.deepEqual(drained(consumer), [2]);
});

Deno.test("Producer: an array that claims another length than it has is sent with its own", () => {
  class Liar extends Uint8Array {
    said = 20;
    override get length(): number {
      return this.said;
    }
  }
  const own = (bytes: Uint8Array, value: unknown): Uint8Array =>
    Object.defineProperty(bytes, "length", { value });
  for (const real of [1, 8, 40, 100]) {
    for (const said of [0, 1, 20, 1000, -1, NaN, "8"]) {
      using channel = scratchChannel();
      using producer = channel.producer();
      using consumer = channel.consumer();
      // Messages lie behind the only place that is free
      while (producer.trySend(new Uint8Array(56).fill(7)));
      consumer.drain(() => {}, { max: 2 });
      const liars = [own(new Uint8Array(real).fill(9), said)];
      if (typeof said === "number") liars.push(new Liar(real).fill(9));
      for (const liar of liars) if (liar instanceof Liar) liar.said = said as number;
      let sent = 0;
      for (const liar of liars) if (producer.trySend(liar)) sent++;
      const received: Uint8Array[] = [];
      consumer.drain((bytes) => received.push(bytes.slice()));
      assert(sent > 0);
      assert.deepEqual(received, [
        ...Array.from({ length: 2 }, () => new Uint8Array(56).fill(7)),
        ...Array.from({ length: sent }, () => new Uint8Array(real).fill(9)),
      ], `${real} bytes that say ${said}`);
    }
  }
});

Deno.test("Producer: an object that looks like an array is refused", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const get = (target: Uint8Array, name: string | symbol): unknown =>
    name === "length" ? 20 : Reflect.get(target, name);
  const stranger = new Proxy(new Uint8Array(100), { get });
  const heir = Object.create(new Uint8Array(8), { length: { value: 8 } });
  const taken = Object.defineProperty(new Uint8Array(8), "length", { value: 8 });
  structuredClone(taken, { transfer: [taken.buffer] });
  for (const wrong of [stranger, heir, taken]) {
    assert.throws(() => producer.trySend(wrong), TypeError);
    assert.throws(() => producer.sendBatch([wrong]), TypeError);
    assert.throws(() => producer.sendSync(wrong), TypeError);
  }
  assert.equal(consumer.tryReceive(), undefined);
});

Deno.test("Producer.sendBatch sends as many as there is room for, and none if one is refused", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const many = Array.from({ length: FIT + 5 }, (_, i) => byte(i));
  assert.equal(producer.sendBatch(many, { tag: 7 }), FIT);
  assert.equal(consumer.drain((_, tag) => assert.equal(tag, 7)), FIT);
  // Twice round the ring, so that each place in it has been the one where the batch fails
  for (let i = 0; i < 2 * FIT; i++) {
    assert(producer.stage(byte(9)));
    for (const faulty of [new Uint8Array(999), "abc" as never]) {
      const batch = [byte(1), byte(2), faulty, byte(3)];
      assert.throws(() => producer.sendBatch(batch), {
        message: /999 bytes|"messages\[2\]" takes/,
      });
    }
    producer.publish();
    assert.deepEqual(drained(consumer), [9]);
  }
  assert.equal(producer.sendBatch([]), 0);
});

Deno.test("Producer.stage: messages are seen when they are published: by publish, by a send, and by close", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  const ways: ((producer: Producer) => unknown)[] = [
    (producer) => producer.publish(),
    (producer) => producer.trySend(byte(2)),
    (producer) => producer.sendSync(byte(2)),
    (producer) => producer.send(byte(2)),
    (producer) => producer.sendBatch([]),
    (producer) => producer.claim(1)!.commit(),
    (producer) => producer.close(),
  ];
  for (const publish of ways) {
    using producer = channel.producer();
    assert(producer.stage(byte(1)));
    assert.deepEqual(drained(consumer), []);
    await publish(producer);
    assert.equal(drained(consumer)[0], 1, String(publish));
  }
});

Deno.test("Producer.sendSync: waiting for room publishes the staged messages", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  for (let i = 0; i < FIT; i++) producer.stage(byte(i));
  const sending = producer.send(byte(99), { timeout: SOON });
  assert.equal(drained(consumer).length, FIT);
  await sending;
  assert.deepEqual(drained(consumer), [99]);
});

Deno.test("Producer.send: several that wait keep their order, and no other send overtakes them", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  fill(producer);
  const done: number[] = [];
  const sends = [101, 102, 103].map((value) =>
    producer.send(byte(value), { timeout: SOON }).then(() => done.push(value))
  );
  drained(consumer);
  assert.equal(producer.trySend(byte(1)), false, "trySend overtook a send");
  assert.equal(producer.stage(byte(1)), false);
  assert.equal(producer.claim(1), undefined);
  assert.equal(producer.sendBatch([byte(1)]), 0);
  assert.throws(() => producer.sendSync(byte(1)), {
    code: "EBUSY",
    message: /a send\(\) of this producer is waiting: await it first/,
  });
  await Promise.all(sends);
  assert.deepEqual(done, [101, 102, 103]);
  assert.deepEqual(drained(consumer), [101, 102, 103]);
  assert(producer.trySend(byte(1)));
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Producer.send: ends by its signal and its timeout, waiting and queued", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  const there = fill(producer);
  const first = new AbortController();
  const second = new AbortController();
  const sends = [
    producer.send(byte(1), { signal: first.signal }),
    producer.send(byte(2), { signal: second.signal }),
    producer.send(byte(3), { timeout: 5 }),
    producer.send(byte(4), { timeout: SOON }),
  ];
  second.abort(new Error("queued"));
  await assert.rejects(sends[1]!, /queued/);
  await assert.rejects(sends[2]!, {
    code: "ETIMEDOUT",
    message: new RegExp(`the consumer, process ${Deno.pid}, did not make room in time`),
  });
  first.abort(new Error("waiting"));
  await assert.rejects(sends[0]!, /waiting/);
  await assert.rejects(producer.send(byte(5), { signal: first.signal }), /waiting/);
  assert.equal(drained(consumer).length, there);
  await sends[3];
  assert.deepEqual(drained(consumer), [4], "only what was not given up was sent");
});

Deno.test("Producer.sendSync: times out, and nothing was sent", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  const there = fill(producer);
  const options = { timeout: 5 };
  assert.throws(() => producer.sendSync(byte(1), options), {
    code: "ETIMEDOUT",
    message: /lane 0 is full and there is no consumer: start one/,
  });
  assert.equal(channel.stats().lanes[0]!.fullWaits, 1);
  using consumer = channel.consumer();
  assert.equal(drained(consumer).length, there);
  producer.sendSync(byte(9), options);
  assert.deepEqual(drained(consumer), [9], "room beats a deadline that has passed");
});

Deno.test("Producer.sendSync: without a consumer it waits or fails, as the option says", async () => {
  using channel = scratchChannel({ lanes: 2 });
  assert.throws(
    () => channel.producer({ withoutConsumer: "sometimes" as "wait" }),
    /"options.withoutConsumer" takes "wait" or "error", got "sometimes"/,
  );
  assert.throws(() => channel.producer({ spin: -1 }), /spin -1 is not from 0 to 1000000/);
  using failing = channel.producer({ withoutConsumer: "error" });
  assert.equal(failing.lane, 0, "a producer that could not be made gave its lane back");
  using waiting = channel.producer({ spin: 0 });
  fill(failing);
  fill(waiting);
  const error = { code: "EPIPE", message: /the lane is full and there is no consumer/ };
  assert.throws(() => failing.sendSync(byte(1)), error);
  await assert.rejects(failing.send(byte(1)), error);
  const sending = waiting.send(byte(98), { timeout: SOON });
  using consumer = channel.consumer();
  const sendingToo = failing.send(byte(99), { timeout: SOON });
  assert.equal(drained(consumer).length, 2 * FIT);
  await Promise.all([sending, sendingToo]);
  assert.deepEqual(drained(consumer).sort(), [98, 99]);
});

Deno.test("Producer.close ends the sends that wait, and those that wait for their turn", async () => {
  for (const whole of [true, false]) {
    using channel = scratchChannel();
    using producer = channel.producer({ spin: 0 });
    using consumer = channel.consumer();
    fill(producer);
    const sends = [1, 2].map((value) => producer.send(byte(value)));
    const failed = Promise.all(
      sends.map((send) =>
        assert.rejects(send, { code: "EDETACHED", message: /it was closed: open it again/ })
      ),
    );
    if (whole) drained(consumer);
    // What woke the first send must not let it send after this
    if (whole) channel.close();
    else producer.close();
    await failed;
    if (!whole) assert.equal(drained(consumer).length, FIT);
  }
});

Deno.test("Producer.claim: nothing else is sent until the reservation is committed or aborted", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const reservation = producer.claim(4, { tag: 5 })!;
  assert.equal(reservation.bytes.length, 4);
  const busy = { code: "EBUSY", message: /a reservation is open: commit or abort it first/ };
  assert.throws(() => producer.trySend(byte(1)), busy);
  assert.throws(() => producer.stage(byte(1)), busy);
  assert.throws(() => producer.sendSync(byte(1)), busy);
  assert.throws(() => producer.sendBatch([byte(1)]), busy);
  assert.throws(() => producer.claim(1), busy);
  await assert.rejects(producer.send(byte(1)), busy);
  reservation.abort();
  assert(producer.trySend(byte(1)));
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Producer.close: every call fails after it, and closing again does nothing", async () => {
  using channel = scratchChannel();
  const producer = channel.producer();
  const reservation = producer.claim(1)!;
  producer.close();
  producer.close();
  assert.equal(producer.isOpen, false);
  const closed = { code: "EDETACHED", message: /use the producer.*it was closed: open it again/ };
  assert.throws(() => producer.trySend(byte(1)), closed);
  assert.throws(() => producer.publish(), closed);
  assert.throws(() => producer.sendBatch([byte(1)]), closed);
  assert.throws(() => producer.claim(1), closed);
  await assert.rejects(producer.send(byte(1)), closed);
  assert.throws(() => reservation.commit(), { code: "EBUSY" });
  const { opened, closed: count, alive } = channel.stats().lanes[0]!;
  assert.deepEqual([opened, count, alive], [1, 1, false]);
});

Deno.test("Producer: impossible positions are found when it is opened, looks for room, and waits", async () => {
  using channel = scratchChannel();
  const set = (word: number, value: number): void =>
    withLaneWords(channel, 0, (words) => {
      words[word] = value;
    });
  {
    using producer = channel.producer({ spin: 0 });
    fill(producer);
    set(LANE_WORD.HEAD, 8 * 1000);
    assert.throws(() => producer.trySend(byte(1)), {
      code: "ECORRUPT",
      message: /lane 0: its head is 8000 and its tail 256; another program writes into this memory/,
    });
    assert.throws(() => channel.consumer().tryReceive(), { code: "ECORRUPT" });
    set(LANE_WORD.HEAD, 0);
    set(LANE_WORD.TAIL, 248);
    await assert.rejects(producer.send(byte(1)), {
      code: "ECORRUPT",
      message: /its tail is 248 where we wrote 256/,
    });
  }
  set(LANE_WORD.TAIL, 4);
  assert.throws(() => channel.producer(), { code: "ECORRUPT" });
  assert.equal(channel.stats().lanes[0]!.alive, false, "the lane was given back");
  set(LANE_WORD.TAIL, 0);
});

Deno.test("Producer.send: a wait notices that the channel was removed", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  channel.remove();
  assert.equal(fill(producer), FIT, "while there is room it goes on");
  const error = {
    code: "EIDRM",
    message: /go on using the channel.*its segment was removed while in use/,
  };
  assert.throws(() => producer.sendSync(byte(1)), error);
  await assert.rejects(producer.send(byte(1)), error);
});

Deno.test("Producer: a send that waits notices that the semaphore set was removed, or the segment", async () => {
  for (const what of ["segment", "semaphore set"]) {
    const channel = scratchChannel();
    const set = SemaphoreSet.open(channel.key);
    const producer = channel.producer({ spin: 0 });
    fill(producer);
    const error = {
      code: "EIDRM",
      message: new RegExp(`its ${what} was removed while in use`),
    };
    const waiting = assert.rejects(producer.send(byte(1)), error);
    if (what === "segment") removeSegment(channel.id);
    else set.remove();
    await waiting;
    assert.throws(() => producer.sendSync(byte(1)), error);
    await assert.rejects(producer.send(byte(1)), error);
    if (what === "semaphore set") assert.throws(() => channel.consumer(), error);
    producer.close();
    channel.close();
    set.remove();
    if (what === "semaphore set") removeSegment(channel.id);
  }
});

Deno.test("Channel.producer: a free lane with impossible words is skipped, and its role released", () => {
  const { TAIL, HEAD } = LANE_WORD;
  for (const [tail, head] of [[4, 0], [12, 4], [0, 4], [512, 0], [0, 512]]) {
    using channel = scratchChannel({ lanes: 3 });
    for (const lane of [0, 1]) {
      withLaneWords(channel, lane, (words) => {
        words[TAIL] = tail!;
        words[HEAD] = head!;
      });
    }
    const alive = (): boolean[] => channel.stats().lanes.map((lane) => lane.alive);
    using producer = channel.producer();
    assert.equal(producer.lane, 2);
    assert.deepEqual(alive(), [false, false, true]);
    // Of those that have no owner, none is left that could be taken
    assert.throws(() => channel.producer(), (error) => {
      assert(error instanceof ShmError);
      assert.match(`${error.code} ${error.lane}`, /^ECORRUPT [01]$/);
      return true;
    });
    assert.deepEqual(alive(), [false, false, true]);
    withLaneWords(channel, 0, (words) => words[TAIL] = words[HEAD] = 0);
    using repaired = channel.producer();
    assert.equal(repaired.lane, 0);
    withLaneWords(channel, 1, (words) => words[TAIL] = words[HEAD] = 0);
    using last = channel.producer();
    assert.equal(last.lane, 1);
    assert.throws(() => channel.producer(), { code: "EBUSY" });
  }
});
