/**
 * Messages whose getters act while they are read: they send too, close, throw, or take the memory of others
 * away. Nothing is half sent then.
 */

import assert from "node:assert/strict";
import { Channel, cString, i32, Latest, struct, Topic } from "../mod.ts";
import { freshKey } from "./support/own_objects.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";

guardAgainstLeaks();

const Item = struct({ n: i32, name: cString(4) });

/** A message that runs `act` while it is read. */
function acting(n: number, act: () => unknown): { readonly n: number; readonly name: string } {
  return {
    n,
    get name(): string {
      act();
      return "it";
    },
  };
}

/** A batch of 40 messages, of which `acts` is the 20th; 40 of them take more than a quarter of `few`. */
function batchWith(act: () => unknown): { readonly n: number; readonly name: string }[] {
  const batch = Array.from({ length: 40 }, (_, n) => ({ n, name: "it" }));
  batch[20] = acting(20, act);
  return batch;
}

/** Lanes in which a batch is published at once, and in parts. */
const CAPACITIES = [65536, 1024];

const plain = { n: -1, name: "no" };
const THROWS = (): never => {
  throw new Error("no name");
};

for (const laneCapacity of CAPACITIES) {
  const options = (): { readonly key: number; readonly laneCapacity: number } => ({
    key: freshKey(),
    laneCapacity,
  });

  Deno.test(`Publisher.publishBatch: a getter that publishes is refused, in lanes of ${laneCapacity}`, () => {
    using topic = Topic.of(Item, options());
    using subscriber = topic.subscriber();
    using publisher = topic.publisher();
    let acts = 0;
    const last = publisher.publishBatch(batchWith(() => {
      assert.throws(() => publisher.publish(plain), {
        code: "EBUSY",
        message: /^cannot publish: .* EBUSY, .* a batch is being published: return from it first/,
      });
      assert.throws(() => publisher.publishBatch([plain]), { code: "EBUSY" });
      assert.throws(() => publisher.publishBatch([]), { code: "EBUSY" });
      assert.equal(subscriber.tryReceive(), undefined, "a part of the batch is there already");
      acts++;
    }));
    assert.deepEqual([last, acts], [40, 1]);
    for (let n = 0; n < 40; n++) assert.equal(subscriber.tryReceive()?.value.n, n);
    assert.equal(subscriber.tryReceive(), undefined);
    assert.equal(publisher.publish(plain), 41);
  });

  Deno.test(`Publisher.publishBatch: a getter that throws or closes publishes nothing, in lanes of ${laneCapacity}`, () => {
    using topic = Topic.of(Item, options());
    using subscriber = topic.subscriber();
    const other = topic.publisher();
    assert.throws(() => other.publishBatch(batchWith(THROWS)), { message: "no name" });
    assert.equal(subscriber.tryReceive(), undefined);
    let reads = 0;
    assert.equal(other.publishBatch(batchWith(() => ++reads === 1 || THROWS())), 40);
    assert.equal(subscriber.drain(() => {}), 40);
    other.close();
    for (const what of ["publisher", "topic"] as const) {
      using publisher = topic.publisher();
      const close = (): unknown => (what === "publisher" ? publisher : topic).close();
      const end = subscriber.isOpen && subscriber.missed;
      assert.throws(() => publisher.publishBatch(batchWith(close)), { code: "EDETACHED" });
      assert.equal(publisher.isOpen, false);
      if (what === "publisher") {
        assert.deepEqual([subscriber.tryReceive(), subscriber.missed], [undefined, end]);
        using next = topic.publisher();
        assert.equal(next.publish(plain), 41, "the lane goes on as if there had been no batch");
        assert.equal(subscriber.tryReceive()?.number, 41);
      }
    }
  });

  Deno.test(`Producer.sendBatch: a getter that sends is refused, in lanes of ${laneCapacity}`, async () => {
    using channel = Channel.of(Item, options());
    using consumer = channel.consumer();
    using producer = channel.producer();
    const stale = producer.claim(Item.size)!;
    stale.abort();
    producer.stage({ n: -2, name: "it" });
    const nested: Promise<unknown>[] = [];
    const sent = producer.sendBatch(batchWith(() => {
      stale.abort(); // does nothing, and lets nothing through
      const calls = {
        trySend: () => producer.trySend(plain),
        stage: () => producer.stage(plain),
        sendSync: () => producer.sendSync(plain),
        sendBatch: () => producer.sendBatch([plain]),
        claim: () => producer.claim(Item.size),
        publish: () => producer.publish(),
      };
      for (const [name, call] of Object.entries(calls)) {
        assert.throws(call, { code: "EBUSY", message: /a batch is being sent: return/ }, name);
      }
      nested.push(assert.rejects(producer.send(plain), { code: "EBUSY" }));
      assert.equal(consumer.tryReceive(), undefined, "a part of the batch is there already");
    }));
    assert.deepEqual([sent, nested.length], [40, 1]);
    await Promise.all(nested);
    const seen: number[] = [];
    consumer.drain(({ n }) => seen.push(n));
    assert.deepEqual(seen, [-2, ...Array.from({ length: 40 }, (_, n) => n)]);
    assert(producer.trySend(plain));
    assert.equal(consumer.tryReceive()?.value.n, -1);
    consumer.ack();
  });

  Deno.test(`Producer.sendBatch: a getter that throws or closes sends nothing, in lanes of ${laneCapacity}`, () => {
    using channel = Channel.of(Item, options());
    using consumer = channel.consumer();
    const seen: number[] = [];
    const note = ({ n }: { readonly n: number }): void => void seen.push(n);
    {
      using producer = channel.producer();
      producer.stage({ n: 7, name: "it" });
      assert.throws(() => producer.sendBatch(batchWith(THROWS)), { message: "no name" });
      assert.equal(consumer.drain(note), 0);
      producer.publish();
      consumer.drain(note);
      producer.stage({ n: 8, name: "it" });
      const close = (): void => producer.close();
      assert.throws(() => producer.sendBatch(batchWith(close)), { code: "EDETACHED" });
    }
    // Closing publishes what was staged before, and nothing of the batch
    consumer.drain(note);
    using next = channel.producer();
    assert(next.trySend({ n: 9, name: "it" }));
    consumer.drain(note);
    assert.deepEqual(seen, [7, 8, 9]);
  });
}

