/** Channels of structs: `Channel.of`, and all that its producers and its consumer do with a struct. */

import assert from "node:assert/strict";
import {
  array,
  Channel,
  cString,
  f64,
  i32,
  i64,
  parseStruct,
  struct,
  u8,
  union,
} from "../../mod.ts";
import { flexible } from "../../src/layout/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { SOON, withLaneWords } from "./scratch_channel.ts";

guardAgainstLeaks();

const Point = struct({ id: i32, x: f64, y: f64 });
const Large = struct({ sequence: i64, bytes: array(u8, 300) });

Deno.test("Channel.of: structs arrive as they were, in every way of sending and receiving", async () => {
  using channel = Channel.of(Point, { key: freshKey(), lanes: 2, laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const point = { id: 0, x: 1.5, y: -2 };
  assert(producer.trySend({ ...point, id: 1 }, { tag: 7 }));
  assert(producer.stage({ ...point, id: 2 }));
  producer.publish();
  producer.sendSync({ ...point, id: 3 }, { tag: 8 });
  await producer.send({ ...point, id: 4 });
  producer.sendSync({ ...point, id: 5 });
  const first = consumer.tryReceive()!;
  assert.deepEqual([first.value.id, first.value.x, first.value.y, first.tag, first.lane], [
    1,
    1.5,
    -2,
    7,
    producer.lane,
  ]);
  assert.equal((await consumer.receive()).value.id, 2);
  assert.equal(consumer.receiveSync().value.id, 3);
  assert(await consumer.ready() && consumer.readySync());
  const ids: number[] = [];
  assert.equal(consumer.drain(({ id }) => ids.push(id), { max: 1 }), 1);
  producer.close();
  for await (const { value } of consumer.messages({ until: "closed" })) ids.push(value.id);
  assert.deepEqual(ids, [4, 5]);
  assert.equal(first.value.id, 1, "each message received is a copy of its own");
  assert.equal(channel.stats().messageSize, 24);
});

Deno.test("Channel.of: large structs arrive as they were", () => {
  using channel = Channel.of(Large, { key: freshKey(), laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  for (let i = 0; i < 10; i++) {
    const sequence = 2n ** 60n + BigInt(i);
    assert(producer.trySend({ sequence, bytes: new Array(300).fill(i) }));
    assert.equal(
      consumer.drain((value) => {
        assert.equal(value.sequence, sequence);
        assert.equal(value.bytes[299], i);
      }),
      1,
    );
  }
});

Deno.test("Producer.trySend: a value that a field cannot hold is an error, and nothing is sent", async () => {
  using channel = Channel.of(Point, { key: freshKey(), laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  assert.throws(() => producer.trySend({ id: 2 ** 40, x: 0, y: 0 }), RangeError);
  assert.throws(() => producer.sendSync({ id: "1" as unknown as number, x: 0, y: 0 }), TypeError);
  assert.equal(consumer.tryReceive(), undefined);
  await Promise.resolve();
});

Deno.test("Producer.trySend: whether a text is accepted does not depend on the message before", () => {
  const Named = struct({ name: cString(4), id: i32 });
  using channel = Channel.of(Named, { key: freshKey(), laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const refused = (): void =>
    assert.throws(() => producer.trySend({ name: "abcd", id: 1 }), RangeError);
  refused();
  producer.trySend({ name: new TextEncoder().encode("abcd"), id: 2 });
  refused();
  const received: unknown[] = [];
  consumer.drain(({ name, id }) => received.push([name, id]));
  assert.deepEqual(received, [["abcd", 2]]);
});

Deno.test("Producer.send: a struct that waits for room is sent as it was at the call", async () => {
  using channel = Channel.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 64 });
  using producer = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  let filled = 0;
  while (producer.trySend({ id: filled, x: 0, y: 0 })) filled++;
  const point = { id: 50, x: 0, y: 0 };
  const sends = [producer.send(point, { timeout: SOON })];
  point.id = 51;
  sends.push(producer.send(point, { timeout: SOON }));
  point.id = 0;
  const ids: number[] = [];
  for (let i = 0; i < filled + 2; i++) ids.push((await consumer.receive()).value.id);
  await Promise.all(sends);
  consumer.ack();
  assert.deepEqual(ids.slice(filled), [50, 51]);
});

Deno.test("Channel.of: structs are acknowledged as bytes are: by consume, ack, nack, discard, drain and loops", async () => {
  using channel = Channel.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
  const producer = channel.producer();
  using consumer = channel.consumer();
  const depth = (): number => channel.stats().lanes[0]!.depth;
  for (let id = 1; id <= 6; id++) producer.trySend({ id, x: 0, y: 0 });
  const both = await Promise.all([consumer.receive(), consumer.receive()]);
  assert.deepEqual([both.map(({ value }) => value.id), depth()], [[1, 2], 6]);
  consumer.nack();
  assert.equal(consumer.tryReceive()?.value.id, 1);
  consumer.ack();
  assert.equal(depth(), 5);
  assert.equal(consumer.drain(() => {}, { max: 1, ack: "after" }), 1);
  assert.equal(depth(), 5);
  for await (const { value } of consumer) {
    assert.equal(value.id, 3);
    break;
  }
  assert.equal(depth(), 3);
  const refuse = ({ value }: { readonly value: { readonly id: number } }): void =>
    assert.equal(value.id, 4);
  await assert.rejects(consumer.consume(refuse), { name: "AssertionError" });
  assert.equal(depth(), 2);
  producer.close();
  await consumer.consume(({ value }) => assert(value.id >= 5), { until: "closed" });
  assert.equal(depth(), 0);
  using again = channel.producer();
  again.trySend({ id: 7, x: 0, y: 0 });
  assert(consumer.discard(again.lane) > 0);
  assert.equal(depth(), 0);
});

Deno.test("Channel.of: a channel of messages of another size is refused, and so is such a message", () => {
  const key = freshKey();
  using channel = Channel.of(Point, { key, laneCapacity: 1024 });
  {
    const bytes = { key: freshKey(), laneCapacity: 1024 };
    using _untyped = Channel.openOrCreate({ ...bytes, messageSize: 24 });
    assert.throws(() => Channel.of(Large, bytes), {
      code: "EFORMAT",
      message:
        /messageSize differs: 24 there, 312 requested; .*with Channel\.of use a struct of that size/,
    });
    Channel.of(Point, bytes).close();
  }
  assert.throws(() => Channel.of(Large, { key: freshKey(), laneCapacity: 128 }), {
    name: "RangeError",
    message: /messageSize \d+ is not an integer from 0 to 56/,
  });
  using untyped = Channel.open(key);
  using producer = untyped.producer();
  assert.throws(() => producer.trySend(new Uint8Array(23)), {
    name: "RangeError",
    message: "a message of 23 bytes on a channel whose messages have 24",
  });
  assert(channel.isOpen);
});

Deno.test("Channel.of: a record of another length than the struct's is an error, not half a struct", () => {
  for (const length of [0, 16, 23, 32]) {
    using channel = Channel.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
    using producer = channel.producer();
    using consumer = channel.consumer();
    for (const id of [1, 2]) producer.trySend({ id, x: 1, y: 1 });
    withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512, 1)[0] = length);
    const error = { code: "ECORRUPT", message: /where every message has 24/ };
    assert.throws(() => consumer.tryReceive(), error);
    assert.throws(() => consumer.drain(() => assert.fail("it was handed out")), error);
    consumer.discard(0);
  }
});

testWith(
  { tools: ["deno"] },
  "Channel.of: a process with another struct is refused, one with the same is not",
  async () => {
    const key = freshKey();
    using channel = Channel.of(Point, { key, laneCapacity: 1024 });
    using consumer = channel.consumer();
    await using peer = Peer.typescript(
      `import { Channel, f32, f64, i32, struct } from "@sysv/shm";
    for (const Other of [
      struct({ id: i32, x: f64 }),
      struct({ id: i32, x: f64, y: f32 }),
      struct({ id: i32, x: f64, y: f64, z: f64 }),
    ]) {
      try {
        Channel.of(Other, { key: ${key} });
      } catch (error) {
        console.log(error.code, error.message);
      }
    }
    using channel = Channel.of(struct({ id: i32, x: f64, y: f64 }), { key: ${key} });
    using producer = channel.producer();
    producer.trySend({ id: 42, x: 0.5, y: 2 });`,
      "--allow-ffi",
    );
    const { value } = await consumer.receive({ timeout: SOON });
    assert.deepEqual([value.id, value.x, value.y], [42, 0.5, 2]);
    consumer.ack();
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    const says = stdout.trim().split("\n").map((line) =>
      /^EFORMAT .*another struct: (.*?);/.exec(line)?.[1]
    );
    assert.deepEqual(says, [
      "it has more fields there, after x:f64@8 here",
      "the first field that differs is y:f32@16 here",
      "the first field that differs is z:f64@24 here",
    ]);
  },
);

Deno.test("Channel.of: sendBatch, claim, lane, nack and drainText work as on a channel of bytes", () => {
  using channel = Channel.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  assert.deepEqual([channel.lanes, channel.messageSize, producer.lane], [1, 24, 0]);
  const points = [1, 2, 3].map((id) => ({ id, x: id / 2, y: 0 }));
  assert.equal(producer.sendBatch(points, { tag: 5 }), 3);
  assert.throws(() => producer.sendBatch([points[0]!, { id: 1, x: 1 } as never]), {
    name: "TypeError",
    message: '"y" is missing',
  });
  // A struct that is written in place
  const reservation = producer.claim(Point.size)!;
  const { buffer, byteOffset } = reservation.bytes;
  Object.assign(Point.view(buffer, byteOffset), { id: 4, x: 2, y: 0 });
  assert.throws(() => producer.trySend(points[0]!), { code: "EBUSY" });
  reservation.commit();
  assert.throws(() => producer.claim(8), {
    name: "RangeError",
    message: "a message of 8 bytes on a channel whose messages have 24",
  });
  const first = consumer.tryReceive()!;
  assert.deepEqual([first.value.id, first.tag], [1, 5]);
  assert.deepEqual(Point.read(first.bytes.buffer), points[0]);
  consumer.nack();
  const ids: number[] = [];
  consumer.drain((point) => ids.push(point.id), { ack: "after" });
  assert.deepEqual(ids, [1, 2, 3, 4]);
  consumer.nack();
  let texts = 0;
  consumer.drainText((text) => texts += text.length === 24 ? 1 : 0);
  assert.equal(texts, 4, "the bytes of a struct as text");
});

Deno.test("Channel.of: several producers and handles of a channel do not share what they encode", async () => {
  const key = freshKey();
  using channel = Channel.of(Point, { key, lanes: 2, laneCapacity: 64 });
  using one = channel.producer({ spin: 0 });
  using two = channel.producer({ spin: 0 });
  using consumer = channel.consumer();
  const point = { id: 0, x: 0, y: 0 };
  for (const producer of [one, two]) while (producer.trySend(point));
  const sends = [one.send({ ...point, id: 1 }), two.send({ ...point, id: 2 })];
  // A getter that sends in the midst of being read
  const nested = {
    id: 3,
    get x(): number {
      assert(!one.trySend({ ...point, id: 4 }));
      return 3;
    },
    y: 3,
  };
  sends.push(one.send(nested));
  const seen: number[][] = [];
  while (seen.length < 3) {
    const { value } = await consumer.receive();
    if (value.id !== 0) seen.push([value.id, value.x]);
  }
  await Promise.all(sends);
  consumer.ack();
  assert.deepEqual(seen.sort(), [[1, 0], [2, 0], [3, 3]]);
});

Deno.test("Channel.of: a struct whose length is not fixed is refused", () => {
  const Samples = struct({ count: i32, samples: flexible(u8) });
  const key = freshKey();
  assert.throws(() => Channel.of(Samples, { key }), {
    name: "TypeError",
    message: /"layout" ends with a flexible array, and messages of structs have one length/,
  });
  assert.throws(() => Channel.open(key), { code: "ENOENT" });
});

Deno.test("Channel.of: a layout that is not of a struct is refused", () => {
  const layouts = [
    parseStruct("union U { int i; float f; };"),
    union({ i: i32, f: f64 }),
    array(i32, 2),
    {},
  ];
  for (const layout of layouts) {
    assert.throws(() => Channel.of(layout as typeof Point, { key: freshKey() }), {
      name: "TypeError",
      message: /^"layout" takes the layout of a struct, .* \(a union can be a field of one\), got /,
    });
  }
});
