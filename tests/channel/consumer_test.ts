/** Receiving: one by one and in drains, acknowledged before or after, until the stream ends. */

import assert from "node:assert/strict";
import {
  type Channel,
  type ChannelMessage,
  type Consumer,
  removeSegment,
  Segment,
  SemaphoreSet,
  ShmError,
} from "../../mod.ts";
import { ChannelMembership } from "../../src/channel/channel_membership.ts";
import { makeConsumer } from "../../src/channel/consumer.ts";
import { CONSUMER_WORD, consumerWords, LANE_WORD } from "../../src/channel/lane_words.ts";
import { Role } from "../../src/sync/role.ts";
import { yieldBudget } from "../../src/sysv/yield_budget.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import { byte, drained, fill, scratchChannel, SOON, withLaneWords } from "./scratch_channel.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();

/** A turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function depth(channel: Channel): number {
  return channel.stats().lanes.reduce((sum, lane) => sum + lane.depth, 0);
}

Deno.test("Consumer.tryReceive: with ack after a message is acknowledged by the next call, with before at once", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  consumer.tryReceive();
  assert.equal(depth(channel), 3);
  consumer.tryReceive();
  assert.equal(depth(channel), 2);
  consumer.tryReceive({ ack: "before" });
  assert.equal(depth(channel), 0);
  producer.trySend(byte(4));
  consumer.tryReceive();
  assert.equal(consumer.tryReceive(), undefined);
  assert.equal(depth(channel), 0, "asking in vain counts too");
});

Deno.test("Consumer.close acknowledges nothing: the next consumer receives what was not acknowledged", async () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  one.sendBatch([byte(1), byte(2)]);
  two.trySend(byte(3));
  const handOut: readonly ((consumer: Consumer) => unknown)[] = [
    (consumer) => consumer.tryReceive(),
    (consumer) => consumer.receive(),
    (consumer) => consumer.receiveSync(),
    (consumer) => Promise.all([1, 2, 3].map(() => consumer.receive())),
    (consumer) => consumer.drain(() => {}, { ack: "after" }),
    (consumer) => consumer.messages().next(),
  ];
  for (const each of handOut) {
    using consumer = channel.consumer();
    await each(consumer);
    assert.equal(depth(channel), 3, `${each}`);
  }
  for (const each of handOut) {
    await assert.rejects(async () => {
      using consumer = channel.consumer();
      await each(consumer);
      throw new Error("lost?");
    }, /lost\?/);
  }
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer).sort(), [1, 2, 3]);
});

Deno.test("Consumer.ack acknowledges all delivered messages of all lanes, and nack puts none back then", async () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  using consumer = channel.consumer();
  consumer.ack();
  one.sendBatch([byte(1), byte(2)]);
  two.trySend(byte(3));
  consumer.tryReceive();
  consumer.ack();
  assert.equal(depth(channel), 2);
  consumer.ack();
  consumer.nack();
  const received = await Promise.all([consumer.receive(), consumer.receive()]);
  assert.deepEqual(received.map(({ bytes }) => bytes[0]), [2, 3]);
  assert.equal(depth(channel), 2);
  consumer.ack();
  assert.equal(depth(channel), 0);
  consumer.nack();
  assert.equal(consumer.tryReceive(), undefined);
});

for (const budget of ["full", "spent"] as const) {
  Deno.test(`Consumer.receive: two at once are served in the order of the calls, budget ${budget}`, async () => {
    using channel = scratchChannel();
    using producer = channel.producer();
    using consumer = channel.consumer({ spin: 0 });
    for (let round = 0; round < 400; round++) {
      const order: string[] = [];
      const early = round % 3;
      for (let i = 1; i <= early; i++) producer.trySend(byte(i));
      if (budget === "spent") { while (yieldBudget.pause() === undefined); }
      const receives = ["a", "b"].map(async (name) => {
        const { bytes } = await consumer.receive({ timeout: SOON });
        order.push(`${name}${bytes[0]}`);
      });
      if (budget === "full" && early === 0) assert.equal(consumer.tryReceive(), undefined);
      for (let i = early + 1; i <= 2; i++) producer.trySend(byte(i));
      assert.equal(consumer.tryReceive(), undefined, "those who asked before are first");
      assert.equal(consumer.drain(() => {}), 0, "those who asked before are first");
      await Promise.all(receives);
      assert.deepEqual(order, ["a1", "b2"], `round ${round}, ${early} sent before`);
      assert.equal(depth(channel), 2, "both are in hand");
      if (round % 2 === 0) {
        consumer.nack();
        assert.deepEqual(drained(consumer), [1, 2]);
      } else {
        consumer.ack();
        assert.equal(depth(channel), 0);
      }
    }
  });
}

Deno.test("Consumer.receive acknowledges what was delivered when it is called, and nothing later", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  producer.trySend(byte(1));
  assert.equal((await consumer.receive()).bytes[0], 1);
  const [second, third] = [consumer.receive(), consumer.receive()];
  assert.equal(depth(channel), 0, "asking acknowledges at once");
  producer.trySend(byte(2));
  assert.equal((await second).bytes[0], 2);
  assert.equal(consumer.tryReceive(), undefined);
  assert.equal(depth(channel), 0, "asking acknowledges, in vain too");
  producer.trySend(byte(3));
  assert.equal((await third).bytes[0], 3);
  assert.equal(depth(channel), 1);
  const waiting = consumer.receive();
  producer.trySend(byte(4));
  await waiting;
  const fifth = consumer.receive();
  const sixth = consumer.receive();
  producer.trySend(byte(5));
  await fifth;
  consumer.nack();
  assert.equal((await sixth).bytes[0], 5, "what is put back is for who waits");
  consumer.ack();
});

Deno.test("Consumer.nack wakes a receive that waits, which has acknowledged nothing", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  using segment = Segment.attach(channel.id);
  const words = consumerWords(segment.buffer);
  const asleep = (): boolean => words[CONSUMER_WORD.ASLEEP] !== 0;
  const [first, second] = [consumer.receive(), consumer.receive()];
  producer.trySend(byte(1));
  await first;
  for (const limit = Deadline.after(SOON); !asleep() && !limit.passed;) await turn();
  assert.equal(depth(channel), 1, "it is in hand still");
  assert(asleep());
  consumer.nack();
  assert(!asleep(), "it was woken");
  assert.equal((await second).bytes[0], 1);
  consumer.ack();
});

Deno.test("Consumer.consume acknowledges a message when the handler fulfils, and not when it throws", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  const seen: number[] = [];
  const depths: number[] = [];
  let failing = true;
  const handler = async ({ bytes }: ChannelMessage): Promise<void> => {
    await Promise.resolve();
    depths.push(depth(channel));
    seen.push(bytes[0]!);
    if (bytes[0] === 2 && failing) throw new Error("not now");
  };
  await assert.rejects(consumer.consume(handler), /not now/);
  assert.deepEqual([seen, depths], [[1, 2], [3, 2]]);
  await assert.rejects(
    consumer.consume(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  assert.equal(depth(channel), 2);
  failing = false;
  producer.close();
  await consumer.consume(handler, { until: "closed", timeout: 30_000 });
  assert.deepEqual([seen, depths], [[1, 2, 2, 3], [3, 2, 2, 1]]);
  assert.equal(depth(channel), 0);
});

Deno.test("Consumer.consume ends by its signal after the handler under way, and by its timeout", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2)]);
  const stop = new AbortController();
  const consumed = consumer.consume(async () => {
    stop.abort(new Error("enough"));
    await Promise.resolve();
  }, { signal: stop.signal });
  await consumed;
  assert.equal(depth(channel), 1, "the handler was done with the first");
  await assert.rejects(consumer.consume(() => {}, { timeout: 5 }), { code: "ETIMEDOUT" });
  assert.equal(depth(channel), 0);
  const later = new AbortController();
  const waiting = consumer.consume(() => assert.fail("nothing was sent"), { signal: later.signal });
  later.abort();
  await waiting;
  await consumer.consume(() => assert.fail("it has aborted"), { signal: later.signal });
});

Deno.test("Consumer.consume: a handler that closes and throws loses nothing, and its reason is thrown", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  producer.trySend(byte(1));
  const consumer = channel.consumer();
  const handler = (): never => {
    consumer.close();
    throw new Error("closed in the middle");
  };
  await assert.rejects(consumer.consume(handler), /closed in the middle/);
  using next = channel.consumer();
  assert.deepEqual(drained(next), [1]);
});

Deno.test("Consumer.nack: a message that is put back is received again, here or by the next consumer", () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  one.sendBatch([byte(1), byte(2)]);
  two.trySend(byte(3));
  {
    using consumer = channel.consumer();
    consumer.drain(() => {}, { ack: "after" });
    consumer.nack();
    consumer.nack();
    assert.equal(drained(consumer, 1)[0], 1);
    consumer.drain(() => {}, { ack: "after" });
    consumer.nack();
  }
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer).sort(), [2, 3]);
});

Deno.test("Consumer.drain passes all that is there, also what came since the last drain ended", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2)]);
  assert.deepEqual(drained(consumer, 1), [1]);
  producer.sendBatch([byte(3), byte(4)]);
  assert.deepEqual(drained(consumer), [2, 3, 4]);
});

Deno.test("Consumer.drain: max bounds it, and the lanes take turns", () => {
  using channel = scratchChannel({ lanes: 3, laneCapacity: 1024 });
  const producers = [channel.producer(), channel.producer(), channel.producer()];
  using consumer = channel.consumer();
  for (const producer of producers) fill(producer);
  const lanes: number[] = [];
  for (let i = 0; i < 6; i++) {
    assert.equal(consumer.drain((_, __, lane) => lanes.push(lane), { max: 2 }), 2);
  }
  assert.deepEqual(lanes, [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
  for (const max of [0, -1, NaN]) {
    assert.throws(() => consumer.drain(() => {}, { max }), /max .* is not 1 or more/);
  }
  consumer.drain(() => {});
});

Deno.test("Consumer.tryReceive: a lane's turn ends when all that was seen of it is delivered", () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  using consumer = channel.consumer();
  one.sendBatch([byte(1), byte(2)]);
  two.sendBatch([byte(3), byte(4)]);
  const received = [0, 0, 0, 0].map(() => consumer.tryReceive()!.bytes[0]);
  consumer.ack();
  assert.deepEqual(received, [1, 2, 3, 4]);
});

Deno.test("Consumer: a producer that never stops keeps no other lane waiting", () => {
  using channel = scratchChannel({ lanes: 2 });
  using busy = channel.producer();
  using quiet = channel.producer();
  using consumer = channel.consumer();
  fill(busy);
  quiet.trySend(byte(200));
  const received: number[] = [];
  for (let i = 0; i < 40 && !received.includes(200); i++) {
    received.push(consumer.tryReceive({ ack: "before" })!.bytes[0]!);
    busy.trySend(byte(1));
  }
  assert(received.includes(200));
  consumer.drain(() => {});
});

Deno.test("Consumer.drain: if a visitor throws, its message and all after it stay", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([1, 2, 3, 4].map(byte));
  const seen: number[] = [];
  assert.throws(() =>
    consumer.drain(([value]) => {
      if (value === 3) throw new Error("not this one");
      seen.push(value!);
    }), /not this one/);
  assert.equal(depth(channel), 2);
  consumer.close();
  using next = channel.consumer();
  assert.deepEqual([...seen, ...drained(next)], [1, 2, 3, 4]);
});

Deno.test("Consumer.drain: within it the consumer and the channel are busy", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.trySend(byte(1));
  const busy = { code: "EBUSY", message: /a drain is under way: return from its callback first/ };
  const tried: Promise<void>[] = [];
  const count = consumer.drain(() => {
    assert.throws(() => consumer.drain(() => {}), busy);
    assert.throws(() => consumer.tryReceive(), busy);
    assert.throws(() => consumer.receiveSync(), busy);
    assert.throws(() => consumer.readySync(), busy);
    assert.throws(() => consumer.nack(), busy);
    assert.throws(() => consumer.discard(0), busy);
    assert.throws(() => consumer.close(), busy);
    assert.throws(() => channel.close(), busy);
    tried.push(assert.rejects(consumer.receive(), busy));
    assert(consumer.isOpen && channel.isOpen);
  });
  await Promise.all(tried);
  assert.equal(count, 1);
  assert(producer.isOpen, "a close that was refused closed nothing");
  producer.trySend(byte(2));
  assert.deepEqual(drained(consumer), [2]);
});

Deno.test("Consumer.drain: a segment that a visitor detaches ends it with an error", () => {
  using channel = scratchChannel({ laneCapacity: 2048 });
  using producer = channel.producer();
  for (const length of [1, 300]) {
    producer.sendBatch([new Uint8Array(length), new Uint8Array(length)]);
    const membership = new ChannelMembership({ key: channel.key, wanted: {}, trust: false });
    const { segment, set } = membership;
    const role = new Role(set, 0);
    assert(role.tryAcquire());
    const consumer = makeConsumer<Uint8Array<ArrayBuffer>>(membership, role, {}, undefined);
    let seen = 0;
    assert.throws(() =>
      consumer.drain((bytes) => {
        seen++;
        segment.detach();
        assert.equal(bytes[0], length === 1 ? 0 : undefined);
      }), { code: "EDETACHED", message: /use the consumer/ });
    assert.equal(seen, 1);
    assert.equal(consumer.isOpen, false);
    assert.throws(() => consumer.tryReceive(), { code: "EDETACHED" });
    assert.throws(() => consumer.drain(() => {}), { code: "EDETACHED" });
    consumer.close();
    membership.leave();
    using next = channel.consumer();
    assert.equal(next.drain(() => {}), 2, "nothing had been given back");
  }
});

Deno.test("Consumer.close: every call fails after it, and closing again does nothing", async () => {
  using channel = scratchChannel();
  const consumer = channel.consumer();
  consumer.close();
  consumer.close();
  const closed = { code: "EDETACHED", message: /use the consumer.*it was closed: open it again/ };
  assert.equal(consumer.isOpen, false);
  assert.throws(() => consumer.tryReceive(), closed);
  assert.throws(() => consumer.receiveSync(), closed);
  assert.throws(() => consumer.drain(() => {}), closed);
  assert.throws(() => consumer.nack(), closed);
  assert.throws(() => consumer.discard(0), closed);
  await assert.rejects(consumer.receive(), closed);
  await assert.rejects(consumer.ready(), closed);
});

Deno.test("Consumer.close ends the receives that wait, and those that wait for their turn", async () => {
  for (const whole of [true, false]) {
    using channel = scratchChannel();
    const consumer = channel.consumer({ spin: 0 });
    const waits = [consumer.receive(), consumer.ready(), consumer.receive()];
    const failed = Promise.all(waits.map((wait) => assert.rejects(wait, { code: "EDETACHED" })));
    if (whole) channel.close();
    else consumer.close();
    await failed;
  }
});

Deno.test("Consumer.receive: ends by its timeout and its signal, waiting and queued", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  const expired = { code: "ETIMEDOUT", message: /receive.*no message came in time/ };
  assert.throws(() => consumer.receiveSync({ timeout: 5 }), expired);
  assert.throws(() => consumer.readySync({ timeout: 5 }), expired);
  await assert.rejects(consumer.receive({ timeout: 5 }), expired);
  const controller = new AbortController();
  const { signal } = controller;
  const first = consumer.receive({ timeout: SOON });
  const queued = [
    assert.rejects(consumer.receive({ signal }), /enough/),
    assert.rejects(consumer.ready({ signal }), /enough/),
    assert.rejects(consumer.receive({ timeout: 5 }), expired),
  ];
  const last = consumer.receive({ timeout: SOON });
  controller.abort(new Error("enough"));
  await Promise.all(queued);
  await assert.rejects(consumer.receive({ signal }), /enough/);
  producer.sendBatch([byte(1), byte(2)]);
  assert.deepEqual([(await first).bytes[0], (await last).bytes[0]], [1, 2]);
  const waiting = new AbortController();
  const aborted = consumer.receive({ signal: waiting.signal });
  waiting.abort(new Error("no more"));
  await assert.rejects(aborted, /no more/);
  producer.trySend(byte(3));
  assert.equal(consumer.receiveSync({ timeout: 0 }).bytes[0], 3);
  consumer.ack();
});

Deno.test("Consumer.receive: the stream ends when there was a producer, none is left, and all is received", async () => {
  using channel = scratchChannel({ lanes: 2 });
  const until = "closed" as const;
  const options = { until, timeout: 20 };
  {
    using early = channel.producer();
    early.trySend(byte(1));
  }
  {
    using consumer = channel.consumer();
    assert.equal((await consumer.receive({ until }))?.bytes[0], 1, "sent before we came");
    assert.equal(await consumer.receive({ until }), undefined);
    assert.equal(consumer.receiveSync({ until }), undefined, "it stays ended");
    using late = channel.producer();
    assert.throws(() => consumer.receiveSync(options), { code: "ETIMEDOUT" }, "one is there again");
    late.close();
    assert.equal(await consumer.ready({ until }), false);
  }
  using consumer = channel.consumer();
  await assert.rejects(consumer.receive({ until, timeout: 5 }), {
    code: "ETIMEDOUT",
  }, "none yet: it may come");
  const two = [channel.producer(), channel.producer()];
  const received: number[] = [];
  const ended = (async () => {
    for await (const { bytes } of consumer.messages({ until })) received.push(bytes[0]!);
  })();
  two[0]!.trySend(byte(2));
  two[0]!.close();
  await two[1]!.send(byte(3));
  two[1]!.close();
  await ended;
  assert.deepEqual(received.sort(), [2, 3]);
  // One that came and went without a word, unnoticed in between
  const silent = consumer.ready({ until });
  channel.producer().close();
  assert.equal(await silent, false);
});

Deno.test("Consumer.receive: the stream ends when the producer that was open first has gone without a message", async () => {
  const until = "closed" as const;
  const options = { until, timeout: 0 };
  const ends: Record<string, (consumer: Consumer) => unknown> = {
    receiveSync: (consumer) => consumer.receiveSync(options),
    receive: (consumer) => consumer.receive({ until, timeout: SOON }),
    ready: async (consumer) => await consumer.ready({ until, timeout: SOON }) || undefined,
    readySync: (consumer) => consumer.readySync(options) || undefined,
    messages: async (consumer) => (await consumer.messages({ until, timeout: SOON }).next()).value,
    consume: (consumer) => consumer.consume(() => {}, { until, timeout: SOON }),
  };
  for (const [name, end] of Object.entries(ends)) {
    using channel = scratchChannel({ lanes: 2 });
    const producer = channel.producer();
    using consumer = channel.consumer();
    producer.close();
    assert.equal(await end(consumer), undefined, name);
    consumer.close();
    using next = channel.consumer();
    assert.throws(() => next.receiveSync(options), { code: "ETIMEDOUT" }, "it had gone before");
  }
});

Deno.test("Consumer.drain: a message that it passed counts as one of a producer, for the end of the stream", () => {
  using channel = scratchChannel();
  {
    using producer = channel.producer();
    producer.trySend(byte(1));
  }
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer), [1]);
  assert.equal(consumer.readySync({ until: "closed", timeout: SOON }), false);
});

testWith(
  { tools: ["deno"] },
  "Consumer.receive: a producer that is killed ends the stream, and its lane is free",
  async () => {
    using channel = scratchChannel();
    using consumer = channel.consumer();
    await using peer = Peer.typescript(
      `import { Channel } from "@sysv/shm";
    const producer = Channel.open(${channel.key}).producer();
    producer.trySend(Uint8Array.of(1));
    producer.stage(Uint8Array.of(2));
    console.log("sent");
    setInterval(() => {}, 1000);`,
      "--allow-ffi",
    );
    await peer.line();
    const first = await consumer.receive({ until: "closed", timeout: SOON });
    assert.equal(first?.bytes[0], 1);
    const end = consumer.receive({ until: "closed", timeout: SOON });
    assert.throws(() => channel.producer(), {
      code: "EBUSY",
      message: new RegExp(`all 1 lanes are taken, by process ${peer.pid}; close one`),
    });
    peer.kill("SIGKILL");
    assert.equal(await end, undefined, "what was only staged was not sent");
    const { opened, closed, alive, pid } = channel.stats().lanes[0]!;
    assert.deepEqual([opened, closed, alive, pid], [1, 0, false, peer.pid]);
    await peer.ended();
    using producer = channel.producer();
    assert(producer.trySend(byte(3)));
    assert.deepEqual(drained(consumer), [3]);
  },
);

/** A producer in another process that sends `count` messages, and is killed or closes. */
async function sender(channel: Channel, count: number, end: "SIGKILL" | "close"): Promise<void> {
  await using peer = Peer.typescript(
    `import { Channel } from "@sysv/shm";
    const channel = Channel.open(${channel.key});
    const producer = channel.producer();
    for (let i = 0; i < ${count}; i++) producer.trySend(Uint8Array.of(i));
    if (${end === "close"}) channel.close();
    console.log("sent");
    if (${end !== "close"}) setInterval(() => {}, 1000);`,
    "--allow-ffi",
  );
  await peer.line();
  if (end !== "close") peer.kill(end);
  await peer.ended();
}