Deno.test("Publisher.publish: a getter that publishes comes first, one that throws publishes nothing", () => {
  using topic = Topic.of(Item, { key: freshKey(), laneCapacity: 1024 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  assert.equal(publisher.publish(acting(2, () => publisher.publish({ n: 1, name: "in" }))), 2);
  assert.throws(() => publisher.publish(acting(3, THROWS)), { message: "no name" });
  assert.throws(() => publisher.publish(acting(4, () => publisher.close())), { code: "EDETACHED" });
  const seen: [number, string][] = [];
  subscriber.drain(({ n, name }) => seen.push([n, name]));
  assert.deepEqual(seen, [[1, "in"], [2, "it"]]);
});

Deno.test("Producer: a getter that sends comes first, one that throws or closes sends nothing", async () => {
  using channel = Channel.of(Item, { key: freshKey(), laneCapacity: 1024 });
  using consumer = channel.consumer();
  using producer = channel.producer();
  const inner = (): boolean => producer.trySend({ n: 1, name: "in" });
  producer.trySend(acting(2, inner));
  producer.sendSync(acting(3, inner));
  await producer.send(acting(4, inner));
  producer.stage(acting(5, inner)); // what is staged then is published by the next send only
  assert.throws(() => producer.trySend(acting(6, THROWS)), { message: "no name" });
  await assert.rejects(producer.send(acting(7, THROWS)), { message: "no name" });
  const seen: number[] = [];
  const note = ({ n }: { readonly n: number }): void => void seen.push(n);
  consumer.drain(note);
  assert.deepEqual(seen.splice(0), [1, 2, 1, 3, 1, 4, 1]);
  for (const send of ["trySend", "sendSync"] as const) {
    using other = channel.producer();
    assert.throws(() => other[send](acting(8, () => other.close())), { code: "EDETACHED" });
  }
  producer.publish();
  consumer.drain(note);
  assert.deepEqual(seen, [5]);
});

Deno.test("LatestWriter.write: a getter that writes is refused, one that throws or closes writes nothing", () => {
  using latest = Latest.of(Item, { key: freshKey() });
  using reader = latest.reader();
  using writer = latest.writer();
  const refused = (): void => assert.throws(() => writer.write(plain), { code: "EBUSY" });
  assert.equal(writer.write(acting(1, refused)), 1);
  assert.throws(() => writer.write(acting(2, THROWS)), { message: "no name" });
  assert.throws(() => writer.update(THROWS), { message: "no name" });
  assert.throws(() => writer.update((value) => Object.assign(value, acting(3, THROWS))), {
    message: "no name",
  });
  assert.throws(() => writer.write(acting(4, () => writer.close())), { code: "EDETACHED" });
  assert.deepEqual(reader.read(), { value: { n: 1, name: "it" }, version: 1 });
});

/** Lists of messages of bytes that act while they are read, and what is thrown for them. */
const LISTS: Readonly<
  Record<string, () => { readonly list: Uint8Array[]; readonly throws: object }>
> = {
  "a proxy that throws at its last element": () => ({
    list: new Proxy(Array.from({ length: 4 }, () => new Uint8Array(8)), {
      get: (list, name) => name === "3" ? THROWS() : Reflect.get(list, name),
    }),
    throws: { message: "no name" },
  }),
  "a list that shrinks a message before": () => {
    const memory = new ArrayBuffer(16, { maxByteLength: 16 });
    const list = [new Uint8Array(memory, 8, 8), new Uint8Array(8)];
    Object.defineProperty(list, "1", {
      get: () => {
        memory.resize(0);
        return "no bytes";
      },
    });
    return { list, throws: { name: "TypeError" } };
  },
  "a list whose element is none": () => ({
    list: [new Uint8Array(8), null!],
    throws: { name: "TypeError", message: /^"messages\[1\]" takes a Uint8Array/ },
  }),
};

for (const [what, make] of Object.entries(LISTS)) {
  Deno.test(`Publisher.publishBatch, Producer.sendBatch: ${what}: nothing is sent`, () => {
    using topic = Topic.openOrCreate({ key: freshKey(), laneCapacity: 256 });
    using subscriber = topic.subscriber();
    using publisher = topic.publisher();
    const { list, throws } = make();
    assert.throws(() => publisher.publishBatch(list), throws);
    assert.equal(publisher.publish(new Uint8Array(1)), 1);
    assert.equal(subscriber.tryReceive()?.bytes.length, 1);

    using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 256 });
    using consumer = channel.consumer();
    using producer = channel.producer();
    const again = make();
    assert.throws(() => producer.sendBatch(again.list), again.throws);
    assert(producer.trySend(new Uint8Array(1)));
    assert.equal(consumer.tryReceive()?.bytes.length, 1);
    consumer.ack();
  });
}

