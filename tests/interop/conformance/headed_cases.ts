/** What must hold for each object with a header: a channel, a Latest and a Topic, whatever languages meet. */

import assert from "node:assert/strict";
import { findSegment, Segment, SemaphoreSet, statSegment } from "../../../src/sysv/mod.ts";
import { type OpenOptions, refused, type Role } from "./line_peer.ts";
import { type Case, type Scene, withEndlessSleeps } from "./scene.ts";

/** The struct of the suite, and another one that differs in its last field. */
const POINT = "id:i32@0;x:f64@8;y:f64@16;24";
const OTHER = "id:i32@0;x:f64@8;y:f32@16;24";
/** A point with "x" in all bytes of its numbers. Those of padding are 0, as an encoder has them. */
const A_POINT = `xxxx\0\0\0\0${"x".repeat(16)}`;
const Y_DIFFERS = /the first field that differs is y:f32@16 here/;

/** An object with a header, as these cases need to know it. */
export interface Headed {
  /** The roles of the side that sends and of the other one. */
  readonly roles: readonly [sends: Role, receives: Role];
  /** Options of a small one. */
  readonly shape: OpenOptions;
  /** Options of one that is of another shape. */
  readonly otherShapes: readonly OpenOptions[];
  /** The magic of another kind, and what it is called. */
  readonly otherKind: readonly [magic: number, name: string];
}

/** The places of the words of a header that have to be as they are: all but the magic and `message_size`. */
const WORDS = [4, 8, 12, 16, 24] as const;

/** Opens it on both sides; the receiver creates it. */
async function pair(
  { sender, receiver, key }: Scene,
  { roles: [sends, receives], shape }: Headed,
): Promise<void> {
  const receiving = await receiver.open(receives, key, shape);
  const sending = await sender.open(sends, key, shape);
  const [outcome] = await sending.send("hello");
  assert.match(outcome!, /^(sent|1)$/);
  assert.deepEqual(await receiving.texts(1), ["hello"]);
  if (receives === "consumer") await receiving.ack();
}

/** The bytes and semaphores that it has: those of one that is created and removed. */
async function measure(scene: Scene, { roles: [sends], shape }: Headed): Promise<[number, number]> {
  const handle = await scene.sender.open(sends, scene.key, shape);
  const { size } = statSegment(findSegment(scene.key)!);
  const { length } = scene.semaphores();
  await handle.close();
  return [size, length];
}

/** A receiver opened with `options` waits, and is told when `remove` takes away the object or a part of it. */
function noticesRemoval(
  name: string,
  { roles: [sends, receives], shape }: Headed,
  options: OpenOptions,
  remove: (scene: Scene) => void,
): Case {
  return {
    name,
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      await sender.open(sends, key, shape);
      const receiving = await receiver.open(receives, key, options);
      const received = refused(receiving.receive(), /removed/);
      remove(scene);
      await received;
      scene.remove();
    },
  };
}

function removeSet({ key }: Scene): void {
  SemaphoreSet.open(key).remove();
}