testWith(
  { tools: ["deno"] },
  "Consumer.deadProducers: counts those that died since it was opened, or before and left messages",
  async () => {
    using channel = scratchChannel({ lanes: 2, persistent: true });
    const all = async (): Promise<[number, number]> => {
      using consumer = channel.consumer();
      let received = 0;
      const messages = consumer.messages({ until: "closed", timeout: SOON });
      for await (const _ of messages) received++;
      return [received, consumer.deadProducers];
    };
    await sender(channel, 3, "close");
    assert.deepEqual(await all(), [3, 0], "it closed");
    await sender(channel, 3, "SIGKILL");
    assert.deepEqual(await all(), [3, 1], "it died before, and its messages were there");
    await sender(channel, 0, "close");
    {
      using consumer = channel.consumer();
      assert.equal(consumer.deadProducers, 0, "whom the last consumer was told of");
      using producer = channel.producer();
      assert.equal(consumer.deadProducers, 0, "one that is there is not dead");
      await sender(channel, 1, "SIGKILL");
      await sender(channel, 2, "SIGKILL");
      assert.equal(consumer.deadProducers, 2);
      producer.close();
      assert.equal(consumer.deadProducers, 2);
      consumer.drain(() => {});
      consumer.close();
      assert.throws(() => consumer.deadProducers, { code: "EDETACHED" });
    }
    {
      using _producer = channel.producer();
      using consumer = channel.consumer();
      assert.equal(consumer.deadProducers, 0, "with a producer there from the beginning");
    }
    channel.remove();
  },
);

