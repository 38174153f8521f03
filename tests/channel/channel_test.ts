/** The channel as a whole: its options, its roles, and two processes. */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { byte, drained, scratchChannel, SOON } from "./scratch_channel.ts";

guardAgainstLeaks();

Deno.test("Channel.openOrCreate: options out of range are refused before any system call", () => {
  const key = freshKey();
  const cases: [object, RegExp][] = [
    [{ lanes: 0 }, /lanes 0 is not an integer from 1 to 256/],
    [{ lanes: 257 }, /lanes 257 is not/],
    [{ lanes: 1.5 }, /lanes 1.5 is not/],
    [{ laneCapacity: 32 }, /laneCapacity 32 is not a power of two from 64 to 1073741824 bytes/],
    [{ laneCapacity: 100 }, /laneCapacity 100 is not/],
    [{ laneCapacity: 2 ** 31 }, /laneCapacity 2147483648 is not/],
    [{ laneCapacity: 64, messageSize: 25 }, /messageSize 25 is not an integer from 0 to 24/],
    [{ messageSize: -1 }, /messageSize -1 is not/],
    [{ mode: 0o1000 }, /mode/],
    [{ key: 0 }, /a channel needs a key that others can find/],
    [{ key: 2 ** 32 }, /key/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => Channel.openOrCreate({ key, ...options }), { name: "RangeError", message });
  }
});

Deno.test("Channel.openOrCreate: without options a channel has eight lanes of a mebibyte", () => {
  using channel = Channel.openOrCreate({ key: freshKey() });
  assert.deepEqual(
    [channel.lanes, channel.laneCapacity, channel.messageSize, channel.maxMessage, channel.isOpen],
    [8, 1 << 20, 0, (1 << 19) - 8, true],
  );
});

Deno.test("Channel.producer: takes the first free lane, and names the owners if there is none", () => {
  using channel = scratchChannel({ lanes: 3 });
  const producers = [channel.producer(), channel.producer(), channel.producer()];
  assert.deepEqual(producers.map(({ lane }) => lane), [0, 1, 2]);
  assert.throws(() => channel.producer(), {
    code: "EBUSY",
    message: new RegExp(`all 3 lanes are taken, by process ${Deno.pid}; close one, or create`),
  });
  producers[1]!.close();
  using again = channel.producer();
  assert.equal(again.lane, 1);
});

Deno.test("Channel.consumer: there is one at a time, and the second is told its process", () => {
  using channel = scratchChannel();
  using same = Channel.open(channel.key);
  assert.equal(channel.consumerPid, undefined);
  {
    using _consumer = channel.consumer();
    assert.equal(same.consumerPid, Deno.pid);
    for (const other of [channel, same]) {
      assert.throws(() => other.consumer(), {
        code: "EBUSY",
        message: new RegExp(`process ${Deno.pid} is it already`),
      });
    }
  }
  assert.throws(() => channel.consumer({ spin: NaN }), /spin NaN/);
  using _next = same.consumer();
});

Deno.test("Channel.close: closes its producers and its consumer", () => {
  const channel = scratchChannel();
  const producer = channel.producer();
  const consumer = channel.consumer();
  assert.equal(channel.close(), "removed");
  assert.deepEqual([channel.isOpen, producer.isOpen, consumer.isOpen], [false, false, false]);
  const closed = { code: "EDETACHED", message: /use the channel.*it was closed: open it again/ };
  assert.throws(() => channel.producer(), closed);
  assert.throws(() => channel.consumer(), closed);
  assert.throws(() => channel.stats(), closed);
});

Deno.test("Channel.othersMayWrite: true where the mode lets other users write", () => {
  using channel = scratchChannel({ mode: 0o622 });
  using same = Channel.open(channel.key);
  assert.deepEqual([channel.othersMayWrite, same.othersMayWrite], [false, true]);
});

testWith({ tools: ["deno"] }, "Channel: two processes talk in both directions", async () => {
  const [there, back] = [scratchChannel({ laneCapacity: 1024 }), scratchChannel()];
  using _there = there;
  using _back = back;
  const COUNT = 2_000;
  await using peer = Peer.typescript(
    `import { Channel } from "@sysv/shm";
    using from = Channel.open(${there.key});
    using to = Channel.open(${back.key});
    using consumer = from.consumer();
    using producer = to.producer();
    console.log("ready");
    for await (const { bytes, tag } of consumer.messages({ until: "closed" })) {
      await producer.send(bytes, { tag: tag + 1 });
    }`,
    "--allow-ffi",
  );
  await peer.line();
  using producer = there.producer();
  using consumer = back.consumer();
  const sending = (async () => {
    for (let i = 0; i < COUNT; i++) {
      const bytes = new Uint8Array(i % 100).fill(i);
      await producer.send(bytes, { tag: i, timeout: SOON });
    }
    producer.close();
  })();
  let count = 0;
  for await (
    const { bytes, tag } of consumer.messages({ until: "closed", timeout: SOON })
  ) {
    assert.deepEqual([bytes.length, tag], [count % 100, count + 1]);
    assert(bytes.every((value) => value === (count & 0xff)));
    count++;
  }
  await sending;
  assert.equal(count, COUNT);
  const { code, stderr } = await peer.ended();
  assert.deepEqual([code, stderr], [0, ""]);
});

testWith(
  { tools: ["deno"] },
  "Consumer: one that is killed leaves the messages it had not acknowledged",
  async () => {
    using channel = scratchChannel();
    using producer = channel.producer();
    producer.sendBatch([1, 2, 3].map(byte));
    await using peer = Peer.typescript(
      `import { Channel } from "@sysv/shm";
    const consumer = Channel.open(${channel.key}).consumer();
    consumer.tryReceive();
    consumer.tryReceive();
    console.log("has two");
    setInterval(() => {}, 1000);`,
      "--allow-ffi",
    );
    await peer.line();
    assert.equal(channel.consumerPid, peer.pid);
    peer.kill("SIGKILL");
    await peer.ended();
    assert.equal(channel.consumerPid, undefined);
    using consumer = channel.consumer();
    assert.deepEqual(drained(consumer), [2, 3]);
  },
);
