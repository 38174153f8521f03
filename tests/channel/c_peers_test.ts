/** TypeScript and C on one channel, in all roles: `peer.c` against the library. */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { Checker, cPeer, lengthOf, peerMessage } from "./peer_messages.ts";
import { beginAt, scratchChannel, SOON } from "./scratch_channel.ts";

guardAgainstLeaks();

/** It is woken or it sleeps for ever: so it is woken. */
const peer = cPeer("-DSHM_SLICE_MS=600000");
/** As it is for everybody. */
const slicedPeer = cPeer();

/** Waits for its end, which must be a good one, and gives its last line as names and numbers. */
async function summary(program: Peer): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  const line = stdout.trimEnd().split("\n").at(-1)!;
  return Object.fromEntries(
    [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, Number(value)]),
  );
}

/** Opened like this, what is in the way of a peer that makes it itself is nothing. */
const SMALL = { lanes: 3, laneCapacity: 1024 } as const;
const SMALL_FLAGS = ["--lanes", 3, "--capacity", 1024] as const;

testWith(
  C_NEEDS,
  "shm_channel.h: messages from TypeScript to C arrive, in all ways of sending",
  async () => {
    using channel = scratchChannel(SMALL);
    await using receiver = peer.start("recv", channel.key, 4000, "--spin", 0);
    using producer = channel.producer({ spin: 0 });
    for (let sequence = 0; sequence < 4000; sequence++) {
      const message = peerMessage(sequence, 7, lengthOf(sequence, 300));
      const options = { tag: 7, timeout: SOON };
      switch (sequence % 4) {
        case 0:
          await producer.send(message, options);
          break;
        case 1:
          producer.sendSync(message, options);
          break;
        case 2: {
          if (producer.sendBatch([message], { tag: 7 }) === 0) producer.sendSync(message, options);
          break;
        }
        default: {
          const reservation = producer.claim(message.length, { tag: 7 });
          reservation?.bytes.set(message);
          if (reservation !== undefined) reservation.commit();
          else producer.sendSync(message, options);
        }
      }
    }
    const { messages, tags } = await summary(receiver);
    assert.deepEqual([messages, tags], [4000, 1]);
  },
);

testWith(
  C_NEEDS,
  "shm_channel.h: messages from C to TypeScript arrive, in all ways of receiving",
  async () => {
    using channel = scratchChannel(SMALL);
    using consumer = channel.consumer({ spin: 0 });
    await using one = peer.start("send", channel.key, 2000, "0-300", 5, "--tag", 1, "--spin", 0);
    await using two = peer.start("send", channel.key, 2000, 8, 1, "--tag", 2);
    const checker = new Checker();
    while (checker.count < 4000) {
      const { bytes, tag } = checker.count % 2 === 0
        ? await consumer.receive({ timeout: SOON })
        : consumer.receiveSync({ timeout: SOON, ack: "after" });
      checker.check(bytes, tag);
      consumer.drain((bytes, tag) => checker.check(bytes, tag), { max: 10 });
    }
    assert.deepEqual(checker.tags, { 1: 2000, 2: 2000 });
    for (const sender of [one, two]) assert.equal((await summary(sender)).messages, 2000);
    assert.equal(consumer.tryReceive(), undefined);
  },
);

testWith(
  C_NEEDS,
  "shm_channel.h: a C consumer receives from C and TypeScript until all have closed",
  async () => {
    using channel = scratchChannel(SMALL);
    // A deadline would look again too: there is none before the test is over
    const flags = ["--until-closed", "--spin", 0, "--timeout", 600];
    await using receiver = peer.start("recv", channel.key, 0, ...flags);
    await receiver.line();
    const producer = channel.producer();
    await using sender = peer.start("send", channel.key, 3000, "0-400", 3, "--tag", 1);
    for (let sequence = 0; sequence < 3000; sequence++) {
      const message = peerMessage(sequence, 2, lengthOf(sequence, 100));
      await producer.send(message, { tag: 2, timeout: SOON });
    }
    await summary(sender);
    // The receiver sleeps, as all of C has: only a close of ours can wake it
    producer.close();
    const { messages, tags } = await summary(receiver);
    assert.deepEqual([messages, tags], [6000, 2]);
  },
);

