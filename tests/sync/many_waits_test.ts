/** A thousand waits at once: they share a few threads, so that others' calls find theirs. */

import assert from "node:assert/strict";
import { BlockingCalls } from "../../ffi/blocking_calls.ts";
import { FutexRing } from "../../ffi/io_uring.ts";
import { AsyncFutex } from "../../src/sync/async_futex.ts";
import { EventfdReader } from "../../src/sync/eventfd_reader.ts";
import { AtomicInt32, Segment, SemaphoreSet } from "../../mod.ts";
import { changedFrom } from "../../src/sync/atomic_int32.ts";
import type { Operation } from "../../src/sysv/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();
await EventfdReader.load();

const FUTEX_RING = new URL("../../ffi/io_uring.ts", import.meta.url).href;
const WAITS = 1000;
/** Blocking calls of one kind that may run at a time, of 32 that an event loop has threads for. */
const MOST_THREADS = 4;
/** A safety net. */
const LONG_MS = 60_000;

const pause = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `count` gives `wanted`, and sees to it that it is never more than that. */
async function reaches(wanted: number, count: () => number): Promise<void> {
  const net = Deadline.after(LONG_MS);
  for (;;) {
    const now = count();
    assert(now <= wanted, `${now}, more than ${wanted}`);
    if (now === wanted) return;
    assert(!net.passed, `${now} after a minute, not ${wanted}`);
    await pause();
  }
}

/** Its rejection alone fails no file: where an assertion fails first, that is what the file reports. */
function handled<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {});
  return promise;
}

const hasRing = FutexRing.supported;

Deno.test("BlockingCalls.run makes a few calls at a time, and the others in the order of asking", async () => {
  const calls = new BlockingCalls(2, LONG_MS);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const call = (n: number) => (ms: number): Promise<number> => {
    assert(ms <= LONG_MS);
    begun.push(n);
    return new Promise((resolve) => ends.push(() => resolve(n)));
  };
  const crowd = Array.from({ length: 100 }, (_, n) => calls.run(LONG_MS, call(n)));
  await pause();
  assert.deepEqual(begun, [0, 1]);
  ends[1]!();
  assert.equal(await crowd[1], 1);
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]!();
  assert.equal(await crowd[0], 0);
  assert.deepEqual(begun, [0, 1, 2, 3]);
  for (let n = 2; n < crowd.length; n++) {
    ends[n]!();
    assert.equal(await crowd[n], n);
  }
  assert.deepEqual(begun, begun.toSorted((a, b) => a - b));
});

Deno.test("BlockingCalls.run gives up when its turn does not come, and a call that fails frees its place", async () => {
  const calls = new BlockingCalls(1);
  const { promise, reject } = Promise.withResolvers<never>();
  const first = calls.run(LONG_MS, () => promise);
  assert.equal(await calls.run(1, () => Promise.reject(new Error("was called"))), undefined);
  // It need not wait all of its time to look
  assert.equal(await calls.run(LONG_MS, () => Promise.reject(new Error("was called"))), undefined);
  reject(new Error("failed"));
  await assert.rejects(first, /failed/);
  assert.equal(await calls.run(1, () => Promise.resolve("had it")), "had it");
});

Deno.test("SemaphoreSet.op waits for a thousand semaphores on a few threads; each is done or aborts", async () => {
  const set = SemaphoreSet.create({ count: WAITS });
  try {
    const controller = new AbortController();
    const take = (semaphore: number): Operation[] => [{ semaphore, add: -1 }];
    const waits = Array.from(
      { length: WAITS },
      (_, n) => handled(set.op(take(n), { signal: controller.signal })),
    );
    const sleeping = (): number => {
      let sum = 0;
      for (let n = 0; n < WAITS; n++) sum += set.waitingForIncrease(n);
      return sum;
    };
    await reaches(MOST_THREADS, sleeping);
    // Those that have no thread are served as well
    const given = [0, 1, 2, 3, 500, 999];
    for (const n of given) set.tryOp([{ semaphore: n, add: 1 }]);
    await Promise.all(given.map((n) => waits[n]));
    await reaches(MOST_THREADS, sleeping);
    controller.abort(new Error("stop"));
    const ends = await Promise.allSettled(waits);
    assert.equal(ends.filter(({ status }) => status === "fulfilled").length, given.length);
    assert.equal(sleeping(), 0);
    assert(set.values().every((value) => value === 0));
  } finally {
    set.remove();
  }
});

