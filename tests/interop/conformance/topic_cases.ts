/** What must hold between a publisher and a subscriber of a Topic, whatever languages they are in. */

import assert from "node:assert/strict";
import { fanOutCases, type Headed, headedCases } from "./headed_cases.ts";
import { type Handle, type OpenOptions, type Received, refused } from "./line_peer.ts";
import type { Case, Scene } from "./scene.ts";

const SHAPE = { lanes: 1, capacity: 256 } as const;

/** The longest message of {@linkcode SHAPE}. */
const LONGEST = "x".repeat(48);

const TOPIC: Headed = {
  roles: ["publisher", "subscriber"],
  shape: { lanes: 2, capacity: 256 },
  otherShapes: [{ lanes: 3 }, { capacity: 512 }, { size: 16 }],
  otherKind: [0x434d4853, "channel"],
};

/** Offsets in the segment, as `docs/wire_format.md` has them. */
const WAITING = 128;
const LANE = 256;
const RING = 256 + 128;

/** The message of a number, of a length that differs from the one before. */
const numbered = (n: number): string => `${n} ${"x".repeat(n * 7 % 40)}`;

/** The messages of numbers. */
const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => numbered(from + i));

/** A publisher and a subscriber; the subscriber creates. */
async function pair(
  { sender, receiver, key }: Scene,
  options: OpenOptions = SHAPE,
): Promise<readonly [Handle, Handle]> {
  const subscriber = await receiver.open("subscriber", key, options);
  return [await sender.open("publisher", key), subscriber];
}

/** Receives all that is there. */
async function rest(subscriber: Handle): Promise<readonly Received[]> {
  return (await subscriber.receive(10_000, 0)).filter((each) => typeof each === "object");
}

/** Fails unless the messages follow each other after `number`; returns the number of the last one. */
function follow(messages: readonly Received[], number: number): number {
  for (const message of messages) {
    number += Number(message["missed"]) + 1;
    assert.deepEqual([message["number"], message.text], [number, numbered(number)]);
  }
  return number;
}

