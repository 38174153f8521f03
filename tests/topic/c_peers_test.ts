/**
 * TypeScript and C at one topic, while both run: `peer.c` against the library. What one message at a time
 * shows is in `tests/interop/conformance_test.ts`.
 */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { numberedBytes, numberedLength, summary } from "../support/c_peer.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { scratchTopic } from "./scratch_topic.ts";

guardAgainstLeaks();

/** It is woken or it sleeps for ever: so it is woken. */
const peer = new CProgram(new URL("peer.c", import.meta.url), "-O2", "-DSHM_SLICE_MS=600000");

/** Checks messages as they come: of one lane, whole, in order, and missed exactly. */
class Checker {
  received = 0;
  missed = 0;
  last = 0;

  constructor(readonly most: number) {}

  check(bytes: Uint8Array, missed: number): void {
    this.last += missed + 1;
    this.received++;
    this.missed += missed;
    assert.deepEqual(bytes, numberedBytes(this.last, numberedLength(this.last, this.most)));
  }
}

for (const flags of [[], ["--drain"], ["--read-only", "--drain"]]) {
  testWith(
    C_NEEDS,
    `shm_topic_receive: messages of TypeScript come whole, in order, and missed exactly ${flags}`,
    async () => {
      using topic = scratchTopic({ lanes: 2, laneCapacity: 4096 });
      using publisher = topic.publisher();
      await using subscriber = peer.start("subscribe", topic.key, 40_000, "--spin", 0, ...flags);
      await subscriber.line();
      for (let number = 1; number <= 40_000;) {
        const messages = [];
        for (let i = number % 7; i >= 0 && number <= 40_000; i--) {
          messages.push(numberedBytes(number, numberedLength(number, 200)));
          number++;
        }
        if (messages.length === 1) publisher.publish(messages[0]!, { tag: 5 });
        else publisher.publishBatch(messages, { tag: 5 });
        if (number % 400 === 0) await delay(0);
      }
      const { messages, missed } = await summary(subscriber);
      assert.equal(messages! + missed!, 40_000);
    },
  );
}

testWith(C_NEEDS, "Subscriber.missed: is exact when C overruns it", async () => {
  using topic = scratchTopic({ laneCapacity: 4096 });
  using subscriber = topic.subscriber();
  await using publisher = peer.start("publish", topic.key, 1_000_000);
  const checker = new Checker(64);
  // What is missed at the end is reported by no message
  while (checker.received + subscriber.missed < 1_000_000) {
    const count = subscriber.drain((bytes, _tag, _lane, missed) => checker.check(bytes, missed));
    if (count === 0) await delay(0);
  }
  await summary(publisher);
  assert.equal(checker.received + subscriber.missed, 1_000_000);
  assert(checker.missed <= subscriber.missed);
});

testWith(C_NEEDS, "shm_topic_receive: sleeps until TypeScript wakes it, each time", async () => {
  using topic = scratchTopic({ laneCapacity: 1 << 16 });
  using publisher = topic.publisher();
  // Three that sleep on one word: each of them must be woken
  await using one = peer.start("subscribe", topic.key, 300, "--spin", 0);
  await using two = peer.start("subscribe", topic.key, 300, "--spin", 0, "--drain");
  await using three = peer.start("subscribe", topic.key, 300, "--read-only");
  for (const subscriber of [one, two, three]) await subscriber.line();
  for (let number = 1; number <= 300; number++) {
    publisher.publish(numberedBytes(number, 64));
    await delay(1);
  }
  for (const subscriber of [one, two, three]) {
    assert.deepEqual(await summary(subscriber), { messages: 300, missed: 0 });
  }
});

testWith(C_NEEDS, "shm_topic_lane_stats: C and TypeScript return the same numbers", async () => {
  using topic = scratchTopic({ lanes: 2, laneCapacity: 1024 });
  using one = topic.publisher();
  one.publish(new Uint8Array(8));
  {
    using two = topic.publisher();
    two.publishBatch([new Uint8Array(8), new Uint8Array(9)]);
  }
  await using looking = peer.start("stat", topic.key, 0);
  assert.equal(
    (await looking.ended()).stdout,
    `lane 0 messages=1 opened=1 closed=0 alive=1 pid=${Deno.pid}\n` +
      "lane 1 messages=2 opened=1 closed=1 alive=0 pid=0\nin use\n",
  );
});