Deno.test("SemaphoreSet.op waits a thousand times for the same on one thread, in the order of asking", async () => {
  const set = SemaphoreSet.create({ count: 1 });
  try {
    const order: number[] = [];
    const take = SemaphoreSet.prepare([{ semaphore: 0, add: -1 }]);
    const controllers = Array.from({ length: WAITS }, () => new AbortController());
    const waits = controllers.map(({ signal }, n) =>
      handled(set.op(take, { signal }).then(() => order.push(n)))
    );
    await reaches(1, () => set.waitingForIncrease(0));
    // One that is not the first has nothing to wait for
    let refused: unknown;
    waits[500]!.catch((error) => refused = error.message);
    controllers[500]!.abort(new Error("stop"));
    await pause(0);
    assert.equal(refused, "stop");
    for (let n = 1; n < WAITS; n++) set.tryOp([{ semaphore: 0, add: 1 }]);
    await Promise.all(waits.filter((_, n) => n !== 500));
    assert.deepEqual(order, controllers.map((_, n) => n).filter((n) => n !== 500));
    assert.equal(set.value(0), 0);
  } finally {
    set.remove();
  }
});

Deno.test("SemaphoreSet.op that waits behind others fails when the set is removed", async () => {
  const set = SemaphoreSet.create({ count: 1 });
  const waits = Array.from({ length: 10 }, () => handled(set.op([{ semaphore: 0, add: -1 }])));
  await reaches(1, () => set.waitingForIncrease(0));
  set.remove();
  for (const wait of waits) await assert.rejects(wait, { code: "EIDRM" });
});

Deno.test("SemaphoreSet.op that waits behind others times out by itself", async () => {
  const set = SemaphoreSet.create({ count: 1 });
  try {
    const controller = new AbortController();
    const take = [{ semaphore: 0, add: -1 }];
    const first = set.op(take, { signal: controller.signal });
    await assert.rejects(set.op(take, { timeout: 5 }), { code: "ETIMEDOUT" });
    controller.abort(new Error("stop"));
    await assert.rejects(first, /stop/);
  } finally {
    set.remove();
  }
});

Deno.test({
  name: `AtomicInt32.wait waits a thousand times without a thread${
    hasRing ? "" : " [no io_uring]"
  }`,
  ignore: !hasRing,
  fn: async () => {
    using segment = Segment.create({ size: 8 * WAITS });
    segment.remove();
    const words = Array.from({ length: WAITS }, (_, n) => new AtomicInt32(segment, 8 * n));
    const controller = new AbortController();
    const waits = words.map((word) => word.wait(0, { signal: controller.signal }));
    // A wake says how many were with the kernel: all of them, each slice and between slices
    const net = Deadline.after(LONG_MS);
    for (const [n, word] of words.entries()) {
      if (n % 2 === 1) continue;
      while (word.notify() === 0) {
        assert(!net.passed, `no waiter on word ${n}`);
        await pause();
      }
      word.store(n + 1);
    }
    for (const [n, wait] of waits.entries()) if (n % 2 === 0) assert.equal(await wait, n + 1);
    controller.abort(new Error("stop"));
    for (const [n, wait] of waits.entries()) if (n % 2 === 1) await assert.rejects(wait, /stop/);
    // What was given up is not with the kernel any more, and takes no wake from others
    await reaches(0, () => words.reduce((sum, word) => sum + word.notify(), 0));
  },
});

