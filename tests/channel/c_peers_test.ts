/**
 * TypeScript and C on one channel: `peer.c` against the library, in all ways of sending and receiving. What
 * one message at a time shows is in `tests/interop/conformance_test.ts`.
 */

import assert from "node:assert/strict";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import type { Peer } from "../support/peer.ts";
import { Checker, cPeer, lengthOf, peerMessage } from "./peer_messages.ts";
import { scratchChannel, SOON } from "./scratch_channel.ts";

guardAgainstLeaks();

/** It is woken or it sleeps for ever: so it is woken. */
const peer = cPeer("-DSHM_SLICE_MS=600000");

/** Waits for its end, which must be a good one, and gives its last line as names and numbers. */
async function summary(program: Peer): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  const line = stdout.trimEnd().split("\n").at(-1)!;
  return Object.fromEntries(
    [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, Number(value)]),
  );
}

const SMALL = { lanes: 3, laneCapacity: 1024 } as const;

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
