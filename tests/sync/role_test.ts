/** Role: one holder at a time, named, and freed by the kernel. */

import assert from "node:assert/strict";
import { Role, SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { withSet } from "../sysv/semaphore_scratch.ts";

guardAgainstLeaks();

const inSet = (body: (set: SemaphoreSet) => void | Promise<void>) => () =>
  withSet({ key: freshKey(), count: 2 }, body);

/** Resolves when `count` threads wait for semaphore 0 to be free. */
async function asleep(set: SemaphoreSet, count = 1): Promise<void> {
  while (set.waitingForZero(0) !== count) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("Role: the end of a block releases it, and does nothing if it is not held", () => {
  const set = SemaphoreSet.create({ count: 1 });
  {
    using role = new Role(set, 0);
    assert(role.tryAcquire());
    using other = new Role(set, 0);
    assert(!other.tryAcquire());
  }
  assert.equal(new Role(set, 0).holder, undefined);
  set.remove();
});

Deno.test(
  "Role: one process holds it at a time, and holder is its pid",
  inSet((set) => {
    const one = new Role(set, 1);
    const two = new Role(set, 1);
    assert.deepEqual([one.holder, one.held], [undefined, false]);
    assert.equal(one.tryAcquire(), true);
    assert.equal(two.tryAcquire(), false);
    assert.deepEqual([two.holder, one.held, two.held], [Deno.pid, true, false]);
    assert.equal(new Role(set, 0).tryAcquire(), true);
    one.release();
    assert.deepEqual([one.holder, one.held], [undefined, false]);
    assert.equal(two.tryAcquire(), true);
  }),
);

Deno.test(
  "Role.release: only the holder releases it, once",
  inSet((set) => {
    const one = new Role(set, 0);
    const two = new Role(set, 0);
    one.release();
    assert.equal(set.value(0), 0);
    assert.equal(one.tryAcquire(), true);
    two.release();
    assert.deepEqual([set.value(0), one.held], [1, true]);
    one.release();
    assert.equal(two.tryAcquire(), true);
    one.release();
    assert.deepEqual([set.value(0), two.held], [1, true]);
  }),
);

Deno.test(
  "Role.acquire waits for the holder, or times out and names it",
  inSet(async (set) => {
    const one = new Role(set, 0);
    const two = new Role(set, 0);
    one.acquireSync();
    const late = {
      code: "ETIMEDOUT",
      message: new RegExp(`process ${Deno.pid} holds it, which is this one`),
    };
    assert.throws(() => two.acquireSync({ timeout: 1 }), late);
    await assert.rejects(two.acquire({ timeout: 1 }), late);
    assert.equal(two.held, false);
    const taking = two.acquire();
    await asleep(set);
    one.release();
    await taking;
    assert.deepEqual([two.held, one.tryAcquire()], [true, false]);
  }),
);

Deno.test(
  "Role.acquireSync refuses to block for a role that this object holds",
  inSet((set) => {
    const role = new Role(set, 0);
    role.acquireSync();
    const timeout = 1;
    const refused = { code: "EDEADLK", message: /held already: release/ };
    assert.throws(() => role.acquireSync({ timeout }), refused);
    role.release();
    role.acquireSync();
  }),
);

Deno.test(
  "Role.acquire that aborts holds nothing, even if it was just acquired",
  inSet(async (set) => {
    const one = new Role(set, 0);
    const two = new Role(set, 0);
    one.acquireSync();
    await assert.rejects(two.acquire({ signal: AbortSignal.abort(new Error("before")) }), /before/);
    const controller = new AbortController();
    const taking = two.acquire({ signal: controller.signal });
    await asleep(set);
    one.release();
    while (set.value(0) === 0); // the other thread takes it before we are told
    controller.abort(new Error("stop"));
    await assert.rejects(taking, /stop/);
    assert.deepEqual([set.value(0), two.held], [0, false]);
  }),
);

Deno.test(
  "Role.acquire fails when the set is removed; its holder can still release",
  inSet(async (set) => {
    const one = new Role(set, 0);
    one.acquireSync();
    const told = assert.rejects(new Role(set, 0).acquire(), { code: "EIDRM", message: /removed/ });
    await asleep(set);
    set.remove();
    await told;
    one.release();
    assert.equal(one.held, false);
    assert.throws(() => one.tryAcquire(), { code: "EINVAL" });
    assert.throws(() => one.holder, { code: "EINVAL" });
  }),
);

Deno.test(
  "Role: a semaphore that is not in the set is refused",
  inSet((set) => {
    for (const semaphore of [2, -1, 0.5, NaN]) {
      assert.throws(() => new Role(set, semaphore), RangeError, `${semaphore}`);
    }
  }),
);

testWith(
  { tools: ["deno"] },
  "Role: free when its holder is killed, not when it is stopped, and no other process frees it",
  inSet(async (set) => {
    await using peer = Peer.typescript(`
      import { Role, SemaphoreSet } from "@sysv/shm";
      const set = SemaphoreSet.attach(${set.id});
      console.log(new Role(set, 0).tryAcquire());
      setInterval(() => {}, 1000);
    `);
    assert.equal(await peer.line(), "true");
    const role = new Role(set, 0);
    role.release();
    assert.equal(role.holder, peer.pid);
    peer.kill("SIGSTOP");
    assert.equal(role.tryAcquire(), false);
    peer.kill("SIGKILL");
    await role.acquire();
    assert.equal(role.holder, Deno.pid);
  }),
);