/** The cases of the Topic. */
export const TOPIC_CASES: readonly Case[] = [
  {
    name: "messages from the empty to the longest one arrive with tag, lane and number",
    play: async (scene) => {
      const [publisher, subscriber] = await pair(scene);
      let number = 0;
      for (const tag of [0, 7, 0xffffffff]) {
        for (const text of ["", "a", "12345678", "grüße, 水", LONGEST]) {
          assert.deepEqual(await publisher.send(text, { tag }), [`${++number}`]);
          const facts = { tag, lane: 0, number, missed: 0 };
          assert.deepEqual(await subscriber.messages(1), [{ text, ...facts }]);
        }
      }
      await subscriber.none();
    },
  },
  {
    name: "a message that is too long, or not of the one size, is refused and not published",
    play: async (scene) => {
      const [publisher, subscriber] = await pair(scene);
      await refused(publisher.send(`${LONGEST}x`));
      await subscriber.none();
      await publisher.close();
      await subscriber.close();
      const [sized, receiving] = await pair(scene, { ...SHAPE, size: 16 });
      for (const length of [0, 15, 17]) await refused(sized.send("x".repeat(length)));
      await sized.send("x".repeat(16));
      assert.deepEqual(await receiving.texts(1), ["x".repeat(16)]);
    },
  },
  {
    name: "every subscriber gets every message, from when it came",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const [publisher, first] = await pair(scene);
      await publisher.send("one");
      const others = [await receiver.open("subscriber", key), await sender.open("subscriber", key)];
      await publisher.send(["two", "three"]);
      assert.deepEqual(await first.texts(3), ["one", "two", "three"]);
      for (const other of others) assert.deepEqual(await other.texts(2), ["two", "three"]);
    },
  },
  {
    name: "the history is what was asked for and is still there, in both languages the same",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const publisher = await sender.open("publisher", key, { lanes: 1, capacity: 1024 });
      const subscriber = await receiver.open("subscriber", key, { open: 1, history: 5 });
      await subscriber.none();
      await publisher.send(range(1, 40));
      for (const history of [1, 3]) {
        const some = await receiver.open("subscriber", key, { history });
        assert.equal(follow(await rest(some), 40 - history), 40);
      }
      const all = await receiver.open("subscriber", key, { history: 1000 });
      const here = await sender.open("subscriber", key, { history: 1000 });
      const messages = await rest(all);
      assert.deepEqual(messages, await rest(here));
      assert(messages.length > 10 && messages.length < 40);
      assert.equal(follow(messages, 40 - messages.length), 40);
    },
  },
  {
    name: "a subscriber that was too slow misses messages, and counts them exactly",
    play: async (scene) => {
      const [publisher, subscriber] = await pair(scene, { lanes: 1, capacity: 1024 });
      let number = 0;
      let missed = 0;
      for (const burst of [5, 1, 500, 0, 33, 77, 20]) {
        await publisher.send(range(number + 1, number + burst));
        const messages = await rest(subscriber);
        assert.equal(follow(messages, number), number + burst);
        for (const message of messages) missed += Number(message["missed"]);
        number += burst;
      }
      assert(missed > 400);
    },
  },
  {
    name: "messages are whole and counted while both sides run",
    play: async (scene) => {
      const [publisher, subscriber] = await pair(scene, { lanes: 1, capacity: 512 });
      let done = false;
      let sent = 0;
      const reading = subscriber.messages(300).finally(() => done = true);
      while (!done) {
        await publisher.send(range(sent + 1, sent + 300));
        sent += 300;
      }
      const last = follow(await reading, 0);
      assert.equal(follow(await rest(subscriber), last), sent);
    },
  },
  {
    name: "each publisher has a lane of its own, and there are no more than lanes",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const subscriber = await receiver.open("subscriber", key, { lanes: 3, capacity: 1024 });
      const publishers = [];
      for (let n = 0; n < 3; n++) publishers.push(await sender.open("publisher", key));
      await refused(sender.open("publisher", key));
      await refused(receiver.open("publisher", key));
      for (let n = 1; n <= 4; n++) {
        for (const publisher of publishers) await publisher.send(numbered(n));
      }
      const received = await subscriber.messages(12);
      for (const lane of [0, 1, 2]) {
        assert.equal(follow(received.filter((each) => each["lane"] === lane), 0), 4);
      }
      await publishers[1]!.close();
      const next = await receiver.open("publisher", key);
      assert.deepEqual(await next.send(numbered(5)), ["5"]);
      const [message] = await subscriber.messages(1);
      assert.deepEqual([message!["lane"], message!["number"]], [1, 5]);
    },
  },
  {
    name: "a publisher that is killed leaves its lane, in which the subscriber's language goes on",
    kills: "sender",
    play: async (scene, kill) => {
      const { receiver, key } = scene;
      const [publisher, subscriber] = await pair(scene);
      await publisher.send(range(1, 7));
      await kill();
      const next = await receiver.open("publisher", key);
      assert.deepEqual(await next.send(numbered(8)), ["8"]);
      assert.equal(follow(await rest(subscriber), 0), 8);
    },
  },
  {
    name: "positions and numbers pass 2^32",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      await receiver.open("subscriber", key, { lanes: 1, capacity: 1024 });
      const passed = 2 ** 32 - 5;
      const position = 2 ** 37 - 64;
      scene.words((words) => {
        const tail = position | 0;
        words.set([tail, tail], LANE / 4);
        const state = [tail, tail - 24, passed, 0, position / 2 ** 32];
        words.set([...state, ...state], (LANE + 16) / 4);
      });
      const subscriber = await receiver.open("subscriber", key);
      const publisher = await sender.open("publisher", key);
      assert.equal((await publisher.send(range(passed + 1, passed + 20))).at(-1), `${passed + 20}`);
      await publisher.close();
      for (const side of [receiver, sender]) {
        const next = await side.open("publisher", key);
        await next.send(numbered(passed + (side === receiver ? 21 : 22)));
        await next.close();
      }
      assert.equal(follow(await rest(subscriber), passed), passed + 22);
    },
  },
  {
    name: "a record that cannot be read is reported once, and counts as missed",
    play: async (scene) => {
      const [publisher, subscriber] = await pair(scene);
      await publisher.send("overwritten");
      scene.words((words) => words.fill(0xfffffff0, RING / 4, RING / 4 + 1));
      await refused(subscriber.receive(), /lane 0/);
      await subscriber.none();
      await publisher.send("good");
      const facts = { tag: 0, lane: 0, number: 2, missed: 1 };
      assert.deepEqual(await subscriber.messages(1), [{ text: "good", ...facts }]);
    },
  },
  ...headedCases(TOPIC),
  ...fanOutCases(TOPIC, WAITING),
];