Deno.test("Consumer.deadProducers: the counters of a lane may wrap", () => {
  const { OPENED, CLOSED } = LANE_WORD;
  for (const last of [0x7fffffff, 0xffffffff]) {
    using channel = scratchChannel();
    withLaneWords(channel, 0, (words) => words[OPENED] = words[CLOSED] = last);
    using consumer = channel.consumer();
    assert.equal(consumer.deadProducers, 0);
    channel.producer().close();
    assert.equal(consumer.deadProducers, 0, "it closed");
    withLaneWords(channel, 0, (words) => {
      words[OPENED] = last + 1;
      words[CLOSED] = last;
    });
    assert.equal(consumer.deadProducers, 1, "it opened the lane and did not close it");
  }
});

Deno.test("Consumer.messages: timers run while there are always messages", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  let ticked = false;
  setTimeout(() => ticked = true, 1);
  fill(producer);
  const limit = Deadline.after(SOON);
  for await (const _ of consumer) {
    if (ticked || limit.passed) break;
    producer.trySend(byte(1));
  }
  assert(ticked, "the timer never had its turn");
  ticked = false;
  setTimeout(() => ticked = true, 1);
  while (await consumer.ready()) {
    if (ticked || limit.passed) break;
    consumer.drain(() => {}, { max: 1 });
    producer.trySend(byte(1));
  }
  assert(ticked, "the timer never had its turn beside ready()");
  consumer.drain(() => {});
});

