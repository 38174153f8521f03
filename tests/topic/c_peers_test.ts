/** TypeScript and C at one topic, in all roles: `peer.c` against the library. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Segment, Topic } from "../../mod.ts";
import { LANE_WORD, STATE_WORD } from "../../src/topic/lane_words.ts";
import { GEOMETRY } from "../../src/topic/lanes.ts";
import { LANE } from "../../src/topic/descriptor.ts";
import { numberedBytes, numberedLength, refused, summary } from "../support/c_peer.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { scratchTopic, SOON } from "./scratch_topic.ts";

guardAgainstLeaks();

const PEER = new URL("peer.c", import.meta.url);

/** It is woken or it sleeps for ever: so it is woken. */
const peer = new CProgram(PEER, "-O2", "-DSHM_SLICE_MS=600000");
/** As it is for everybody. */
const slicedPeer = new CProgram(PEER, "-O2");

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

testWith(C_NEEDS, "shm_topic_publish: TypeScript gets all that C publishes", async () => {
  using topic = scratchTopic({ lanes: 2, laneCapacity: 1 << 16 });
  using subscriber = topic.subscriber({ spin: 0 });
  await using one = peer.start("publish", topic.key, 2000, "--length", 300, "--pause", 50);
  const checker = new Checker(300);
  while (checker.last < 2000) {
    const { bytes, missed, number, tag } = await subscriber.receive({ timeout: SOON });
    checker.check(bytes, missed);
    assert.deepEqual([number, tag], [checker.last, 7]);
    subscriber.drain((bytes, tag, lane, missed) => {
      checker.check(bytes, missed);
      assert.deepEqual([tag, lane], [7, 0]);
    });
  }
  assert.deepEqual(await summary(one), { messages: 2000, number: 2000 });
  assert.equal(checker.missed, subscriber.missed);
});

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

testWith(
  C_NEEDS,
  "shm_topic_receive: one that was stopped learns exactly what it missed",
  async () => {
    using topic = scratchTopic({ laneCapacity: 1024 });
    using publisher = topic.publisher();
    const flags = ["--stop-at", 3, "--print"];
    await using subscriber = slicedPeer.start("subscribe", topic.key, 1000, ...flags);
    await subscriber.line();
    let sent = 0;
    const send = (to: number): void => {
      while (sent < to) sent = publisher.publish(numberedBytes(sent + 1, 8));
    };
    send(3);
    await subscriber.stdout(/^0 3 0 8 0$/m);
    send(1000);
    subscriber.kill("SIGCONT");
    const { messages, missed } = await summary(subscriber);
    assert.equal(messages! + missed!, 1000);
    // The ring of 1024 bytes holds 42 records of 24 bytes, and an eighth is left to the publisher
    assert(messages! >= 3 + 30 && messages! <= 3 + 42, String(messages));
    const first = /^0 (\d+) ([1-9]\d*) /m.exec(subscriber.printed.stdout)!;
    assert.deepEqual([Number(first[1]), Number(first[2])], [4 + missed!, missed]);
  },
);

testWith(
  C_NEEDS,
  "shm_topic_open_subscriber: history is what the ring holds, at most so many",
  async () => {
    using topic = scratchTopic({ lanes: 2, laneCapacity: 1024 });
    {
      using publisher = topic.publisher();
      for (let n = 1; n <= 500; n++) publisher.publish(numberedBytes(n, numberedLength(n, 40)));
    }
    using all = topic.subscriber({ history: "all" });
    let held = 0;
    all.drain(() => held++);
    for (const [history, count] of [[1, 1], [5, 5], [1000, held], ["all", held]] as const) {
      const flags = ["--history", history, "--timeout", 0.05];
      await using subscriber = slicedPeer.start("subscribe", topic.key, count, ...flags);
      const { messages, missed } = await summary(subscriber);
      assert.deepEqual([messages, missed], [count, 0]);
    }
  },
);

testWith(C_NEEDS, "Topic.subscriber: history is what C has published", async () => {
  using topic = scratchTopic({ laneCapacity: 1024 });
  await using publisher = peer.start("publish", topic.key, 500, "--length", 40, "--batch", 5);
  await summary(publisher);
  using subscriber = topic.subscriber({ history: 10 });
  const checker = new Checker(40);
  checker.last = 490;
  subscriber.drain((bytes, _tag, _lane, missed) => checker.check(bytes, missed));
  assert.deepEqual([checker.last, checker.received], [500, 10]);
});