/** The cases of one kind of object. */
export function headedCases(headed: Headed): readonly Case[] {
  const { roles: [sends, receives], shape, otherShapes, otherKind } = headed;
  const { size: _size, ...unsized } = shape;
  const typed = { ...unsized, type: POINT };
  const mistyped = { ...unsized, type: OTHER };
  return [
    {
      name: "one that does not exist is not created by a peer that opens only",
      play: async ({ sender, receiver, key }) => {
        await refused(sender.open(sends, key, { open: 1 }));
        await refused(receiver.open(receives, key, { open: 1 }));
      },
    },
    {
      name: "structs arrive where both state the same one, and where one states none",
      play: async ({ sender, receiver, key }) => {
        for (const options of [typed, { open: 1 }]) {
          const sending = await sender.open(sends, key, typed);
          const receiving = await receiver.open(receives, key, options);
          await sending.send(A_POINT);
          assert.deepEqual(await receiving.texts(1), [A_POINT]);
          if (receives === "consumer") await receiving.ack();
          await refused(sending.send("short"));
          await receiving.close();
          await sending.close();
        }
      },
    },
    {
      name: "another struct is refused by its first field that differs, whichever side created it",
      play: async ({ sender, receiver, key }) => {
        const sending = await sender.open(sends, key, typed);
        await refused(receiver.open(receives, key, mistyped), Y_DIFFERS);
        await sending.close();
        const receiving = await receiver.open(receives, key, typed);
        await refused(sender.open(sends, key, mistyped), Y_DIFFERS);
        await receiving.close();
      },
    },
    {
      name: "another shape is refused, whichever side created it",
      play: async ({ sender, receiver, key }) => {
        const sending = await sender.open(sends, key, shape);
        for (const other of otherShapes) await refused(receiver.open(receives, key, other));
        await sending.close();
        const receiving = await receiver.open(receives, key, shape);
        for (const other of otherShapes) await refused(sender.open(sends, key, other));
        await receiving.close();
      },
    },
    {
      name: "another version, layout, size or kind in the header is refused",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        const sending = await sender.open(sends, key, shape);
        const change = (at: number, by: number): void =>
          scene.words((words) => void (words[at / 4]! ^= by));
        for (const at of WORDS) {
          change(at, 0x55);
          await refused(receiver.open(receives, key, shape));
          await refused(sender.open(receives, key, shape));
          change(at, 0x55);
        }
        const magic = scene.words((words) => words[0]!);
        change(0, magic ^ otherKind[0]);
        const named = new RegExp(
          `the key belongs to a ${otherKind[1]}|this key belongs to a ${otherKind[1]}`,
        );
        await refused(receiver.open(receives, key, shape), named);
        await refused(sender.open(receives, key, shape), named);
        change(0, magic ^ otherKind[0]);
        await sending.close();
      },
    },
    {
      name: "one that no process finishes creating is not waited for longer than asked",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        const sending = await sender.open(sends, key, shape);
        const magic = scene.words((words) => words[0]!);
        scene.words((words) => words.fill(0, 0, 1));
        const late = /not initialised in time/;
        await refused(receiver.open(receives, key, { ...shape, timeout: 30 }), late);
        scene.words((words) => void (words[0] = magic));
        await sending.close();
      },
    },
    {
      name: "a set of zeros that a killed creator left is used",
      play: async (scene) => {
        const [, count] = await measure(scene, headed);
        const { id } = SemaphoreSet.create({ key: scene.key, count });
        await pair(scene, headed);
        assert.equal(SemaphoreSet.open(scene.key).id, id);
      },
    },
    {
      name: "a segment of zeros that a killed creator left is used",
      play: async (scene) => {
        const [size, count] = await measure(scene, headed);
        SemaphoreSet.create({ key: scene.key, count });
        const segment = Segment.create({ key: scene.key, size });
        segment.detach();
        await pair(scene, headed);
        assert.equal(findSegment(scene.key), segment.id);
      },
    },
    {
      name: "a segment of another size is refused and not changed",
      play: async ({ sender, receiver, key }) => {
        const segment = Segment.create({ key, size: 1000 });
        try {
          segment.write(new Uint8Array(1000).fill(7));
          await refused(sender.open(sends, key, shape), /1000 bytes|no semaphore set/);
          await refused(receiver.open(receives, key, shape), /1000 bytes|no semaphore set/);
          assert(segment.read(0, 1000).every((byte) => byte === 7));
        } finally {
          segment.remove();
          segment.detach();
        }
      },
    },
    {
      name: "a semaphore set in another program's use is refused and not changed",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        const [, count] = await measure(scene, headed);
        const values = Array.from({ length: count }, (_, n) => n === 0 ? 5 : 0);
        const set = SemaphoreSet.create({ key, count, values });
        try {
          await refused(sender.open(sends, key, shape));
          await refused(receiver.open(receives, key, shape));
          assert.deepEqual(set.values(), values);
        } finally {
          set.remove();
        }
      },
    },
    {
      name: "a kept object stays when the last peer leaves",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        const sending = await sender.open(sends, key, { ...shape, keep: 1 });
        const receiving = await receiver.open(receives, key, { open: 1 });
        await sending.close();
        await receiving.close();
        assert(scene.exists);
        scene.remove();
      },
    },
    noticesRemoval(
      "a peer that waits notices that the object was removed",
      headed,
      shape,
      (scene) => scene.remove(),
    ),
    noticesRemoval(
      "a peer that waits notices that only the semaphore set was removed",
      headed,
      shape,
      removeSet,
    ),
  ];
}

/**
 * The cases of objects that each of many readers sees whole, and that can be opened for reading only. Those
 * that sleep do so on the event count at `waiting`.
 */
export function fanOutCases(headed: Headed, waiting: number): readonly Case[] {
  const { roles: [sends, receives], shape } = headed;
  return [
    {
      name: "one that sleeps asks to be woken, and is woken by one count",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        const receiving = await receiver.open(receives, key, shape);
        const sending = await sender.open(sends, key, shape);
        await withEndlessSleeps(scene, async () => {
          for (let n = 1; n <= 3; n++) {
            // A reader sets bit 0 to ask for it, and again before it finds what is new
            scene.words((words) => Atomics.add(words, waiting / 4, words[waiting / 4]! & 1));
            const before = scene.words((words) => words[waiting / 4]!);
            const received = receiving.texts(1);
            await scene.until(waiting, (word) => word === before + 1);
            await sending.send(`wake ${n}`);
            assert.deepEqual(await received, [`wake ${n}`]);
            assert.equal(scene.words((words) => words[waiting / 4]! & ~1), before + 2);
          }
        });
      },
    },
    {
      name:
        "a reader that joins nothing reads, is not counted, and notices that the object was removed",
      play: async (scene) => {
        const { sender, receiver, key } = scene;
        await refused(receiver.open(receives, key, { readonly: 1 }));
        const sending = await sender.open(sends, key, shape);
        const users = scene.semaphores().at(-2);
        const watching = await receiver.open(receives, key, { readonly: 1 });
        assert.equal(scene.semaphores().at(-2), users);
        const received = watching.texts(1);
        await sending.send("seen");
        assert.deepEqual(await received, ["seen"]);
        await sending.close();
        assert(!scene.exists);
        await refused(watching.receive(), /removed/);
      },
    },
    noticesRemoval(
      "a reader that joins nothing notices that only the semaphore set was removed",
      headed,
      { readonly: 1 },
      removeSet,
    ),
  ];
}
