/** A topic between processes and users: killed publishers, stopped and late subscribers, no trace. */

import assert from "node:assert/strict";
import { Segment, Topic } from "../../mod.ts";
import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { byte, drained } from "./scratch_topic.ts";

guardAgainstLeaks();

/** A safety net only. */
const SOON = { timeout: 60_000 };

/** The words of message `n`: all of them are `n`, and their number depends on it. */
const WORDS = "(n) => new Uint32Array(1 + n % 50).fill(n)";
const words = (n: number): Uint32Array => new Uint32Array(1 + n % 50).fill(n);

/** Whether these bytes are message `n`. */
function isWhole(bytes: Uint8Array<ArrayBuffer>, n: number): boolean {
  const there = new Uint32Array(bytes.slice().buffer);
  return there.length === 1 + n % 50 && there.every((word) => word === n);
}

/** Publishes messages whose content is their number, from the lane's number on, without an end. */
function endlessPublisher(key: number, batch: boolean): Peer {
  return Peer.typescript(`
    import { Topic } from "@sysv/shm";
    const words = ${WORDS};
    const publisher = Topic.open(${key}).publisher();
    let n = publisher.publishBatch([]) + 1;
    console.log(publisher.lane, n);
    for (;;) {
      if (${batch}) n = publisher.publishBatch([words(n), words(n + 1), words(n + 2)]) + 1;
      else n = publisher.publish(words(n)) + 1;
      if (n % 1000 < 3) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  `);
}

testWith(
  { tools: ["deno"] },
  "Publisher: one that is killed anywhere leaves whole messages, and its lane is free at once",
  async () => {
    const key = freshKey();
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    using subscriber = topic.subscriber();
    const start = seed();
    const random = new Random(start);
    let last = 0;
    let received = 0;
    const look = (): void => {
      for (let i = 0; i < 500; i++) {
        const next = subscriber.tryReceive();
        if (next === undefined) return;
        assert.equal(next.number, last + 1 + next.missed, `seed ${start}`);
        assert(isWhole(next.bytes, next.number), `message ${next.number} is torn, seed ${start}`);
        last = next.number;
        received++;
      }
    };
    for (let kill = 0; kill < 10; kill++) {
      await using publisher = endlessPublisher(key, kill % 2 === 1);
      const [lane, first] = (await publisher.line()).split(" ").map(Number);
      assert.equal(lane, 0);
      assert(first! > last);
      await subscriber.ready(SOON);
      for (let looks = random.below(20); looks >= 0; looks--) look();
      publisher.kill("SIGKILL");
      await publisher.ended();
      using next = topic.publisher();
      const count = next.publishBatch([]);
      subscriber.drain((bytes, _tag, _lane, missed) => {
        last += 1 + missed;
        assert(isWhole(bytes, last), `seed ${start}`);
        received++;
      });
      assert.equal(received + subscriber.missed, count);
    }
  },
);

testWith(
  { tools: ["deno"] },
  "Topic: publishers and subscribers in many processes, and every message is received or counted",
  async () => {
    const key = freshKey();
    using _topic = Topic.openOrCreate({ key, lanes: 2, laneCapacity: 1 << 14 });
    const last = 20_000;
    const subscribers = [[false, false], [true, false], [false, true]].map(([readOnly, drains]) =>
      Peer.typescript(`
        import { Topic } from "@sysv/shm";
        using topic = Topic.open(${key}, { readOnly: ${readOnly} });
        using subscriber = topic.subscriber();
        console.log("ready");
        const numbers = [0, 0];
        let received = 0;
        const check = (bytes, lane, missed) => {
          const n = numbers[lane] += 1 + missed;
          const words = new Uint32Array(bytes.slice().buffer);
          if (words.length !== 1 + n % 50 || words.some((word) => word !== n)) throw new Error("torn " + n);
          received++;
        };
        const isOver = () => numbers.every((n) => n === ${last});
        if (${drains}) {
          while (!isOver() && await subscriber.ready()) {
            subscriber.drain((bytes, tag, lane, missed) => check(bytes, lane, missed));
          }
        } else {
          for await (const { bytes, lane, number, missed } of subscriber) {
            check(bytes, lane, missed);
            if (number !== numbers[lane]) throw new Error("number");
            if (isOver()) break;
          }
        }
        console.log(received + subscriber.missed);
      `)
    );
    for (const subscriber of subscribers) assert.equal(await subscriber.line(), "ready");
    await Promise.all([0, 1].map(async () => {
      await using publisher = Peer.typescript(`
        import { Topic } from "@sysv/shm";
        const words = ${WORDS};
        using topic = Topic.open(${key});
        using publisher = topic.publisher();
        for (let n = 1; n <= ${last}; n++) {
          publisher.publish(words(n));
          if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        }
      `);
      const { code, stderr } = await publisher.ended();
      assert.equal(code, 0, stderr);
    }));
    for (const subscriber of subscribers) {
      assert.equal(await subscriber.line(), String(2 * last));
      const { code, stderr } = await subscriber.ended();
      assert.equal(code, 0, stderr);
    }
  },
);

