/** Mutex: one lock at a time, between processes and within one, that ends with its block. */

import assert from "node:assert/strict";
import { Mutex, type MutexLock, SemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

async function withMutex(body: (mutex: Mutex) => void | Promise<void>): Promise<void> {
  const mutex = Mutex.openOrCreate({ key: freshKey() });
  try {
    await body(mutex);
  } finally {
    mutex.remove();
  }
}

Deno.test("Mutex.lock excludes others until its block ends", () =>
  withMutex(async (mutex) => {
    const same = Mutex.openOrCreate({ key: mutex.set.key });
    {
      using lock = await mutex.lock();
      assert.deepEqual([lock.held, mutex.holder, same.holder], [true, Deno.pid, Deno.pid]);
      assert.equal(same.tryLock(), undefined);
      assert.equal(mutex.tryLock(), undefined);
    }
    assert.equal(mutex.holder, undefined);
    {
      using lock = same.lockSync();
      assert(lock.held);
    }
    const lock = mutex.tryLock();
    assert(lock?.held);
    lock.release();
  }));

Deno.test("Mutex.withLock: the body has the lock until its promise settles, also when it rejects", () =>
  withMutex(async (mutex) => {
    const started = Promise.withResolvers<void>();
    const end = Promise.withResolvers<string>();
    const result = mutex.withLock(() => {
      started.resolve();
      return end.promise;
    });
    await started.promise;
    assert.equal(mutex.tryLock(), undefined);
    await assert.rejects(mutex.withLock(() => assert.fail(), { timeout: 1 }), {
      code: "ETIMEDOUT",
    });
    end.resolve("done");
    assert.equal(await result, "done");
    assert.equal(mutex.holder, undefined);
    for (const body of [() => Promise.reject(new Error("no")), () => assert.fail("no")]) {
      await assert.rejects(mutex.withLock<void>(body), /no/);
      assert.equal(mutex.holder, undefined);
    }
  }));

Deno.test("Mutex (release): a lock is released once, and releases no other lock", () =>
  withMutex((mutex) => {
    const first = mutex.lockSync();
    first.release();
    assert.equal(first.held, false);
    const second = mutex.lockSync();
    first.release();
    first[Symbol.dispose]();
    assert.deepEqual([second.held, mutex.holder], [true, Deno.pid]);
    second.release();
  }));

Deno.test("Mutex.lock: tasks of one process exclude each other, and each gets its turn", () =>
  withMutex(async (mutex) => {
    let inside = 0;
    let turns = 0;
    const task = async (pause: number): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        using _lock = await mutex.lock();
        assert.equal(++inside, 1);
        await new Promise((resolve) => setTimeout(resolve, pause));
        turns++;
        inside--;
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => task(i % 2)));
    assert.equal(turns, 100);
  }));

Deno.test("Mutex.lock that times out or aborts holds no lock", () =>
  withMutex(async (mutex) => {
    const other = Mutex.openOrCreate({ key: mutex.set.key });
    using lock = mutex.lockSync();
    const late = { code: "ETIMEDOUT", message: new RegExp(`process ${Deno.pid} holds it`) };
    assert.throws(() => other.lockSync({ timeout: 1 }), late);
    await assert.rejects(other.lock({ timeout: 1 }), late);
    const controller = new AbortController();
    const locking = other.lock({ signal: controller.signal });
    while (mutex.set.waitingForZero(0) === 0) await new Promise((done) => setTimeout(done, 1));
    controller.abort(new Error("stop"));
    await assert.rejects(locking, /stop/);
    lock.release();
    assert.equal(mutex.holder, undefined);
  }));

Deno.test("Mutex.lockSync refuses to block for a lock of this object, however it was locked", () =>
  withMutex(async (mutex) => {
    const refused = { code: "EDEADLK" };
    const ways: (() => MutexLock | Promise<MutexLock>)[] = [
      () => mutex.lockSync(),
      () => mutex.tryLock()!,
      () => mutex.lock(),
    ];
    for (const way of ways) {
      using lock = await way();
      assert.throws(() => mutex.lockSync({ timeout: 1 }), refused);
      assert.throws(() => mutex.lockSync(), refused);
      assert(lock.held);
      // Not blocking, it waits for what another task of ours will release
      const next = mutex.lock();
      lock.release();
      (await next).release();
    }
  }));

Deno.test("Mutex.remove fails the waiters, and the last lock is released without an error", () =>
  withMutex(async (mutex) => {
    using _lock = mutex.lockSync();
    const told = assert.rejects(mutex.lock(), { code: "EIDRM", message: /removed.*start over/ });
    while (mutex.set.waitingForZero(0) === 0) await new Promise((done) => setTimeout(done, 1));
    mutex.remove();
    await told;
    await assert.rejects(mutex.lock(), { code: "EINVAL" });
    assert.throws(() => mutex.tryLock(), { code: "EINVAL" });
  }));

Deno.test("Mutex: several may share one set; a key of another object is refused", () => {
  const set = SemaphoreSet.create({ key: freshKey(), count: 3 });
  try {
    const [one, two] = [new Mutex(set, 1), new Mutex(set, 2)];
    using _one = one.lockSync();
    using _two = two.lockSync();
    assert.deepEqual(set.values(), [0, 1, 1]);
    assert.throws(() => new Mutex(set, 3), RangeError);
    assert.throws(() => Mutex.openOrCreate({ key: set.key }), {
      code: "EINVAL",
      message: /another number of semaphores \(3\)/,
    });
  } finally {
    set.remove();
  }
});

testWith(
  { tools: ["deno"] },
  "Mutex.lock and lockSync: the mutex of a killed holder is free",
  () =>
    withMutex(async (mutex) => {
      for (const how of ["lock", "lockSync"] as const) {
        await using peer = Peer.typescript(`
        import { Mutex } from "@sysv/shm";
        const lock = await Mutex.openOrCreate({ key: ${mutex.set.key} }).${how}();
        console.log(lock.held);
        setInterval(() => {}, 1000);
      `);
        assert.equal(await peer.line(), "true");
        assert.equal(mutex.holder, peer.pid);
        const locking = mutex.lock();
        peer.kill("SIGKILL");
        using lock = await locking;
        assert.deepEqual([lock.held, mutex.holder], [true, Deno.pid]);
      }
    }),
);

testWith(
  { tools: ["deno"] },
  "Mutex.lock: a dropped lock stays until its process ends",
  () =>
    withMutex(async (mutex) => {
      await using peer = Peer.typescript(
        `
      import { Mutex } from "@sysv/shm";
      const mutex = Mutex.openOrCreate({ key: ${mutex.set.key} });
      (() => { mutex.lockSync(); })();
      for (let i = 0; i < 5; i++) { gc(); await new Promise((done) => setTimeout(done, 1)); }
      console.log(mutex.holder === Deno.pid);
      for await (const _ of Deno.stdin.readable) break;
    `,
        "--v8-flags=--expose-gc",
      );
      assert.equal(await peer.line(), "true");
      assert.equal(mutex.tryLock(), undefined);
      await peer.endInput();
      using lock = await mutex.lock();
      assert(lock.held);
    }),
);