Deno.test({
  name: `AsyncFutex: more waits end at once than the ring has room for${
    hasRing ? "" : " [no io_uring]"
  }`,
  ignore: !hasRing,
  fn: async () => {
    using segment = Segment.create({ size: 64 });
    segment.remove();
    const futexes = Array.from({ length: WAITS }, () => new AsyncFutex());
    let ended = 0;
    for (let round = 1; round <= 3; round++) {
      for (const futex of futexes) {
        assert(futex.listen(segment.pointer, 0, LONG_MS, () => ended++));
      }
      assert.equal(new AtomicInt32(segment, 0).notify(), WAITS);
      while (ended < round * WAITS) await pause();
    }
    // Those that end as they begin are all there before any is read
    for (const futex of futexes) {
      assert(futex.listen(segment.pointer, 1, LONG_MS, () => ended++));
    }
    while (ended < 4 * WAITS) await pause();
    assert.equal(ended, 4 * WAITS);
    for (const futex of futexes) futex.close();
  },
});

Deno.test("AtomicInt32.wait that has timed out takes no wake from others", async () => {
  using segment = Segment.create({ size: 64 });
  segment.remove();
  const word = new AtomicInt32(segment, 0);
  for (let i = 0; i < 10; i++) {
    await assert.rejects(word.wait(0, { timeout: 5 }), { code: "ETIMEDOUT" });
    assert.equal(word.notify(), 0);
  }
});

Deno.test("AtomicInt32 (changedFrom) without a futex of its own leaves no wait with the kernel", async () => {
  using segment = Segment.create({ size: 64 });
  segment.remove();
  const word = new AtomicInt32(segment, 0);
  for (let i = 0; i < 10; i++) {
    const wait = changedFrom(word, 0, 1);
    await new Promise<void>((resolve) => {
      if (wait.listen?.(resolve) !== true) wait.sleep().then(() => resolve());
    });
    assert.equal(word.notify(), 0);
  }
});

testWith(
  { tools: ["deno"] },
  "AtomicInt32.wait without io_uring waits on a few threads",
  async () => {
    await using peer = Peer.typescript(`
    import { Segment, AtomicInt32 } from "@sysv/shm";
    import { FutexRing } from "${FUTEX_RING}";
    Object.defineProperty(FutexRing, "supported", { value: false });
    const segment = Segment.create({ size: ${8 * WAITS} });
    segment.remove();
    const words = Array.from({ length: ${WAITS} }, (_, n) => new AtomicInt32(segment, 8 * n));
    const controller = new AbortController();
    const waits = words.map((word) => word.wait(0, { signal: controller.signal }));
    let most = 0;
    for (let look = 0; look < 50; look++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      most = Math.max(most, words.reduce((sum, word) => sum + word.notify(), 0));
    }
    words[0].store(1);
    words[999].store(1);
    const told = await Promise.all([waits[0], waits[999]]);
    controller.abort(new Error("stop"));
    const ends = await Promise.allSettled(waits);
    console.log(most > 0 && most <= ${MOST_THREADS}, told.join(),
      ends.filter(({ status }) => status === "rejected").length);
  `);
    const ended = await peer.ended();
    assert.equal(ended.stdout, `true 1,1 ${WAITS - 2}\n`, ended.stderr);
  },
);

Deno.test("SemaphoreSet.op does not stand in line behind the same operations on another set", async () => {
  const [one, two] = [SemaphoreSet.create({ count: 1 }), SemaphoreSet.create({ count: 1 })];
  try {
    const controller = new AbortController();
    const take = [{ semaphore: 0, add: -1 }];
    const blocked = one.op(take, { signal: controller.signal });
    const free = two.op(take, { timeout: LONG_MS });
    await reaches(1, () => two.waitingForIncrease(0));
    two.tryOp([{ semaphore: 0, add: 1 }]);
    await free;
    controller.abort(new Error("stop"));
    await assert.rejects(blocked, /stop/);
  } finally {
    one.remove();
    two.remove();
  }
});
