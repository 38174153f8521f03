/** What must hold between a producer and a consumer of a channel, whatever languages they are in. */

import assert from "node:assert/strict";
import { statChannel } from "../../../mod.ts";
import { findSegment } from "../../../src/sysv/mod.ts";
import { type Headed, headedCases } from "./headed_cases.ts";
import { type Handle, type OpenOptions, refused } from "./line_peer.ts";
import { type Case, type Scene, withEndlessSleeps } from "./scene.ts";

const SHAPE = { lanes: 1, capacity: 256 } as const;

/** The longest message of {@linkcode SHAPE}. */
const LONGEST = "x".repeat(120);

const CHANNEL: Headed = {
  roles: ["producer", "consumer"],
  shape: { lanes: 2, capacity: 256 },
  otherShapes: [{ lanes: 3 }, { capacity: 512 }, { size: 16 }],
  otherKind: [0x4c4d4853, "Latest"],
};

/** Offsets of words in the segment, as `docs/wire_format.md` has them. */
const ASLEEP = 128;
const TAIL = 256;
const LANE_ASLEEP = 260;
const HEAD = 384;
/** From `tail` or `head` to its tallies, of 12 bytes each. */
const TAIL_TALLIES = 20;
const HEAD_TALLIES = 4;

/** A producer and a consumer; the consumer creates. */
async function pair(
  { sender, receiver, key }: Scene,
  options: OpenOptions = SHAPE,
): Promise<readonly [Handle, Handle]> {
  const consumer = await receiver.open("consumer", key, options);
  return [await sender.open("producer", key), consumer];
}