Deno.test("Consumer.messages: leaving a loop acknowledges its last message, and the consumer stays open", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2)]);
  for await (const _ of consumer) break;
  assert.equal(depth(channel), 1);
  assert(consumer.isOpen);
  assert.deepEqual(drained(consumer), [2]);
});

Deno.test("Consumer.receive: a wait notices that the channel was removed", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  const waiting = assert.rejects(consumer.receive(), {
    code: "EIDRM",
    message: /its segment was removed while in use/,
  });
  channel.remove();
  await waiting;
  assert.throws(() => consumer.receiveSync(), { code: "EIDRM" });
  const now = 0;
  assert.throws(() => consumer.receiveSync({ timeout: now }), { code: "EIDRM" });
  await assert.rejects(consumer.receive({ timeout: now }), { code: "EIDRM" });
  producer.trySend(byte(1));
  assert.equal(consumer.receiveSync().bytes[0], 1, "what is there can still be received");
});

Deno.test("Consumer.ready: a message in a lane before the next one ends the wait", async () => {
  using channel = scratchChannel({ lanes: 3 });
  const producers = [channel.producer(), channel.producer(), channel.producer()];
  for (const ready of ["ready", "readySync", "receive", "receiveSync"] as const) {
    for (const next of [0, 1, 2]) {
      for (const lane of [0, 1, 2]) {
        using consumer = channel.consumer({ spin: 0 });
        // The lane behind the one that was received from is the next
        producers[(next + 2) % 3]!.trySend(byte(0));
        consumer.tryReceive({ ack: "before" });
        producers[lane]!.trySend(byte(1));
        const found = await consumer[ready]({ timeout: SOON });
        assert(found, `${ready}, ${next} is next, in ${lane}`);
        assert.deepEqual(drained(consumer), ready.startsWith("ready") ? [1] : []);
      }
    }
  }
});

