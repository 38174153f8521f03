/** The door: one at a time arrives or leaves, and those who are there are counted. */

import assert from "node:assert/strict";
import { Deadline, SemaphoreSet } from "../../mod.ts";
import { Door } from "../../src/sync/door.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

const PLACE = { door: 0, users: 1, what: "room" };

/** A set for a door, removed in the end. */
function doorway(): { readonly set: SemaphoreSet } & Disposable {
  const set = SemaphoreSet.create({ key: freshKey(), count: 2 });
  return { set, [Symbol.dispose]: () => set.remove() };
}

function enter(set: SemaphoreSet): Door {
  const door = Door.enter(set, PLACE, Deadline.after(30_000));
  assert(door !== undefined);
  return door;
}

Deno.test("who enters holds the door until it opens it, and is counted until it goes", () => {
  using room = doorway();
  const { set } = room;
  const first = enter(set);
  assert.deepEqual([set.values(), first.alone], [[1, 1], true]);
  assert.throws(() => Door.enter(set, PLACE, Deadline.after(5)), {
    code: "ETIMEDOUT",
    message: new RegExp(`arrive at the room.*process ${Deno.pid} has been arriving or leaving`),
  });
  first.open();
  const second = enter(set);
  second.open();
  assert.deepEqual([set.values(), first.alone], [[0, 2], false]);
  assert(second.close());
  second.exit();
  assert.deepEqual([set.values(), first.alone], [[0, 1], true]);
  assert(first.close());
  assert.deepEqual(set.values(), [1, 1]);
  first.exit();
  assert.deepEqual(set.values(), [0, 0]);
});

Deno.test("who cannot get the door to leave vanishes from the count", () => {
  using room = doorway();
  const { set } = room;
  const door = enter(set);
  assert.equal(door.close(), false, "the door is held: by nobody who would let go");
  assert.deepEqual(set.values(), [1, 0]);
});

Deno.test("where the set has gone there is nothing to enter, and nothing to hold", () => {
  const set = SemaphoreSet.create({ key: freshKey(), count: 2 });
  const door = enter(set);
  door.open();
  assert(door.close());
  door.exitRemoving();
  assert.throws(() => SemaphoreSet.open(set.key), { code: "ENOENT" });
  assert.equal(Door.enter(set, PLACE, Deadline.after(5)), undefined);
  assert.equal(door.close(), false);
});

testWith({ tools: ["deno"] }, "the kernel lets go for who is killed at the door", async () => {
  using room = doorway();
  const { set } = room;
  await using peer = Peer.typescript(
    `import { Deadline, SemaphoreSet } from "@sysv/shm";
    import { Door } from "file://${PROJECT}src/sync/door.ts";
    Door.enter(SemaphoreSet.open(${set.key}), ${JSON.stringify(PLACE)}, Deadline.never);
    console.log("at the door");
    setInterval(() => {}, 1000);`,
    "--allow-ffi",
  );
  await peer.line();
  assert.deepEqual(set.values(), [1, 1]);
  peer.kill("SIGKILL");
  const door = enter(set);
  assert(door.alone);
  door.exit();
});