testWith(
  { tools: ["deno"] },
  "Subscriber: one that is stopped holds up nobody, and learns what it missed",
  async () => {
    const key = freshKey();
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    using publisher = topic.publisher();
    await using peer = Peer.typescript(`
      import { Topic } from "@sysv/shm";
      using topic = Topic.open(${key});
      using subscriber = topic.subscriber();
      console.log("ready");
      let received = 0;
      for await (const { bytes, number, missed } of subscriber) {
        const words = new Uint32Array(bytes.buffer);
        if (words[0] !== number || words.some((word) => word !== number)) throw new Error("torn");
        received++;
        if (number === 1) console.log("first");
        if (missed > 0) console.log("missed");
        if (words[0] === 100_000) break;
      }
      console.log(received, subscriber.missed, received + subscriber.missed);
    `);
    assert.equal(await peer.line(), "ready");
    publisher.publish(words(1));
    assert.equal(await peer.line(), "first");
    peer.kill("SIGSTOP");
    for (let n = 2; n <= 99_999; n++) publisher.publish(words(n));
    peer.kill("SIGCONT");
    assert.equal(await peer.line(), "missed");
    publisher.publish(words(100_000));
    const [received, missed, all] = (await peer.line()).split(" ").map(Number);
    assert.equal(all, 100_000);
    assert(missed! > 99_000 && received! > 1, `${received} received, ${missed} missed`);
    assert.equal((await peer.ended()).code, 0);
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Topic with readOnly: another user subscribes and waits, and nothing in the memory tells of it",
  async () => {
    const key = freshKey();
    using topic = Topic.openOrCreate({ key, mode: 0o644, lanes: 2, laneCapacity: 256 });
    using publisher = topic.publisher();
    publisher.publish(byte(1));
    using segment = Segment.attach(topic.id);
    const before = segment.read();
    await using peer = asNobody(`
      import { Topic } from "@sysv/shm";
      try {
        Topic.open(${key});
      } catch ({ code, remedy }) {
        console.log(code, remedy);
      }
      const topic = Topic.open(${key}, { readOnly: true });
      const subscriber = topic.subscriber({ history: "all" });
      console.log(subscriber.tryReceive().bytes[0], subscriber.tryReceive());
      console.log((await subscriber.receive()).bytes[0]);
      console.log(subscriber.receiveSync().bytes[0]);
      try {
        await subscriber.receive();
      } catch ({ code }) {
        console.log(code, topic.close());
      }
    `);
    assert.equal(await peer.line(), "EACCES open it with readOnly: true");
    assert.equal(await peer.line(), "1 undefined");
    assert.deepEqual(segment.read(), before);
    publisher.publish(byte(2));
    assert.equal(await peer.line(), "2");
    publisher.publish(byte(3));
    assert.equal(await peer.line(), "3");
    assert.equal(topic.close(), "removed");
    assert.equal(await peer.line(), "EIDRM kept");
    assert.deepEqual([(await peer.ended()).code, peer.printed.stderr], [0, ""]);
  },
);

testWith(
  { tools: ["deno"] },
  "Subscriber: one that comes late gets the history, after its publisher has gone",
  async () => {
    const key = freshKey();
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    {
      await using publisher = Peer.typescript(`
        import { Topic } from "@sysv/shm";
        using topic = Topic.open(${key});
        using publisher = topic.publisher();
        for (let n = 1; n <= 100; n++) publisher.publish(Uint8Array.of(n));
      `);
      assert.equal((await publisher.ended()).code, 0);
    }
    using three = topic.subscriber({ history: 3 });
    using all = topic.subscriber({ history: "all" });
    assert.deepEqual(drained(three), [98, 99, 100]);
    assert.deepEqual(drained(all), Array.from({ length: 100 }, (_, i) => i + 1));
  },
);
