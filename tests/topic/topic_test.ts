/** `Topic`: opening, publishing, subscribing in every way, waiting, closing. */

import assert from "node:assert/strict";
import { array, f64, i32, Segment, struct, Topic, u8 } from "../../mod.ts";
import type { TopicMessage } from "../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { byte, drained, scratchTopic, SOON } from "./scratch_topic.ts";

guardAgainstLeaks();

Deno.test("Topic.openOrCreate: creates, finds, and refuses what differs", () => {
  const key = freshKey();
  using created = Topic.openOrCreate({ key, lanes: 3, laneCapacity: 512, messageSize: 8 });
  using found = Topic.openOrCreate({ key });
  for (const topic of [created, found, Topic.open(key)]) {
    using open = topic;
    assert.deepEqual(
      [open.key, open.id, open.lanes, open.laneCapacity, open.messageSize, open.maxMessage],
      [key, created.id, 3, 512, 8, 112],
    );
    assert.deepEqual([open.isOpen, open.readOnly, open.othersMayWrite], [true, false, false]);
    open === created || open.close();
  }
  assert.deepEqual([created.created, found.created], [true, false]);
});

Deno.test("Topic.openOrCreate: refuses a topic of another shape, and names the difference", () => {
  using topic = scratchTopic({ lanes: 2, messageSize: 8 });
  const { key } = topic;
  const different = [{ lanes: 3 }, { laneCapacity: 512 }, { messageSize: 16 }];
  for (const wanted of different) {
    const name = Object.keys(wanted)[0]!;
    assert.throws(
      () => Topic.openOrCreate({ key, ...wanted }),
      { code: "EFORMAT", message: new RegExp(`${name} differs`) },
    );
  }
});

Deno.test("Topic.openOrCreate: refuses sizes that a topic cannot have", () => {
  const key = freshKey();
  for (
    const wrong of [
      { lanes: 0 },
      { lanes: 257 },
      { lanes: 1.5 },
      { laneCapacity: 128 },
      { laneCapacity: 1000 },
      { laneCapacity: 2 ** 31 },
      { messageSize: -1 },
      { messageSize: 49, laneCapacity: 256 },
    ]
  ) {
    assert.throws(() => Topic.openOrCreate({ key, ...wrong }), RangeError);
  }
  assert.throws(() => Topic.open(key), { code: "ENOENT" });
});

Deno.test("Topic.close: the last one to leave removes it, unless it is persistent", () => {
  const key = freshKey();
  const one = Topic.openOrCreate({ key, laneCapacity: 256 });
  const two = Topic.open(key);
  two.publisher().publish(byte(1));
  assert.equal(two.close(), "in use");
  assert.equal(one.close(), "removed", "an unread message keeps nothing");
  assert.throws(() => Topic.open(key), { code: "ENOENT" });
  const kept = Topic.openOrCreate({ key, laneCapacity: 256, persistent: true });
  assert.deepEqual([kept.close(), kept.close()], ["kept", "kept"]);
  const again = Topic.open(key);
  again.remove();
  again.close();
});

Deno.test("Topic.publisher: one a lane, and a closed one frees it", () => {
  using topic = scratchTopic({ lanes: 2 });
  const publishers = [topic.publisher(), topic.publisher()];
  assert.deepEqual(publishers.map(({ lane }) => lane), [0, 1]);
  assert.throws(() => topic.publisher(), {
    code: "EBUSY",
    message: new RegExp(`all 2 lanes are taken, by process ${Deno.pid};`),
  });
  publishers[0]!.close();
  publishers[0]!.close();
  assert.throws(() => publishers[0]!.publish(byte(1)), { code: "EDETACHED" });
  assert.equal(publishers[0]!.isOpen, false);
  assert.equal(topic.publisher().lane, 0);
});