testWith(
  C_NEEDS,
  "Consumer.receive: C and TypeScript producers are received until all have closed",
  async () => {
    using channel = scratchChannel(SMALL);
    using consumer = channel.consumer();
    await using sender = peer.start("send", channel.key, 3000, "0-400", 3, "--tag", 1);
    await sender.line();
    const producer = channel.producer();
    const sending = (async () => {
      for (let sequence = 0; sequence < 1000; sequence++) {
        const message = peerMessage(sequence, 2, lengthOf(sequence, 100));
        await producer.send(message, { tag: 2, timeout: SOON });
      }
      producer.close();
    })();
    const checker = new Checker();
    for await (const { bytes, tag } of consumer.messages({ until: "closed", timeout: SOON })) {
      checker.check(bytes, tag);
    }
    await sending;
    assert.deepEqual(checker.tags, { 1: 3000, 2: 1000 });
    await summary(sender);
  },
);

testWith(C_NEEDS, "shm_channel.h: positions and counts pass 2^32, in both directions", async () => {
  using channel = scratchChannel();
  const passed = 2 ** 32 - 5;
  beginAt(channel, 2 ** 32 - 64, passed);
  const checker = new Checker();
  {
    using consumer = channel.consumer();
    await using sender = peer.start("send", channel.key, 50, "0-100", 4, "--tag", 1);
    while (checker.count < 50) {
      const { bytes, tag } = await consumer.receive({ timeout: SOON });
      checker.check(bytes, tag);
    }
    consumer.ack();
    await summary(sender);
  }
  assert.equal(channel.stats().lanes[0]!.messages, passed + 50);
  beginAt(channel, 2 ** 32 - 64, passed);
  await using receiver = peer.start("recv", channel.key, 50);
  using producer = channel.producer();
  for (let sequence = 0; sequence < 50; sequence++) {
    await producer.send(peerMessage(sequence, 1, lengthOf(sequence, 100)), {
      tag: 1,
      timeout: SOON,
    });
  }
  assert.equal((await summary(receiver)).messages, 50);
  const [lane] = channel.stats().lanes;
  assert.deepEqual([lane!.messages, lane!.depth], [passed + 50, 0]);
});

testWith(C_NEEDS, "shm_channel_stats: C and TypeScript return the same numbers", async () => {
  using channel = scratchChannel(SMALL);
  using producer = channel.producer();
  while (producer.trySend(new Uint8Array(100)));
  await using full = peer.start("send", channel.key, 0, 500, "--timeout", 1e-3, "--spin", 0);
  assert.equal((await full.ended()).code, 1);
  await using looking = peer.start("stat", channel.key);
  const { stdout } = await looking.ended();
  const { lanes } = channel.stats();
  assert.deepEqual(lanes.map(({ fullWaits }) => fullWaits), [0, 1, 0]);
  for (const lane of lanes) {
    const { depth, bytes, messages, fullWaits, opened, closed, alive } = lane;
    assert.match(
      stdout,
      new RegExp(
        `^lane ${lane.lane} depth=${depth} bytes=${bytes} messages=${messages} ` +
          `full_waits=${fullWaits} opened=${opened} closed=${closed} alive=${Number(alive)} ` +
          `pid=${alive ? lane.pid : 0}$`,
        "m",
      ),
    );
  }
  using consumer = channel.consumer();
  consumer.drain(() => {});
});