/** Many messages of many lengths, of which each tells its number. */
function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${n} ${"x".repeat(n * 7 % 100)}`);
}

/** The cases of the channel. */
export const CHANNEL_CASES: readonly Case[] = [
  {
    name: "messages from the empty to the longest one arrive in order, with tag and lane",
    play: async (scene) => {
      const [producer, consumer] = await pair(scene);
      for (const tag of [0, 7, 0xffffffff]) {
        for (const text of ["", "a", "12345678", "grüße, 水", LONGEST]) {
          assert.deepEqual(await producer.send(text, { tag }), ["sent"]);
          assert.deepEqual(await consumer.messages(1), [{ text, tag, lane: 0 }]);
        }
      }
      await consumer.ack();
    },
  },
  {
    name: "a message that is too long, or not of the one size, is refused and not sent",
    play: async (scene) => {
      const [producer, consumer] = await pair(scene);
      await refused(producer.send(`${LONGEST}x`));
      await consumer.none();
      await consumer.close();
      await producer.close();
      const [sized, receiving] = await pair(scene, { ...SHAPE, size: 16 });
      for (const length of [0, 15, 17]) await refused(sized.send("x".repeat(length)));
      await sized.send("x".repeat(16));
      assert.deepEqual(await receiving.texts(1), ["x".repeat(16)]);
      await receiving.ack();
    },
  },
  {
    name: "a producer that has created the channel and is gone leaves its messages",
    play: async ({ sender, receiver, key }) => {
      const producer = await sender.open("producer", key, { lanes: 3, capacity: 65536 });
      const all = numbered(100);
      await producer.send(all);
      await producer.close();
      const consumer = await receiver.open("consumer", key, { open: 1 });
      assert.deepEqual(await consumer.texts(all.length), all);
      await consumer.ack();
    },
  },
  {
    name: "300 messages pass a ring of 256 bytes while both sides run",
    play: async (scene) => {
      const [producer, consumer] = await pair(scene);
      const all = numbered(300);
      const sent = producer.send(all);
      assert.deepEqual(await consumer.texts(all.length), all);
      await consumer.ack();
      assert.deepEqual(new Set(await sent), new Set(["sent"]));
    },
  },
  {
    name: "each producer has a lane of its own, and there are no more than lanes",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const consumer = await receiver.open("consumer", key, { lanes: 3, capacity: 1024 });
      const producers = [];
      for (let n = 0; n < 3; n++) producers.push(await sender.open("producer", key));
      await refused(sender.open("producer", key));
      await refused(receiver.open("producer", key));
      for (let n = 0; n < 4; n++) {
        for (const [lane, producer] of producers.entries()) await producer.send(`${lane}.${n}`);
      }
      const received = await consumer.messages(12);
      for (const lane of [0, 1, 2]) {
        const texts = received.filter((each) => each["lane"] === lane).map(({ text }) => text);
        assert.deepEqual(texts, [0, 1, 2, 3].map((n) => `${lane}.${n}`));
      }
      await consumer.ack();
      await producers[1]!.close();
      await (await receiver.open("producer", key)).send("in the free lane");
      assert.deepEqual(await consumer.messages(1), [{ text: "in the free lane", tag: 0, lane: 1 }]);
      await consumer.ack();
    },
  },
  {
    name: "there is one consumer at a time, and it is named",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const [, consumer] = await pair(scene);
      const named = new RegExp(`process ${receiver.pid}\\b`);
      await refused(sender.open("consumer", key), named);
      await consumer.close();
      await sender.open("consumer", key);
    },
  },
  {
    name: "what is put back, or not acknowledged at a close, is received again",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const [producer, consumer] = await pair(scene);
      await producer.send(["one", "two", "three"]);
      assert.deepEqual(await consumer.texts(2), ["one", "two"]);
      await consumer.nack();
      assert.deepEqual(await consumer.texts(1), ["two"]);
      await consumer.close();
      const next = await sender.open("consumer", key);
      assert.deepEqual(await next.texts(1), ["two"]);
      await next.ack();
      await next.close();
      const last = await receiver.open("consumer", key);
      assert.deepEqual(await last.texts(1), ["three"]);
      await last.ack();
    },
  },
  {
    name:
      "a consumer that is killed leaves its message to the next one, in the producer's language",
    kills: "receiver",
    play: async (scene, kill) => {
      const { sender, key } = scene;
      const [producer, consumer] = await pair(scene);
      await producer.send(["one", "two", "three"]);
      assert.deepEqual(await consumer.texts(2), ["one", "two"]);
      await kill();
      const next = await sender.open("consumer", key);
      assert.deepEqual(await next.texts(2), ["two", "three"]);
      await next.ack();
    },
  },
  {
    name: "of a producer that is killed the published messages arrive, then the stream ends",
    kills: "sender",
    play: async (scene, kill) => {
      const { receiver, key } = scene;
      const [producer, consumer] = await pair(scene, { ...SHAPE, closed: 1 });
      await producer.send(["one", "two"]);
      await producer.stage("never published");
      await kill();
      assert.deepEqual((await consumer.receive(3)).at(-1), "end");
      const [lane] = statChannel(findSegment(key)!).lanes;
      assert.deepEqual([lane!.opened, lane!.closed, lane!.alive], [1, 0, false]);
      const next = await receiver.open("producer", key);
      await next.send("in the free lane");
      assert.deepEqual(await consumer.texts(1), ["in the free lane"]);
      await consumer.ack();
    },
  },
  {
    name: "the stream ends when the last producer has closed, and not before one came",
    play: async (scene) => {
      const consumer = await scene.receiver.open("consumer", scene.key, { ...SHAPE, closed: 1 });
      await consumer.none();
      await withEndlessSleeps(scene, async () => {
        const producer = await scene.sender.open("producer", scene.key);
        const received = consumer.receive(2);
        await producer.send("last");
        await scene.until(ASLEEP, (word) => word === 1);
        await producer.close();
        assert.deepEqual(await received, [{ text: "last", tag: 0, lane: 0 }, "end"]);
      });
    },
  },
  {
    name: "a full lane takes no message until there is room, in the order of sending",
    play: async (scene) => {
      const [producer, consumer] = await pair(scene);
      assert.deepEqual(await producer.send([LONGEST, LONGEST], { timeout: 0 }), ["sent", "sent"]);
      assert.deepEqual(await producer.send("no room", { timeout: 0 }), ["unsent"]);
      assert.deepEqual(await producer.send(["no room", "neither"], { timeout: 5 }), ["unsent"]);
      assert.deepEqual(await consumer.texts(1), [LONGEST]);
      await consumer.ack();
      assert.deepEqual(await producer.send("room", { timeout: 0 }), ["sent"]);
      assert.deepEqual(await consumer.texts(2), [LONGEST, "room"]);
      await consumer.ack();
    },
  },
  {
    name: "each side that sleeps is woken by the other",
    play: async (scene) => {
      const [producer, consumer] = await pair(scene);
      await withEndlessSleeps(scene, async () => {
        for (let n = 0; n < 3; n++) {
          const received = consumer.texts(1);
          await scene.until(ASLEEP, (word) => word === 1);
          await producer.send(`wake ${n}`);
          assert.deepEqual(await received, [`wake ${n}`]);
        }
        await consumer.ack();
        for (let n = 0; n < 3; n++) {
          const filled = await producer.send(Array(17).fill("16 bytes"), { timeout: 0 });
          assert.equal(filled.length, 17);
          const sent = producer.send("17th one");
          await scene.until(LANE_ASLEEP, (word) => word === 1);
          await consumer.texts(1);
          await consumer.ack();
          assert.deepEqual(await sent, ["sent"]);
          assert.equal((await consumer.texts(16)).at(-1), "17th one");
          await consumer.ack();
        }
      });
    },
  },
  {
    name: "the counters of a lane are exact, whichever side wrote them",
    play: async (scene) => {
      const { sender, key } = scene;
      const [first, consumer] = await pair(scene, { lanes: 2, capacity: 256 });
      const second = await sender.open("producer", key);
      await second.send(["a", "b", "", "d"]);
      await second.close();
      await consumer.texts(3);
      await consumer.ack();
      const [, lane] = statChannel(findSegment(key)!).lanes;
      const { messages, depth, bytes, opened, closed, fullWaits } = lane!;
      assert.deepEqual([messages, depth, bytes, opened, closed, fullWaits], [4, 1, 16, 1, 1, 0]);
      await consumer.texts(1);
      await consumer.ack();
      await first.send("e");
      assert.deepEqual(await consumer.messages(1), [{ text: "e", tag: 0, lane: 0 }]);
      await consumer.ack();
    },
  },
  {
    name: "positions and counts pass 2^32",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const keeping = await receiver.open("consumer", key, { ...SHAPE, keep: 1 });
      await keeping.close();
      const passed = 2 ** 32 - 5;
      scene.words((words) => {
        for (const [at, tallies] of [[TAIL, TAIL_TALLIES], [HEAD, HEAD_TALLIES]] as const) {
          words.fill(-64, at / 4, at / 4 + 1);
          words.set([-64, passed, 0], (at + tallies) / 4);
        }
      });
      const producer = await sender.open("producer", key);
      const consumer = await receiver.open("consumer", key);
      const all = numbered(50);
      const sent = producer.send(all);
      assert.deepEqual(await consumer.texts(50), all);
      await consumer.ack();
      await sent;
      const [lane] = statChannel(findSegment(key)!).lanes;
      assert.deepEqual([lane!.messages, lane!.depth], [passed + 50, 0]);
      await producer.close();
      await consumer.close();
      scene.remove();
    },
  },
  {
    name: "a record that cannot be read is an error of its lane, and the others go on",
    play: async (scene) => {
      const { sender, key } = scene;
      const [first, consumer] = await pair(scene, { lanes: 2, capacity: 256 });
      const second = await sender.open("producer", key);
      await first.send("overwritten");
      scene.words((words) => void (words[(256 + 2 * 256) / 4] = 0xfffffff0 | 0));
      await second.send("readable");
      const outcomes = [];
      for (let n = 0; n < 2; n++) {
        outcomes.push(await consumer.texts(1).then(String, (error) => /lane 0/.exec(error)?.[0]));
      }
      assert.deepEqual(outcomes.toSorted(), ["lane 0", "readable"]);
      await consumer.ack();
      scene.words((words) => void (words[(256 + 2 * 256) / 4] = 11));
      assert.deepEqual(await consumer.texts(1), ["overwritten"]);
      await consumer.ack();
    },
  },
  ...headedCases(CHANNEL),
];