testWith(C_NEEDS, "shm_topic_receive: sleeps until TypeScript wakes it, each time", async () => {
  using topic = scratchTopic({ laneCapacity: 1 << 16 });
  using publisher = topic.publisher();
  // Three that sleep on one word: each of them must be woken
  await using one = peer.start("subscribe", topic.key, 300, "--spin", 0);
  await using two = peer.start("subscribe", topic.key, 300, "--spin", 0, "--drain");
  await using three = slicedPeer.start("subscribe", topic.key, 300, "--read-only");
  for (const subscriber of [one, two, three]) await subscriber.line();
  for (let number = 1; number <= 300; number++) {
    publisher.publish(numberedBytes(number, 64));
    await delay(1);
  }
  for (const subscriber of [one, two, three]) {
    assert.deepEqual(await summary(subscriber), { messages: 300, missed: 0 });
  }
});

testWith(
  C_NEEDS,
  "shm_topic_open_publisher: the next owner of a lane goes on, after kills too",
  async () => {
    using topic = scratchTopic({ laneCapacity: 4096 });
    using subscriber = topic.subscriber({ spin: 0 });
    let number = 0;
    for (let kill = 0; kill < 5; kill++) {
      await using publisher = peer.start("publish", topic.key, 0, "--batch", 10);
      await subscriber.receive({ timeout: SOON });
      publisher.kill("SIGKILL");
      await publisher.ended();
      // A call ends where it was overrun
      while (subscriber.drain(() => {}) > 0);
      using next = topic.publisher();
      assert.equal(next.lane, 0);
      const before = number;
      number = next.publish(new Uint8Array(8));
      assert(number > before + 1);
      const message = await subscriber.receive({ timeout: SOON });
      assert.equal(message.number, number);
    }
  },
);

/** Lets lane 0 begin at `position`, as if `messages` had passed. For a topic without peers. */
function beginAt({ id }: Topic, position: number, messages: number): void {
  using segment = Segment.attach(id);
  const words = new Int32Array(segment.buffer, GEOMETRY.laneOffset(0), LANE.size / 4);
  words[LANE_WORD.INTENT] = words[LANE_WORD.TAIL] = position;
  for (const state of [LANE_WORD.STATE_0, LANE_WORD.STATE_1]) {
    words[state + STATE_WORD.TAIL] = position;
    words[state + STATE_WORD.LAST] = position - 24;
    words[state + STATE_WORD.COUNT_LOW] = messages;
    words[state + STATE_WORD.COUNT_HIGH] = messages / 2 ** 32;
    words[state + STATE_WORD.TAIL_HIGH] = position / 2 ** 32;
  }
}

testWith(C_NEEDS, "shm_topic.h: positions and numbers pass 2^32, in both directions", async () => {
  using topic = scratchTopic({ laneCapacity: 4096 });
  const passed = 2 ** 32 - 5;
  const position = 2 ** 37 - 64;
  beginAt(topic, position, passed);
  {
    await using subscriber = peer.start("subscribe", topic.key, 20);
    await subscriber.line();
    using publisher = topic.publisher();
    for (let number = passed + 1; number <= passed + 20; number++) {
      assert.equal(publisher.publish(numberedBytes(number, 24)), number);
    }
    assert.deepEqual(await summary(subscriber), { messages: 20, missed: 0 });
  }
  beginAt(topic, position, passed);
  using subscriber = topic.subscriber();
  await using publisher = peer.start("publish", topic.key, 20, "--length", 24);
  assert.equal((await summary(publisher)).number, passed + 20);
  for (let number = passed + 1; number <= passed + 20; number++) {
    const message = subscriber.tryReceive()!;
    assert.deepEqual([message.number, message.missed], [number, 0]);
    assert.deepEqual(message.bytes, numberedBytes(number, numberedLength(number, 24)));
  }
});

testWith(
  C_NEEDS,
  "shm_topic_leave: the last that joined removes it, read-only ones do not",
  async () => {
    const key = freshKey();
    await using publisher = peer.start("publish", key, 0, "--pause", 1000);
    await publisher.line();
    await using watcher = slicedPeer.start("subscribe", key, 0, "--read-only");
    await watcher.line();
    const topic = Topic.open(key);
    assert.deepEqual([topic.created, topic.lanes, topic.laneCapacity], [false, 8, 1 << 20]);
    publisher.kill("SIGTERM");
    assert.match((await publisher.ended()).stdout, /\nin use\n$/);
    assert.equal(topic.close(), "removed");
    await refused(watcher, /cannot use the topic: it was removed while in use, key/);
  },
);

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