testWith(C_NEEDS, "Channel.close: the last peer removes a channel that C created", async () => {
  const key = freshKey();
  await using receiver = peer.start("recv", key, 1, ...SMALL_FLAGS);
  await receiver.line();
  const channel = Channel.open(key);
  assert.deepEqual([channel.created, channel.lanes, channel.laneCapacity], [false, 3, 1024]);
  channel.producer().trySend(peerMessage(0, 1, 8), { tag: 1 });
  await summary(receiver);
  assert.equal(channel.close(), "removed");
});

testWith(
  C_NEEDS,
  "shm_channel_leave: the last peer removes a channel that TypeScript created",
  async () => {
    const channel = scratchChannel(SMALL);
    await using receiver = peer.start("recv", channel.key, 0);
    await receiver.line();
    assert.equal(channel.close(), "in use");
    receiver.kill("SIGTERM");
    assert.equal((await summary(receiver)).messages, 0);
    assert.throws(() => Channel.open(channel.key), { code: "ENOENT" });
  },
);

testWith(C_NEEDS, "Channel.close: a persistent channel that C created stays", async () => {
  const key = freshKey();
  await using sender = peer.start("send", key, 1, 8, "--keep");
  await summary(sender);
  const channel = Channel.open(key);
  channel.consumer().drain(() => {});
  assert.equal(channel.close(), "kept");
  const again = Channel.open(key);
  again.remove();
  again.close();
});

testWith(
  C_NEEDS,
  "Consumer.receive: messages of a C process that has ended are received",
  async () => {
    const key = freshKey();
    await using sender = peer.start("send", key, 4, "0-60", ...SMALL_FLAGS, "--tag", 1);
    await summary(sender);
    using channel = Channel.open(key, { timeout: 0 });
    using consumer = channel.consumer();
    const checker = new Checker();
    consumer.drain((bytes, tag) => checker.check(bytes, tag));
    assert.equal(checker.count, 4);
    const [lane] = channel.stats().lanes;
    assert.deepEqual([lane!.opened, lane!.closed, lane!.messages], [1, 1, 4]);
  },
);

testWith(C_NEEDS, "Consumer.receive: the stream ends when a C producer is killed", async () => {
  using channel = scratchChannel(SMALL);
  using consumer = channel.consumer();
  await using sender = slicedPeer.start("send", channel.key, 0, 100);
  await sender.line();
  let received = 0;
  for await (const _ of consumer.messages({ until: "closed", timeout: SOON })) {
    if (++received === 100) sender.kill("SIGKILL");
  }
  assert(received >= 100);
  const [lane] = channel.stats().lanes;
  assert.deepEqual([lane!.opened, lane!.closed, lane!.alive], [1, 0, false]);
});

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "shm_channel_receive: the stream ends when a TypeScript producer is killed",
  async () => {
    using channel = scratchChannel(SMALL);
    await using receiver = slicedPeer.start("recv", channel.key, 0, "--until-closed");
    await receiver.line();
    await using sender = Peer.typescript(`
      import { Channel } from "@sysv/shm";
      const producer = Channel.open(${channel.key}).producer();
      producer.trySend(new Uint8Array(8), { tag: 1 });
      console.log("sent");
      setInterval(() => {}, 1000);
    `);
    await sender.line();
    sender.kill("SIGKILL");
    assert.equal((await summary(receiver)).messages, 1);
  },
);

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "shm_channel.h: round trips between TypeScript and C, where both sleep in between",
  async () => {
    using there = scratchChannel();
    using back = scratchChannel();
    await using pong = peer.start("pong", there.key, back.key, 300, "--spin", 0);
    using producer = there.producer({ spin: 0 });
    using consumer = back.consumer({ spin: 0 });
    for (let i = 0; i < 300; i++) {
      const message = peerMessage(i, 9, lengthOf(i, 100));
      await producer.send(message, { tag: 9, timeout: SOON });
      const { bytes, tag } = await consumer.receive({ timeout: SOON });
      assert.deepEqual([bytes, tag], [message, 9]);
    }
    consumer.ack();
    assert.equal((await pong.ended()).code, 0);
  },
);
