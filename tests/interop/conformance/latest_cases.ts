/** What must hold between the writer and a reader of a Latest, whatever languages they are in. */

import assert from "node:assert/strict";
import { fanOutCases, type Headed, headedCases } from "./headed_cases.ts";
import { type Handle, type OpenOptions, refused } from "./line_peer.ts";
import type { Case, Scene } from "./scene.ts";

const SHAPE = { size: 200, cells: 2 } as const;

const LATEST: Headed = {
  roles: ["writer", "reader"],
  shape: SHAPE,
  otherShapes: [{ size: 200, cells: 4 }, { size: 100, cells: 2 }],
  otherKind: [0x434d4853, "channel"],
};

/** Offsets in the segment, as `docs/wire_format.md` has them. */
const PUBLISHED = 128;
const WAITING = 256;
const CELLS = 384;

/** The value of a number, of a length that differs from the one before. */
const numbered = (n: number): string => `${n} ${"x".repeat(n * 7 % 180)}`;

/** A writer and a reader; the reader creates. */
async function pair(
  { sender, receiver, key }: Scene,
  options: OpenOptions = SHAPE,
): Promise<readonly [Handle, Handle]> {
  const reader = await receiver.open("reader", key, options);
  return [await sender.open("writer", key, { open: 1 }), reader];
}

/** The cases of the Latest. */
export const LATEST_CASES: readonly Case[] = [
  {
    name: "values from the empty to the longest one are read with their numbers",
    play: async (scene) => {
      const [writer, reader] = await pair(scene);
      await reader.none();
      let version = 0;
      for (const text of ["", "a", "grüße, 水", "x".repeat(200), ""]) {
        assert.deepEqual(await writer.send(text), [`${++version}`]);
        assert.deepEqual(await reader.messages(1), [{ text, version }]);
        await reader.none();
      }
    },
  },
  {
    name: "a reader gets the newest value, and a new reader too, of a writer that is gone",
    play: async ({ sender, receiver, key }) => {
      const writer = await sender.open("writer", key, SHAPE);
      const reader = await receiver.open("reader", key, { open: 1 });
      await writer.send(["one", "two", "three"]);
      await writer.close();
      assert.deepEqual(await reader.messages(1), [{ text: "three", version: 3 }]);
      const next = await receiver.open("reader", key, SHAPE);
      assert.deepEqual(await next.messages(1), [{ text: "three", version: 3 }]);
    },
  },
  {
    name: "a value that is too long is refused and not written",
    play: async (scene) => {
      const [writer, reader] = await pair(scene);
      await refused(writer.send("x".repeat(201)));
      await reader.none();
      assert.deepEqual(await writer.send("next"), ["1"]);
    },
  },
  {
    name: "there is one writer at a time, it is named, and the next one goes on",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const [writer, reader] = await pair(scene);
      await writer.send("one");
      const named = new RegExp(`process ${sender.pid}\\b`);
      await refused(receiver.open("writer", key, { open: 1 }), named);
      await writer.close();
      const next = await receiver.open("writer", key, { open: 1 });
      assert.deepEqual(await next.send("two"), ["2"]);
      assert.deepEqual(await reader.messages(1), [{ text: "two", version: 2 }]);
    },
  },
  {
    name: "a writer that is killed leaves its value and its role, in the reader's language",
    kills: "sender",
    play: async (scene, kill) => {
      const { receiver, key } = scene;
      const [writer, reader] = await pair(scene);
      await writer.send(["one", "two"]);
      await kill();
      assert.deepEqual(await reader.messages(1), [{ text: "two", version: 2 }]);
      const next = await receiver.open("writer", key, { open: 1 });
      assert.deepEqual(await next.send("three"), ["3"]);
      assert.deepEqual(await reader.messages(1), [{ text: "three", version: 3 }]);
    },
  },
  {
    name: "no value is torn while the writer runs",
    play: async (scene) => {
      const [writer, reader] = await pair(scene);
      let done = false;
      const reading = reader.messages(10).finally(() => done = true);
      for (let n = 0; !done;) {
        await writer.send(Array.from({ length: 300 }, () => numbered(++n)));
      }
      let before = 0;
      for (const { text, version } of await reading) {
        assert(Number(version) > before);
        before = Number(version);
        assert.equal(text, numbered(before));
      }
    },
  },
  {
    name: "numbers pass 2^32",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      await receiver.open("reader", key, SHAPE);
      const passed = 2 ** 32 - 3;
      scene.words((words) => {
        const stride = (words.length - CELLS / 4) / SHAPE.cells;
        words.fill(passed, PUBLISHED / 4, PUBLISHED / 4 + 1);
        words.set([passed, 0, 0], CELLS / 4 + passed % 2 * stride);
      });
      const writer = await sender.open("writer", key, SHAPE);
      const reader = await receiver.open("reader", key, SHAPE);
      assert.deepEqual(await reader.messages(1), [{ text: "", version: passed }]);
      let version = passed;
      for (let writes = writer; version < passed + 9;) {
        for (let n = 0; n < 3; n++) {
          assert.deepEqual(await writes.send("next"), [`${++version}`]);
          assert.deepEqual(await reader.messages(1), [{ text: "next", version }]);
        }
        await writes.close();
        writes = await (version === passed + 3 ? receiver : sender).open("writer", key, SHAPE);
      }
    },
  },
  {
    name: "a value that is impossible is an error to a reader, and to the next writer",
    play: async (scene) => {
      const [writer, reader] = await pair(scene);
      await writer.send("one");
      scene.words((words) => {
        words.fill(99, CELLS / 4 + (words.length - CELLS / 4) / SHAPE.cells);
      });
      await refused(reader.receive(1, 0));
      await writer.close();
      await refused(scene.sender.open("writer", scene.key, { open: 1 }));
    },
  },
  ...headedCases(LATEST),
  ...fanOutCases(LATEST, WAITING),
];