Deno.test("Consumer.ready and readySync: acknowledge what was received before, unless it was put back", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([1, 2, 3, 4, 5].map(byte));
  consumer.tryReceive();
  assert(await consumer.ready());
  assert.equal(depth(channel), 4);
  consumer.nack();
  consumer.tryReceive();
  assert(consumer.readySync());
  assert.equal(depth(channel), 3);
  consumer.drain(() => {}, { max: 2, ack: "after" });
  assert.equal(depth(channel), 3);
  assert(await consumer.ready());
  assert.equal(depth(channel), 1);
  consumer.nack();
  assert.deepEqual(drained(consumer), [5]);
});

Deno.test("Consumer: every wait notices that the semaphore set was removed, or the segment", async () => {
  const waits: Readonly<Record<string, (consumer: Consumer) => unknown>> = {
    receive: (consumer) => consumer.receive(),
    ready: (consumer) => consumer.ready(),
    "for await": async (consumer) => {
      for await (const _ of consumer) assert.fail("nothing was sent");
    },
    "receive until closed": (consumer) => consumer.receive({ until: "closed" }),
    receiveSync: (consumer) => consumer.receiveSync({ timeout: SOON }),
    readySync: (consumer) => consumer.readySync({ timeout: SOON }),
    "receiveSync until closed": (consumer) => consumer.receiveSync({ until: "closed" }),
    "receive at once": (consumer) => consumer.receive({ timeout: 0 }),
  };
  for (const what of ["segment", "semaphore set"]) {
    for (const [name, wait] of Object.entries(waits)) {
      for (const early of [true, false]) {
        // While the thread is blocked, only another process can remove anything
        if (!early && (name.includes("Sync") || name.includes("at once"))) continue;
        const channel = scratchChannel();
        const set = SemaphoreSet.open(channel.key);
        const consumer = channel.consumer({ spin: 0 });
        const remove = (): void => what === "segment" ? removeSegment(channel.id) : set.remove();
        if (early) remove();
        const failed = assert.rejects(async () => await wait(consumer), {
          code: "EIDRM",
          message: new RegExp(
            `its ${what} was removed while in use.*` +
              (what === "segment" ? "start its programs again$" : `ipcrm -m ${channel.id}`),
          ),
        }, name);
        if (!early) remove();
        await failed;
        consumer.close();
        channel.close();
        set.remove();
        if (what === "semaphore set") removeSegment(channel.id);
      }
    }
  }
});