Deno.test("Publisher.publishBatch: a message that is shrunk while others are read is published as it was read, or as it is", () => {
  using topic = Topic.openOrCreate({ key: freshKey(), laneCapacity: 256 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  // Two records of 24 bytes are published together, three of them in parts
  for (const count of [2, 4]) {
    const memory = new ArrayBuffer(8, { maxByteLength: 8 });
    const list = Array.from({ length: count }, () => new Uint8Array(memory));
    Object.defineProperty(list, count - 1, {
      get: () => {
        memory.resize(4);
        return new Uint8Array(memory);
      },
    });
    publisher.publishBatch(list);
    const lengths: number[] = [];
    subscriber.drain((bytes) => lengths.push(bytes.length));
    assert.deepEqual(lengths, count === 2 ? [8, 4] : [8, 8, 4, 4]);
  }
});

Deno.test("Publisher, Producer, LatestWriter: messages in a SharedArrayBuffer and in one that can grow", () => {
  using topic = Topic.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using subscriber = topic.subscriber();
  using publisher = topic.publisher();
  using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using consumer = channel.consumer();
  using producer = channel.producer();
  using latest = Latest.openOrCreate({ key: freshKey(), size: 1000 });
  using writer = latest.writer();
  using reader = latest.reader();
  for (const length of [4, 300]) {
    const growing = new SharedArrayBuffer(length, { maxByteLength: 2 * length });
    const message = new Uint8Array(growing).fill(3);
    const whole = new SharedArrayBuffer(length);
    for (const grown of [length, 2 * length]) {
      growing.grow(grown);
      for (const each of [message, growing, whole]) {
        const bytes = new Uint8Array(each instanceof Uint8Array ? each.buffer : each).slice();
        publisher.publish(each);
        assert.deepEqual(subscriber.tryReceive()?.bytes, bytes);
        assert(producer.trySend(each));
        assert.deepEqual(consumer.tryReceive()?.bytes, bytes);
        writer.write(each);
        assert.deepEqual(reader.read()?.value, bytes);
      }
    }
  }
  consumer.ack();
});