Deno.test("Publisher.publish: returns the number in the lane, which the next owner continues", () => {
  using topic = scratchTopic();
  using subscriber = topic.subscriber();
  {
    using publisher = topic.publisher();
    assert.deepEqual([publisher.publish(byte(1)), publisher.publish(byte(2))], [1, 2]);
  }
  using publisher = topic.publisher();
  assert.equal(publisher.publishBatch([byte(3), byte(4)]), 4);
  assert.equal(publisher.publishBatch([]), 4);
  const numbers = [1, 2, 3, 4].map(() => subscriber.tryReceive()!).map(({ bytes, number }) => {
    assert.equal(bytes[0], number);
    return number;
  });
  assert.deepEqual(numbers, [1, 2, 3, 4]);
});

Deno.test("Publisher.publish: refuses what does not fit, and publishes nothing then", () => {
  using topic = scratchTopic();
  using fixed = scratchTopic({ messageSize: 8 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  using exact = fixed.publisher();
  assert.throws(() => publisher.publish(new Uint8Array(49)), /takes at most 48/);
  assert.throws(() => exact.publish(new Uint8Array(7)), /whose messages have 8/);
  for (const wrong of ["text", 7, null, {}]) {
    assert.throws(() => publisher.publish(wrong as unknown as Uint8Array), TypeError);
    assert.throws(
      () => publisher.publishBatch([byte(1), wrong as unknown as Uint8Array]),
      TypeError,
    );
  }
  assert.throws(() => publisher.publishBatch([byte(1), new Uint8Array(49)]), RangeError);
  assert.throws(() => publisher.publish(byte(1), { tag: -1 }), RangeError);
  assert.equal(subscriber.tryReceive(), undefined);
  assert.equal(publisher.publish(new DataView(new ArrayBuffer(48))), 1);
  assert.equal(subscriber.tryReceive()?.bytes.length, 48);
});

Deno.test("Publisher.publishBatch: more than a quarter of the lane is published in parts", () => {
  for (const messageSize of [0, 8]) {
    using topic = scratchTopic({ laneCapacity: 4096, messageSize });
    using subscriber = topic.subscriber();
    using publisher = topic.publisher();
    const batch = Array.from({ length: 200 }, (_, i) => new Uint8Array(8).fill(i));
    assert.equal(publisher.publishBatch(batch, { tag: 9 }), 200);
    let next = 0;
    const count = subscriber.drain(([first], tag, lane, missed) => {
      next += missed;
      assert.deepEqual([first, tag, lane], [next++, 9, 0]);
    });
    assert.equal(count + subscriber.missed, 200);
    assert.equal(next, 200);
  }
});

Deno.test("Publisher.scratch: what is written there is published", () => {
  using topic = scratchTopic({ laneCapacity: 4096 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  for (const length of [0, 1, 8, 63, 64, 65, 256]) {
    const bytes = publisher.scratch(length).fill(length);
    assert.equal(publisher.scratch(length), bytes);
    publisher.publish(bytes);
    assert.deepEqual(subscriber.tryReceive()!.bytes, new Uint8Array(length).fill(length));
  }
  assert.throws(() => publisher.scratch(257), RangeError);
});

const Point = struct({ id: i32, x: f64, bytes: array(u8, 5) });

Deno.test("Topic.of: structs arrive as they were, in every way of receiving", async () => {
  using topic = Topic.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  const point = (id: number): { id: number; x: number; bytes: number[] } => ({
    id,
    x: id / 2,
    bytes: [1, 2, 3, 4, id],
  });
  const ids: number[] = [];
  const check = (
    { value, bytes }: TopicMessage<{ readonly id: number; readonly x: number }>,
  ): void => {
    assert.equal(value.x, value.id / 2);
    assert.equal(bytes.length, Point.size);
    ids.push(value.id);
  };
  publisher.publish(point(1));
  check(subscriber.tryReceive()!);
  publisher.publish(point(2));
  check(subscriber.receiveSync());
  publisher.publish(point(3));
  check(await subscriber.receive());
  publisher.publishBatch([4, 5, 6].map(point));
  let shown: unknown;
  subscriber.drain((value) => {
    assert(shown === undefined || shown === value, "the same view each time");
    shown = value;
    ids.push(value.id);
  });
  publisher.publish(point(7));
  for await (const { id } of subscriber.readable) {
    ids.push(id);
    break;
  }
  assert.deepEqual(ids, [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("Topic.of: a batch of structs of which one cannot be encoded is not published", () => {
  for (const count of [3, 100]) {
    using topic = Topic.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
    using subscriber = topic.subscriber();
    using publisher = topic.publisher();
    const batch = Array.from(
      { length: count },
      (_, i) => ({ id: i, x: 0, bytes: [0, 0, 0, 0, 0] }),
    );
    batch[count - 1]!.id = 2 ** 40;
    assert.throws(() => publisher.publishBatch(batch), RangeError);
    assert.equal(subscriber.tryReceive(), undefined);
    batch[count - 1]!.id = 7;
    assert.equal(publisher.publishBatch(batch), count);
  }
});

Deno.test("Topic.of: another struct is refused, naming the first field that differs", () => {
  using topic = Topic.of(Point, { key: freshKey(), lanes: 1, laneCapacity: 1024 });
  const { key } = topic;
  const Other = struct({ id: i32, y: f64, bytes: array(u8, 5) });
  for (const readOnly of [false, true]) {
    assert.throws(() => Topic.of(Other, { key, readOnly }), {
      code: "EFORMAT",
      message: /y:f64@8/,
    });
    Topic.of(Point, { key, readOnly }).close();
  }
  Topic.open(key).close();
});

Deno.test("Topic.open: read-only, it is subscribed to and not joined", () => {
  const topic = scratchTopic({ laneCapacity: 4096 });
  const publisher = topic.publisher();
  publisher.publish(byte(1));
  using watching = Topic.open(topic.key, { readOnly: true });
  assert.deepEqual([watching.readOnly, watching.created], [true, false]);
  using subscriber = watching.subscriber({ history: "all" });
  publisher.publish(byte(2));
  assert.deepEqual(drained(subscriber), [1, 2]);
  assert.throws(() => watching.publisher(), { code: "EREADONLY" });
  publisher.publish(byte(3));
  assert.equal(topic.close(), "removed", "a process that only reads does not keep it");
  assert.deepEqual(drained(subscriber), [3]);
  assert.throws(() => subscriber.receiveSync({ timeout: SOON }), { code: "EIDRM" });
  assert.equal(watching.close(), "kept");
});

Deno.test("Subscriber: each of several gets every message", async () => {
  using topic = scratchTopic({ lanes: 2, laneCapacity: 4096 });
  const subscribers = Array.from({ length: 3 }, () => topic.subscriber());
  using one = topic.publisher();
  using two = topic.publisher();
  const waiting = subscribers.map((subscriber) => subscriber.receive({ timeout: SOON }));
  one.publish(byte(1));
  for (const { bytes, lane, missed } of await Promise.all(waiting)) {
    assert.deepEqual([bytes[0], lane, missed], [1, 0, 0]);
  }
  two.publish(byte(2));
  one.publish(byte(3));
  for (const subscriber of subscribers) {
    const got = [subscriber.tryReceive()!, subscriber.receiveSync()];
    assert.deepEqual(got.map(({ bytes }) => bytes[0]).sort(), [2, 3]);
    assert.equal(subscriber.tryReceive(), undefined);
  }
});

Deno.test("Subscriber: history begins with the newest messages of each lane", () => {
  using topic = scratchTopic({ lanes: 3, laneCapacity: 4096 });
  using one = topic.publisher();
  using two = topic.publisher();
  for (let i = 1; i <= 5; i++) {
    one.publish(byte(i));
    two.publish(byte(10 * i));
  }
  const seen = (history: number | "all"): number[] => {
    using subscriber = topic.subscriber({ history });
    return drained(subscriber);
  };
  assert.deepEqual(seen(0), []);
  assert.deepEqual(seen(2), [4, 5, 40, 50]);
  assert.deepEqual(seen("all"), [1, 2, 3, 4, 5, 10, 20, 30, 40, 50]);
  for (const wrong of [-1, 1.5, NaN]) {
    assert.throws(() => topic.subscriber({ history: wrong }), RangeError);
  }
  assert.throws(() => topic.subscriber({ history: "some" as "all" }), TypeError);
});

Deno.test("Subscriber.missed: what was overwritten is counted, and told with the next message", () => {
  using topic = scratchTopic({ lanes: 2 });
  using subscriber = topic.subscriber();
  using one = topic.publisher();
  using two = topic.publisher();
  for (let i = 1; i <= 100; i++) one.publish(byte(i));
  two.publish(byte(200));
  const messages = [];
  for (let next; (next = subscriber.tryReceive()) !== undefined;) messages.push(next);
  const ofOne = messages.filter(({ lane }) => lane === 0);
  assert.equal(ofOne[0]!.number, ofOne[0]!.missed + 1);
  assert.equal(ofOne.length + subscriber.missed, 100);
  assert(ofOne.slice(1).every(({ missed }) => missed === 0));
  assert.equal(messages.find(({ lane }) => lane === 1)!.missed, 0);
});

Deno.test("Subscriber.drain: from within it, nothing else receives, and nothing closes", () => {
  const topic = scratchTopic({ lanes: 1, laneCapacity: 4096 });
  const subscriber = topic.subscriber();
  const other = topic.subscriber();
  const publisher = topic.publisher();
  publisher.publish(byte(1));
  const busy = { code: "EBUSY" };
  const count = subscriber.drain(() => {
    assert.throws(() => subscriber.tryReceive(), busy);
    assert.throws(() => subscriber.drain(() => {}), busy);
    assert.throws(() => subscriber.close(), busy);
    assert.throws(() => topic.close(), busy);
    assert(other.isOpen);
    publisher.publish(byte(2));
    assert.equal(other.tryReceive()?.bytes[0], 1);
  }, { max: 1 });
  assert.equal(count, 1);
  assert.deepEqual(drained(subscriber), [2]);
  topic.close();
  assert.deepEqual([subscriber.isOpen, other.isOpen, publisher.isOpen], [false, false, false]);
});

Deno.test("Topic.publisher: where every free lane has impossible words, the advice is to remove the topic", () => {
  using topic = scratchTopic({ lanes: 2 });
  using segment = Segment.attach(topic.id);
  // The words of lane 0
  const words = new Int32Array(segment.buffer, 256, 32);
  words.fill(-1);
  const other = topic.publisher();
  assert.equal(other.lane, 1);
  assert.throws(() => topic.publisher(), {
    code: "ECORRUPT",
    lane: 0,
    remedy: "remove the Topic and start its programs again",
  });
  words.fill(0);
  using first = topic.publisher();
  assert.equal(first.lane, 0);
});

Deno.test("Subscriber: ECORRUPT is thrown once, names the lane, and the other lanes go on", () => {
  using topic = scratchTopic({ lanes: 2, laneCapacity: 256 });
  using subscriber = topic.subscriber();
  using one = topic.publisher();
  using two = topic.publisher();
  one.publish(byte(1));
  two.publish(byte(2));
  {
    using segment = Segment.attach(topic.id);
    // The length of the first record of lane 0
    new Int32Array(segment.buffer, 256 + 2 * 128)[0] = 1000;
  }
  assert.deepEqual(drained(subscriber), [2]);
  assert.throws(() => subscriber.tryReceive(), { code: "ECORRUPT", lane: 0 });
  assert.equal(subscriber.tryReceive(), undefined);
  one.publish(byte(3));
  two.publish(byte(4));
  assert.deepEqual(drained(subscriber).sort(), [3, 4]);
});

Deno.test("Subscriber.receive: waits, times out, and ends with its signal and with close", async () => {
  using topic = scratchTopic();
  const subscriber = topic.subscriber();
  using publisher = topic.publisher();
  await assert.rejects(subscriber.receive({ timeout: 5 }), { code: "ETIMEDOUT" });
  assert.throws(() => subscriber.receiveSync({ timeout: 5 }), { code: "ETIMEDOUT" });
  await assert.rejects(subscriber.ready({ timeout: 0 }), { code: "ETIMEDOUT" });
  const controller = new AbortController();
  const reason = new Error("enough");
  const aborted = subscriber.receive({ signal: controller.signal });
  const first = subscriber.receive({ timeout: SOON });
  const second = subscriber.receive({ timeout: SOON });
  assert.equal(subscriber.tryReceive(), undefined, "those who wait are served first");
  controller.abort(reason);
  await assert.rejects(aborted, reason);
  publisher.publishBatch([byte(1), byte(2), byte(3)]);
  assert.deepEqual([(await first).bytes[0], (await second).bytes[0]], [1, 2]);
  assert.equal(await subscriber.ready(), true);
  assert.equal(subscriber.readySync(), true);
  assert.deepEqual(drained(subscriber), [3]);
  const late = subscriber.receive({ timeout: SOON });
  await new Promise((resolve) => setTimeout(resolve, 20));
  subscriber.close();
  await assert.rejects(late, { code: "EDETACHED" });
  await assert.rejects(subscriber.receive(), { code: "EDETACHED" });
});

Deno.test("Subscriber.receive: notices that the topic was removed", async () => {
  const topic = scratchTopic();
  const subscriber = topic.subscriber();
  const received = subscriber.receive({ timeout: SOON });
  await new Promise((resolve) => setTimeout(resolve, 20));
  topic.remove();
  await assert.rejects(received, { code: "EIDRM" });
  topic.close();
});

Deno.test("Subscriber: a loop is left, and goes on with the next message", async () => {
  using topic = scratchTopic();
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  publisher.publishBatch([byte(1), byte(2), byte(3)]);
  for await (const { bytes } of subscriber) {
    assert.equal(bytes[0], 1);
    break;
  }
  const controller = new AbortController();
  const seen: number[] = [];
  await assert.rejects(async () => {
    for await (const { bytes } of subscriber.messages({ signal: controller.signal })) {
      seen.push(bytes[0]!);
      if (seen.length === 2) controller.abort();
    }
  }, { name: "AbortError" });
  assert.deepEqual(seen, [2, 3]);
});

Deno.test("Subscriber.readable: cancelling loses no message, on its way or not", async () => {
  using topic = scratchTopic();
  using subscriber = topic.subscriber({ spin: 0 });
  using publisher = topic.publisher();
  for (const isThere of [true, false]) {
    const reader = subscriber.readable.getReader();
    await new Promise((turn) => setTimeout(turn, 0));
    if (isThere) publisher.publish(byte(1));
    const read = reader.read();
    const cancelled = reader.cancel();
    publisher.publish(byte(2));
    const { value, done } = await read;
    await cancelled;
    // What was there when the read began is its chunk; what comes after the cancel is for others
    assert.deepEqual([value?.[0], done], isThere ? [1, false] : [undefined, true]);
    assert.deepEqual(drained(subscriber), [2]);
    assert.equal(subscriber.missed, 0);
  }
});

Deno.test("Subscriber.readable: a chunk for each message; cancelled, a new one goes on", async () => {
  using topic = scratchTopic();
  const subscriber = topic.subscriber();
  using publisher = topic.publisher();
  const first = subscriber.readable;
  assert.equal(subscriber.readable, first);
  publisher.publishBatch([byte(1), byte(2)]);
  const reader = first.getReader();
  assert.equal((await reader.read()).value?.[0], 1);
  const waiting = reader.read();
  assert.equal((await waiting).value?.[0], 2);
  const last = reader.read();
  await reader.cancel();
  assert.equal((await last).done, true);
  const second = subscriber.readable;
  assert.notEqual(second, first);
  publisher.publish(byte(3));
  const again = second.getReader();
  assert.equal((await again.read()).value?.[0], 3);
  const failing = again.read();
  subscriber.close();
  await assert.rejects(failing, { code: "EDETACHED" });
  assert.throws(() => subscriber.readable, { code: "EDETACHED" });
});