Deno.test("Consumer.discard: impossible contents of a lane are an error, and discard continues after them", async () => {
  const spoiled: [string, RegExp, (words: Int32Array, ring: Int32Array) => void][] = [
    ["a length", /position 0 has the length 4294967294, where at most 24 can be/, (_, ring) => {
      ring[0] = -2;
    }],
    ["a length past the tail", /has the length 25, where at most 24/, (_, ring) => {
      ring[0] = 25;
    }],
    ["padding", /there is padding at 0, where it is impossible/, (_, ring) => {
      ring[0] = -1;
    }],
    ["a tail", /its tail is 4096 and its head 0/, (words) => {
      words[LANE_WORD.TAIL] = 4096;
    }],
  ];
  for (const [name, message, spoil] of spoiled) {
    using channel = scratchChannel();
    using producer = channel.producer();
    producer.sendBatch([byte(1), byte(2)]);
    using consumer: Consumer = channel.consumer();
    withLaneWords(channel, 0, (words) => spoil(words, new Int32Array(words.buffer, 512, 64)));
    const error = { code: "ECORRUPT", message };
    assert.throws(() => consumer.tryReceive(), error, name);
    assert.throws(() => consumer.drain(() => {}), error, name);
    await assert.rejects(consumer.receive(), error, name);
    assert(consumer.discard(0) > 0, name);
    assert.equal(consumer.tryReceive(), undefined, name);
  }
});

/** Each way of receiving, until it has given something or failed. */
const WAYS: Readonly<
  Record<string, (consumer: Consumer, seen: number[]) => Promise<unknown> | unknown>
> = {
  tryReceive: (consumer, seen) => seen.push(consumer.tryReceive()!.bytes[0]!),
  receiveSync: (consumer, seen) => {
    seen.push(consumer.receiveSync({ timeout: SOON }).bytes[0]!);
  },
  receive: async (consumer, seen) => {
    seen.push((await consumer.receive({ timeout: SOON })).bytes[0]!);
  },
  "for await": async (consumer, seen) => {
    for await (const { bytes } of consumer) {
      seen.push(bytes[0]!);
      break;
    }
  },
  drain: (consumer, seen) => seen.push(...drained(consumer, 1)),
  "readySync, then tryReceive": (consumer, seen) => {
    assert(consumer.readySync({ timeout: SOON }));
    seen.push(consumer.tryReceive()!.bytes[0]!);
  },
  "ready, then drain": async (consumer, seen) => {
    assert(await consumer.ready({ timeout: SOON }));
    seen.push(...drained(consumer, 1));
  },
};

Deno.test("Consumer: a lane that cannot be read keeps no other one waiting", async () => {
  const spoil = {
    "a length": (_: Int32Array, ring: Int32Array) => ring[0] = -2,
    "a tail": (words: Int32Array) => words[LANE_WORD.TAIL] = 4,
  };
  for (const [what, spoiling] of Object.entries(spoil)) {
    for (const [name, receive] of Object.entries(WAYS)) {
      for (const spoiled of [0, 1, 2]) {
        using channel = scratchChannel({ lanes: 3 });
        using consumer = channel.consumer({ spin: 0 });
        const expected: number[] = [];
        const producers = [0, 1, 2].map(() => channel.producer());
        for (const producer of producers) {
          for (const value of [10, 11]) {
            producer.trySend(byte(10 * producer.lane + value));
            if (producer.lane !== spoiled) expected.push(10 * producer.lane + value);
          }
        }
        withLaneWords(channel, spoiled, (words) => {
          spoiling(words, new Int32Array(words.buffer, 256 + 3 * 256 + spoiled * 256, 64));
        });
        const received: number[] = [];
        let failures = 0;
        for (let i = 0; received.length < expected.length; i++) {
          assert(i < 12, `${what} in lane ${spoiled}, ${name}: ${received} after ${i} calls`);
          try {
            await receive(consumer, received);
          } catch (error) {
            assert(error instanceof ShmError, String(error));
            assert.deepEqual([error.code, error.lane], ["ECORRUPT", spoiled], name);
            failures++;
          }
        }
        assert.deepEqual(received.sort(), expected, name);
        // And it is said again and again, until the lane is discarded
        const failing = async (): Promise<unknown> => await receive(consumer, []);
        const error = { code: "ECORRUPT", lane: spoiled };
        if (failures === 0) await assert.rejects(failing, error, name);
        await assert.rejects(failing, error, name);
        withLaneWords(channel, spoiled, (words) => words[LANE_WORD.TAIL] = 32);
        consumer.discard(spoiled);
        assert.equal(consumer.tryReceive(), undefined);
      }
    }
  }
});

