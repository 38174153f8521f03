/**
 * Waiting for operations on a set, blocking and by promise: until they are done, the time is up, the
 * caller gives up, or the set goes; and nothing of what was given up is left done.
 */

import assert from "node:assert/strict";
import type { Operation } from "../../src/sysv/mod.ts";
import { SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { withSet } from "./semaphore_scratch.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();

/** So long that a test which has to wait it out has failed. */

const take = [{ semaphore: 0, add: -1 }];
const give = [{ semaphore: 0, add: 1 }];

/** Resolves when `count` threads sleep until the semaphore has more. */
async function asleep(set: SemaphoreSet, count = 1, semaphore = 0): Promise<void> {
  while (set.waitingForIncrease(semaphore) !== count) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets the sleeping thread perform its operations, and returns before its promise is settled. */
function untilTaken(set: SemaphoreSet, values: readonly number[]): void {
  const net = Deadline.after(60_000);
  while (set.values().join() !== values.join()) assert(!net.passed, "nobody took it");
}

Deno.test("SemaphoreSet.op: waits without blocking, is counted as waiting, and resolves once it is possible", () =>
  withSet({ count: 1 }, async (set) => {
    const done = set.op(take);
    await asleep(set);
    assert.equal(set.waitingForZero(0), 0);
    set.tryOp(give);
    await done;
    assert.deepEqual([set.value(0), set.waitingForIncrease(0)], [0, 0]);
    set.setValue(0, 2);
    const zero = set.op([{ semaphore: 0, add: 0 }]);
    while (set.waitingForZero(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    set.setValue(0, 0);
    await zero;
  }));

Deno.test("SemaphoreSet.op and opSync: possible operations are performed at once, even with timeout 0", () =>
  withSet({ count: 1, values: [3] }, async (set) => {
    set.opSync(take, { timeout: 0 });
    set.opSync(SemaphoreSet.prepare(take), { timeout: 0 });
    await set.op(take, { timeout: 0 });
    assert.equal(set.value(0), 0);
  }));

Deno.test("SemaphoreSet.op and opSync: the timeout ends the wait, and the error names the obstacle", () =>
  withSet({ key: freshKey(), count: 2, values: [0, 4] }, async (set) => {
    const late = (name: RegExp) => ({ code: "ETIMEDOUT", call: "semtimedop", message: name });
    const both: Operation[] = [{ semaphore: 1, add: -4 }, { semaphore: 0, add: -2 }];
    const low = late(
      /semaphore 0 is 0 \(last changed by process \d+\), and the operation subtracts 2/,
    );
    assert.throws(() => set.opSync(both, { timeout: 5 }), low);
    await assert.rejects(set.op(both, { timeout: 5 }), low);
    const zero = [{ semaphore: 1, add: 0 }];
    assert.throws(() => set.opSync(zero, { timeout: 1 }), late(/semaphore 1 is 4 .* waits for 0/));
    assert.deepEqual(set.values(), [0, 4]);
  }));

Deno.test("SemaphoreSet.op: a signal that aborted before the call prevents even possible operations", () =>
  withSet({ count: 1, values: [1] }, async (set) => {
    const signal = AbortSignal.abort(new Error("before"));
    await assert.rejects(set.op(take, { signal }), /before/);
    assert.equal(set.value(0), 1);
  }));

Deno.test("SemaphoreSet.op: an abort rejects with the reason of the signal and leaves no waiter", () =>
  withSet({ count: 1 }, async (set) => {
    const controller = new AbortController();
    const reason = new Error("stop");
    const given = set.op(take, { signal: controller.signal });
    await asleep(set);
    controller.abort(reason);
    await assert.rejects(given, (error) => error === reason);
    assert.equal(set.waitingForIncrease(0), 0);
    set.tryOp(give);
    assert.equal(set.value(0), 1);
  }));

Deno.test("SemaphoreSet.op: operations performed at the moment of the abort are reverted", () =>
  withSet({ count: 3 }, async (set) => {
    const controller = new AbortController();
    // A wait for zero has nothing to take back, and only in reverse the way back is as free
    const operations: Operation[] = [
      { semaphore: 0, add: -1, undo: true },
      { semaphore: 2, add: 0 },
      { semaphore: 1, add: 5, undo: true },
      { semaphore: 1, add: -2, undo: true },
    ];
    const given = set.op(operations, { signal: controller.signal });
    await asleep(set);
    set.tryOp(give);
    untilTaken(set, [0, 3, 0]);
    controller.abort(new Error("stop"));
    await assert.rejects(given, /stop/);
    assert.deepEqual(set.values(), [1, 0, 0]);
  }));

testWith(
  { tools: ["deno"] },
  "SemaphoreSet.op: reverted operations are not undone again when the process ends",
  () =>
    withSet({ count: 1 }, async (set) => {
      await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      const set = SemaphoreSet.attach(${set.id});
      const controller = new AbortController();
      const given = set.op([{ semaphore: 0, add: -1, undo: true }], { signal: controller.signal });
      while (set.waitingForIncrease(0) === 0) await new Promise((done) => setTimeout(done, 1));
      set.tryOp([{ semaphore: 0, add: 1 }]);
      while (set.value(0) === 1);
      controller.abort(new Error("stop"));
      console.log(await given.catch((error) => error.message), set.value(0));
    `);
      assert.equal((await peer.ended()).stdout, "stop 1\n");
      assert.equal(set.value(0), 1);
    }),
);

Deno.test("SemaphoreSet.op: a wait for zero that ended at the moment of the abort changes nothing", () =>
  withSet({ count: 1, values: [1] }, async (set) => {
    const controller = new AbortController();
    const given = set.op([{ semaphore: 0, add: 0 }], { signal: controller.signal });
    while (set.waitingForZero(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    set.setValue(0, 0);
    while (set.waitingForZero(0) === 1);
    controller.abort(new Error("stop"));
    await assert.rejects(given, /stop/);
    assert.equal(set.value(0), 0);
  }));

Deno.test("SemaphoreSet.op: operations that cannot be reverted, because they were used, are reported as performed", () =>
  withSet({ count: 2 }, async (set) => {
    const controller = new AbortController();
    const swap = [{ semaphore: 0, add: -1 }, { semaphore: 1, add: 1 }];
    const done = set.op(swap, { signal: controller.signal });
    await asleep(set);
    set.tryOp(give);
    untilTaken(set, [0, 1]);
    assert(set.tryOp([{ semaphore: 1, add: -1 }]));
    controller.abort(new Error("stop"));
    await done;
    assert.deepEqual(set.values(), [0, 0]);
  }));

Deno.test("SemaphoreSet.op: a set that was removed at the moment of the abort leaves nothing to revert", () =>
  withSet({ count: 1 }, async (set) => {
    const controller = new AbortController();
    const given = set.op(take, { signal: controller.signal });
    await asleep(set);
    set.setValue(0, 1);
    untilTaken(set, [0]);
    set.remove();
    controller.abort(new Error("stop"));
    await assert.rejects(given, /stop/);
  }));

Deno.test("SemaphoreSet.op and opSync: removal wakes the waiters with EIDRM", () =>
  withSet({ key: freshKey(), count: 1, values: [1] }, async (set) => {
    const removed = {
      code: "EIDRM",
      message: /cannot change the semaphores: semtimedop for key.*removed, perhaps with ipcrm/,
    };
    const told = [-2, 0].map((add) => assert.rejects(set.op([{ semaphore: 0, add }]), removed));
    await asleep(set);
    while (set.waitingForZero(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    set.remove();
    await Promise.all(told);
  }));

Deno.test("SemaphoreSet.opSync: noWait refuses only if its own operation has to wait", () =>
  withSet({ count: 2 }, async (set) => {
    const refused = { code: "EAGAIN", message: /semaphore 1 is 0 .*subtracts 1/ };
    const impatient: Operation[] = [
      { semaphore: 0, add: -1 },
      { semaphore: 1, add: -1, noWait: true },
    ];
    assert.equal(set.tryOp(impatient), false);
    assert.throws(() => set.opSync(impatient, { timeout: 5 }), { code: "ETIMEDOUT" });
    const waiting = set.op(impatient);
    await asleep(set);
    // Now it is the impatient one that would have to wait
    set.tryOp(give);
    await assert.rejects(waiting, refused);
    assert.throws(() => set.opSync(impatient), refused);
    assert.deepEqual(set.values(), [1, 0]);
    set.setValue(1, 1);
    set.opSync(impatient);
    assert.deepEqual(set.values(), [0, 0]);
    // It looks at what those before it would leave, as the kernel does
    const upFirst: Operation[] = [{ semaphore: 0, add: 1 }, {
      semaphore: 0,
      add: -2,
      noWait: true,
    }];
    assert.throws(() => set.opSync(upFirst), { code: "EAGAIN", message: /0 is 1 .*subtracts 2/ });
    const zero = [{ semaphore: 1, add: 0, noWait: true }];
    await set.op(zero);
    set.setValue(1, 1);
    await assert.rejects(set.op(zero), { code: "EAGAIN" });
  }));

Deno.test("SemaphoreSet.op: an error that occurs during the wait ends it", () =>
  withSet({ count: 2, values: [0, 32767] }, async (set) => {
    const tooMuch = set.op([{ semaphore: 0, add: -1 }, { semaphore: 1, add: 1 }]);
    await asleep(set);
    set.tryOp(give);
    await assert.rejects(tooMuch, { code: "ERANGE", message: /32767/ });
    assert.deepEqual(set.values(), [1, 32767]);
  }));

Deno.test("SemaphoreSet.op: more promises can wait than Deno has threads, and aborts end all of them", () =>
  withSet({ count: 1 }, async (set) => {
    const WAITS = 100;
    const all = Promise.all(Array.from({ length: WAITS }, () => set.op(take)));
    set.setValue(0, WAITS);
    await all;
    assert.equal(set.value(0), 0);
    const controller = new AbortController();
    const waits = Array.from({ length: WAITS }, () => set.op(take, { signal: controller.signal }));
    while (set.waitingForIncrease(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    set.setValue(0, 10);
    controller.abort(new Error("stop"));
    const ends = await Promise.allSettled(waits);
    const done = ends.filter(({ status }) => status === "fulfilled").length;
    assert.equal(done + set.value(0), 10);
    assert.equal(set.waitingForIncrease(0), 0);
  }));

/** A child that waits for semaphore 0 of the set in the way named, and tells. */
function waiter(id: number, how: "op" | "opSync", add = -1): Peer {
  return Peer.typescript(`
    import { SemaphoreSet } from "@sysv/shm";
    const set = SemaphoreSet.attach(${id});
    Deno.addSignalListener("SIGUSR1", () => {});
    console.log("waiting");
    try {
      await set.${how}([{ semaphore: 0, add: ${add} }]);
      console.log("done");
    } catch (error) {
      console.log(error.message);
    }
    Deno.exit();
  `);
}

for (const how of ["opSync", "op"] as const) {
  testWith(
    { tools: ["deno"] },
    `SemaphoreSet.${how}: another process that waits is woken by a change`,
    () =>
      withSet({ count: 1 }, async (set) => {
        await using peer = waiter(set.id, how);
        assert.equal(await peer.line(), "waiting");
        await asleep(set);
        set.tryOp(give);
        assert.equal(await peer.line(), "done");
        assert.equal(set.value(0), 0);
        assert.equal(set.lastPid(0), peer.pid);
      }),
  );

  testWith(
    { tools: ["deno"] },
    `SemaphoreSet.${how}: another process that waits gets EIDRM when the set is removed`,
    () =>
      withSet({ key: freshKey(), count: 1, values: [1] }, async (set) => {
        await using peer = waiter(set.id, how, 0);
        while (set.waitingForZero(0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        set.remove();
        assert.equal(await peer.line(), "waiting");
        assert.match(await peer.line(), /semtimedop for key.*EIDRM, it was removed;.*start over/);
      }),
  );

  testWith(
    { tools: ["deno"] },
    `SemaphoreSet.${how}: continues to wait after a signal`,
    () =>
      withSet({ count: 1 }, async (set) => {
        await using peer = waiter(set.id, how);
        assert.equal(await peer.line(), "waiting");
        for (let i = 0; i < 20; i++) {
          await asleep(set);
          peer.kill("SIGUSR1");
        }
        set.tryOp(give);
        assert.equal(await peer.line(), "done");
      }),
  );
}

testWith(
  { tools: ["deno"], files: true },
  "SemaphoreSet.op: a Worker that was terminated while it awaited changes nothing later",
  () =>
    withSet({ count: 1 }, async (set) => {
      await using peer = Peer.typescript(
        `
      const code = \`
        import { SemaphoreSet } from "@sysv/shm";
        const set = SemaphoreSet.attach(${set.id});
        for (;;) await set.op([{ semaphore: 0, add: -1 }]);
      \`;
      const path = Deno.makeTempFileSync({ suffix: ".ts" });
      Deno.writeTextFileSync(path, code);
      const worker = new Worker("file://" + path, { type: "module" });
      for await (const _ of Deno.stdin.readable) {
        worker.terminate();
        Deno.removeSync(path);
        console.log("terminated");
      }
    `,
      );
      await asleep(set);
      await peer.write("now\n");
      assert.equal(await peer.line(), "terminated");
      // Between two slices there is no waiter either: only a long quiet shows that the wait ended
      for (let quiet = 0; quiet < 40; quiet++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        if (set.waitingForIncrease(0) > 0) quiet = 0;
      }
      set.tryOp(give);
      assert.equal(set.value(0), 1);
      await peer.endInput();
      assert.equal((await peer.ended()).code, 0);
    }),
);

testWith(
  { tools: ["deno"] },
  "SemaphoreSet.op: changes with undo are reverted when the process is killed",
  () =>
    withSet({ count: 2 }, async (set) => {
      await using peer = Peer.typescript(`
      import { SemaphoreSet } from "@sysv/shm";
      SemaphoreSet.attach(${set.id}).tryOp([
        { semaphore: 0, add: 1, undo: true },
        { semaphore: 1, add: 1 },
      ]);
      console.log("taken");
      setInterval(() => {}, 1000);
    `);
      assert.equal(await peer.line(), "taken");
      assert.deepEqual([set.values(), set.lastPid(0)], [[1, 1], peer.pid]);
      peer.kill("SIGKILL");
      set.opSync([{ semaphore: 0, add: 0 }], { timeout: 60_000 });
      assert.deepEqual(set.values(), [0, 1]);
      await peer.ended();
    }),
);
