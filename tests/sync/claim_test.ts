/** Claims: one holder at a time, named, and freed by the kernel. */

import assert from "node:assert/strict";
import { Claim, Deadline, type SemaphoreSet } from "../../mod.ts";
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

Deno.test(
  "one holds it at a time, and is named",
  inSet((set) => {
    const one = new Claim(set, 1);
    const two = new Claim(set, 1);
    assert.deepEqual([one.holder, one.held], [undefined, false]);
    assert.equal(one.tryTake(), true);
    assert.equal(two.tryTake(), false);
    assert.deepEqual([two.holder, one.held, two.held], [Deno.pid, true, false]);
    assert.equal(new Claim(set, 0).tryTake(), true);
    one.release();
    assert.deepEqual([one.holder, one.held], [undefined, false]);
    assert.equal(two.tryTake(), true);
  }),
);

Deno.test(
  "only who took it can release it, once",
  inSet((set) => {
    const one = new Claim(set, 0);
    const two = new Claim(set, 0);
    one.release();
    assert.equal(set.value(0), 0);
    assert.equal(one.tryTake(), true);
    two.release();
    assert.deepEqual([set.value(0), one.held], [1, true]);
    one.release();
    assert.equal(two.tryTake(), true);
    one.release();
    assert.deepEqual([set.value(0), two.held], [1, true]);
  }),
);

Deno.test(
  "taking waits for the holder, or gives up and names it",
  inSet(async (set) => {
    const one = new Claim(set, 0);
    const two = new Claim(set, 0);
    one.takeSync();
    const late = {
      code: "ETIMEDOUT",
      message: new RegExp(`process ${Deno.pid} holds it, which is this one`),
    };
    assert.throws(() => two.takeSync({ deadline: Deadline.after(1) }), late);
    await assert.rejects(two.take({ deadline: Deadline.after(1) }), late);
    assert.equal(two.held, false);
    const taking = two.take();
    await asleep(set);
    one.release();
    await taking;
    assert.deepEqual([two.held, one.tryTake()], [true, false]);
  }),
);

Deno.test(
  "blocking for what the same claim holds is refused, not waited for",
  inSet((set) => {
    const claim = new Claim(set, 0);
    claim.takeSync();
    const deadline = Deadline.after(1);
    const refused = { code: "EDEADLK", message: /held already: release/ };
    assert.throws(() => claim.takeSync({ deadline }), refused);
    claim.release();
    claim.takeSync();
  }),
);

Deno.test(
  "who gives up holds nothing, even if it was just being taken",
  inSet(async (set) => {
    const one = new Claim(set, 0);
    const two = new Claim(set, 0);
    one.takeSync();
    await assert.rejects(two.take({ signal: AbortSignal.abort(new Error("before")) }), /before/);
    const controller = new AbortController();
    const taking = two.take({ signal: controller.signal });
    await asleep(set);
    one.release();
    while (set.value(0) === 0); // the other thread takes it before we are told
    controller.abort(new Error("stop"));
    await assert.rejects(taking, /stop/);
    assert.deepEqual([set.value(0), two.held], [0, false]);
  }),
);

Deno.test(
  "a waiter of a removed set is told; who held it can still release",
  inSet(async (set) => {
    const one = new Claim(set, 0);
    one.takeSync();
    const told = assert.rejects(new Claim(set, 0).take(), { code: "EIDRM", message: /removed/ });
    await asleep(set);
    set.remove();
    await told;
    one.release();
    assert.equal(one.held, false);
    assert.throws(() => one.tryTake(), { code: "EINVAL" });
    assert.throws(() => one.holder, { code: "EINVAL" });
  }),
);

Deno.test(
  "a semaphore that is not in the set is refused",
  inSet((set) => {
    for (const semaphore of [2, -1, 0.5, NaN]) {
      assert.throws(() => new Claim(set, semaphore), RangeError, `${semaphore}`);
    }
  }),
);

testWith(
  { tools: ["deno"] },
  "a killed holder's claim is free, a stopped one's is not, and nobody else frees it",
  inSet(async (set) => {
    await using peer = Peer.typescript(`
      import { Claim, SemaphoreSet } from "@sysv/shm";
      const set = SemaphoreSet.attach(${set.id});
      console.log(new Claim(set, 0).tryTake());
      setInterval(() => {}, 1000);
    `);
    assert.equal(await peer.line(), "true");
    const claim = new Claim(set, 0);
    claim.release();
    assert.equal(claim.holder, peer.pid);
    peer.kill("SIGSTOP");
    assert.equal(claim.tryTake(), false);
    peer.kill("SIGKILL");
    await claim.take();
    assert.equal(claim.holder, Deno.pid);
  }),
);