/** Three lanes with two messages each, of which those in `spoiled` cannot be read. */
function withSpoiledLanes(spoiled: readonly number[]): { channel: Channel; expected: number[] } {
  const channel = scratchChannel({ lanes: 3 });
  const expected: number[] = [];
  const producers = [0, 1, 2].map(() => channel.producer());
  for (const producer of producers) {
    const { lane } = producer;
    for (const value of [10 * lane, 10 * lane + 1]) {
      producer.trySend(byte(value));
      if (!spoiled.includes(lane)) expected.push(value);
    }
    if (!spoiled.includes(lane)) continue;
    withLaneWords(channel, lane, ({ buffer }) => {
      new Int32Array(buffer, 256 + 3 * 256 + lane * 256, 1)[0] = -2;
    });
  }
  for (const producer of producers) producer.close();
  return { channel, expected };
}

Deno.test("Consumer: all other lanes are received before the error that names the one that cannot be read", async () => {
  const ways: typeof WAYS = {
    ...WAYS,
    drain: (consumer, seen) => {
      consumer.drain(([value]) => seen.push(value!));
    },
    "drain, one at a time": (consumer, seen) => {
      consumer.drain(([value]) => seen.push(value!), { max: 1 });
    },
    "drainText": (consumer, seen) => {
      consumer.drainText((text) => seen.push(text.charCodeAt(0)));
    },
    "for await until closed": async (consumer, seen) => {
      for await (const { bytes } of consumer.messages({ until: "closed", timeout: SOON })) {
        seen.push(bytes[0]!);
      }
    },
    "receive until closed": async (consumer, seen) => {
      const message = await consumer.receive({ until: "closed", timeout: SOON });
      seen.push(message!.bytes[0]!);
    },
  };
  for (const spoiled of [[0], [1], [2], [0, 1], [1, 2], [0, 2]]) {
    for (const [name, receive] of Object.entries(ways)) {
      const { channel, expected } = withSpoiledLanes(spoiled);
      using _channel = channel;
      {
        // Not even one that begins anew each time meets the error first
        using consumer = channel.consumer({ spin: 0 });
        const seen: number[] = [];
        const failed: (number | undefined)[] = [];
        for (let calls = 0; failed.length < spoiled.length; calls++) {
          assert(calls < 20, `${name}: ${failed} failed after ${calls} calls`);
          try {
            await receive(consumer, seen);
          } catch (error) {
            assert(error instanceof ShmError, String(error));
            assert.equal(error.code, "ECORRUPT");
            assert.deepEqual(seen.toSorted(), expected, `${name}: the error came first`);
            failed.push(error.lane);
          }
        }
        assert.deepEqual(failed.sort(), spoiled, `${name}: each lane is named`);
        // Discarding one helps that one alone
        for (const lane of spoiled) consumer.discard(lane);
        assert.equal(consumer.tryReceive(), undefined, name);
        assert.equal(consumer.drain(() => {}), 0, name);
      }
    }
  }
});

Deno.test("Consumer: a lane that cannot be read is reported although the others always have messages", () => {
  for (const max of [1, undefined]) {
    using channel = scratchChannel({ lanes: 2 });
    using one = channel.producer();
    using two = channel.producer();
    using consumer = channel.consumer();
    one.trySend(byte(1));
    withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 256 + 2 * 256, 1)[0] = -2);
    let received = 0;
    const take = (): void => {
      if (max === undefined) received += consumer.tryReceive() === undefined ? 0 : 1;
      else received += consumer.drain(() => {}, { max });
    };
    assert.throws(() => {
      for (let i = 0; i < 100; i++) {
        two.trySend(byte(2));
        take();
      }
    }, { code: "ECORRUPT", lane: 0 });
    assert(received > 0);
    consumer.discard(0);
    drained(consumer);
  }
});

Deno.test("Consumer: messages before an impossible record are received, and counted", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([1, 2, 3, 4].map(byte));
  withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512 + 32, 1)[0] = -2);
  assert.equal(consumer.drain(() => {}), 2);
  assert.equal(depth(channel), 2);
  assert.throws(() => consumer.drain(() => assert.fail("handed out")), {
    code: "ECORRUPT",
    lane: 0,
  });
  consumer.discard(0);
  producer.sendBatch([5, 6, 7].map(byte));
  withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512 + 64 + 16, 1)[0] = -1);
  assert.equal(consumer.drain(() => {}), 1);
  assert.throws(() => consumer.drain(() => assert.fail("handed out")), /there is padding at 80/);
  consumer.discard(0);
});

Deno.test("Consumer: padding that fills the whole ring is an error", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  fill(producer);
  withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512, 1)[0] = -1);
  const error = { code: "ECORRUPT", message: /there is padding at 0, where it is impossible/ };
  assert.throws(() => consumer.tryReceive(), error);
  assert.throws(() => consumer.drain(() => {}), error);
  consumer.discard(0);
});

Deno.test("Consumer: a visitor's own ECORRUPT, of another channel, is thrown at once", () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  using consumer = channel.consumer();
  one.trySend(byte(1));
  two.trySend(byte(2));
  const failure = new ShmError("go on", undefined, "ECORRUPT", { id: channel.id, lane: 0 });
  let seen = 0;
  assert.throws(() =>
    consumer.drain(() => {
      seen++;
      throw failure;
    }), (error) => error === failure);
  assert.equal(seen, 1, "no other lane was looked at");
  assert.deepEqual(drained(consumer).sort(), [1, 2]);
});

Deno.test("Consumer: a lane that can be read again before its error was thrown is not an error any more", () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  using consumer = channel.consumer();
  one.trySend(byte(1));
  two.trySend(byte(2));
  const spoil = (length: number): void =>
    withLaneWords(channel, 0, ({ buffer }) => {
      new Int32Array(buffer, 256 + 2 * 256, 1)[0] = length;
    });
  spoil(-2);
  assert.equal(consumer.tryReceive()?.bytes[0], 2);
  spoil(1);
  assert.equal(consumer.tryReceive()?.bytes[0], 1);
  assert.equal(consumer.tryReceive(), undefined);
  one.trySend(byte(3));
  two.trySend(byte(4));
  const at = 256 + 2 * 256 + 16;
  const length = (value: number): void =>
    withLaneWords(channel, 0, ({ buffer }) => {
      new Int32Array(buffer, at, 1)[0] = value;
    });
  two.trySend(byte(5));
  length(-2);
  assert.deepEqual([...drained(consumer, 1), ...drained(consumer, 1)], [4, 5]);
  length(1);
  assert.deepEqual(drained(consumer), [3]);
});

Deno.test("Consumer: where all messages have one length, a record of another length is an error", async () => {
  for (const [length, size] of [[0, 8], [8, 16], [15, 16], [17, 16], [24, 16], [80, 72]]) {
    using channel = scratchChannel({ messageSize: size! });
    using producer = channel.producer();
    producer.sendBatch([1, 2].map((value) => new Uint8Array(size!).fill(value)));
    using consumer = channel.consumer();
    withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512, 1)[0] = length!);
    const error = {
      code: "ECORRUPT",
      message: new RegExp(`position 0 has the length ${length}, where every message has ${size}`),
    };
    assert.throws(() => consumer.tryReceive(), error);
    assert.throws(() => consumer.drain(() => assert.fail("it was handed out")), error);
    await assert.rejects(consumer.receive(), error);
    withLaneWords(channel, 0, ({ buffer }) => new Int32Array(buffer, 512, 1)[0] = size!);
    assert.deepEqual(drained(consumer), [1, 2]);
  }
});

Deno.test("Consumer: where all messages have one length, a record that ends after the tail is an error", () => {
  using channel = scratchChannel({ messageSize: 16 });
  using producer = channel.producer();
  producer.trySend(new Uint8Array(16));
  using consumer = channel.consumer();
  withLaneWords(channel, 0, (words) => words[LANE_WORD.TAIL] = 16);
  assert.throws(() => consumer.tryReceive(), {
    code: "ECORRUPT",
    message: /has the length 16, where at most 8 can be/,
  });
  consumer.discard(0);
});

Deno.test("Consumer.discard: a lane without an owner is usable again, whatever its words were", () => {
  for (const [tail, head] of [[4, 0], [12, 0], [0, 4], [8, 3], [5, 5], [4096, 12]] as const) {
    using channel = scratchChannel();
    withLaneWords(channel, 0, (words) => {
      words[LANE_WORD.TAIL] = tail;
      words[LANE_WORD.HEAD] = head;
    });
    assert.throws(() => channel.producer(), { code: "ECORRUPT", lane: 0 });
    using consumer = channel.consumer();
    consumer.discard(0);
    using producer = channel.producer();
    assert(producer.trySend(byte(7)));
    assert.deepEqual(drained(consumer), [7], `tail ${tail}, head ${head}`);
  }
});

Deno.test("Consumer.discard: an unaligned tail is replaced while the lane has an owner, which continues with its own", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  withLaneWords(channel, 0, (words) => words[LANE_WORD.TAIL] = 12);
  consumer.discard(0);
  assert.equal(consumer.tryReceive(), undefined);
  producer.trySend(byte(7));
  consumer.discard(0);
  producer.trySend(byte(8));
  assert.deepEqual(drained(consumer), [8]);
});

Deno.test("Consumer.discard: what it drops is gone, also from the stats", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  consumer.tryReceive();
  assert.equal(consumer.discard(0), 3 * 16);
  assert.equal(depth(channel), 0);
  producer.trySend(byte(4));
  assert.equal(depth(channel), 1);
  assert.throws(() => consumer.discard(1), /there is no lane 1 in a channel of 1/);
  assert.deepEqual(drained(consumer), [4]);
});

Deno.test("Consumer: a head and a tail that another program wrote are found when it waits and looks", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer({ spin: 0 });
  withLaneWords(channel, 0, (words) => words[LANE_WORD.HEAD] = 8);
  await assert.rejects(consumer.receive(), {
    code: "ECORRUPT",
    message: /its head is 8 where we wrote 0/,
  });
  withLaneWords(channel, 0, (words) => words[LANE_WORD.TAIL] = 12);
  assert.throws(() => consumer.tryReceive(), {
    code: "ECORRUPT",
    message: /its tail is 12 and its head 0/,
  });
  withLaneWords(channel, 0, (words) => words[LANE_WORD.TAIL] = 0);
  withLaneWords(channel, 0, (words) => words[LANE_WORD.HEAD] = 0);
});
