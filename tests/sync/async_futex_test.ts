/** Async futexes: woken by a wake of the word, ended by their time, by an interruption or by closing. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { FutexRing } from "../../ffi/io_uring.ts";
import { closeFd } from "../../ffi/files.ts";
import { AsyncFutex } from "../../src/sync/async_futex.ts";
import { EventfdReader } from "../../src/sync/eventfd_reader.ts";
import { AtomicInt32 } from "../../src/sync/atomic_int32.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import { pingPong } from "./ping_pong.ts";

guardAgainstLeaks();
// Else the first waits are none
await EventfdReader.load();

/** A safety net. */
const LONG = 20_000;

/** Whether the kernel waits for futexes in io_uring: before Linux 6.7 and in many containers it does not. */
function hasFutexWait(): boolean {
  const ring = FutexRing.open();
  if (typeof ring === "number") return false;
  ring.close();
  closeFd(ring.event);
  return true;
}

const ignore = !hasFutexWait();
const reason = ignore ? " [the kernel has no futex wait in io_uring]" : "";

interface Place {
  readonly word: AtomicInt32;
  readonly address: Deno.PointerObject;
  readonly futex: AsyncFutex;
}

/** A wait as a promise; `false` if that cannot be done. */
function sleep(
  futex: AsyncFutex,
  address: Deno.PointerObject,
  value: number,
  ms: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (!futex.listen(address, value, ms, () => resolve(true))) resolve(false);
  });
}

async function withFutex(body: (place: Place) => Promise<void>): Promise<void> {
  using segment = Segment.create({ size: 64 });
  segment.remove();
  const futex = new AsyncFutex();
  try {
    await body({ word: new AtomicInt32(segment, 0), address: segment.pointer, futex });
  } finally {
    futex.close();
  }
}

// Before there is the ring that all share
Deno.test({
  name: `AsyncFutex.listen returns false without a ring, and a later one has it${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ address, futex }) => {
      const { open } = FutexRing;
      // As when there are no file descriptors left
      FutexRing.open = () => -24;
      try {
        assert.equal(await sleep(futex, address, 0, LONG), false);
      } finally {
        FutexRing.open = open;
      }
      assert.equal(await sleep(futex, address, 0, 1), true);
      const another = new AsyncFutex();
      assert.equal(await sleep(another, address, 0, 1), true);
      another.close();
    }),
});

Deno.test({
  name: `AsyncFutex.listen ends by a wake, many times${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      for (let i = 0; i < 100; i++) {
        const slept = sleep(futex, address, 0, LONG);
        // Until the kernel has it there is no waiter to wake
        while (word.notify() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        assert.equal(await slept, true);
      }
    }),
});

Deno.test({
  name: `AsyncFutex.listen lasts until something happens, and is one wait to the kernel${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      for (let i = 0; i < 5; i++) {
        let over = false;
        const slept = sleep(futex, address, 0, LONG).then(() => over = true);
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert(!over, `wait ${i} ended by itself`);
        assert.equal(word.notify(), 1);
        await slept;
      }
    }),
});

Deno.test({
  name: `FutexRing.arm on a closed ring does nothing${reason}`,
  ignore,
  fn: () =>
    withFutex(({ address }) => {
      const ring = FutexRing.open();
      assert(typeof ring !== "number");
      ring.close();
      closeFd(ring.event);
      assert(ring.arm(1, address, 0) < 0);
      return Promise.resolve();
    }),
});

Deno.test({
  name: `AsyncFutex.listen ends if the word has changed already${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      word.store(5);
      for (let i = 0; i < 100; i++) assert.equal(await sleep(futex, address, 0, LONG), true);
    }),
});

Deno.test({
  name:
    `AsyncFutex.listen (interrupt, close, time) ends; a wait that the kernel still has wakes${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      assert.equal(await sleep(futex, address, 0, 1), true);
      const interrupted = sleep(futex, address, 0, LONG);
      setTimeout(() => futex.interrupt(), 1);
      assert.equal(await interrupted, true);

      const armedBefore = sleep(futex, address, 0, LONG);
      setTimeout(() => word.notify(), 1);
      assert.equal(await armedBefore, true);

      const closed = sleep(futex, address, 0, LONG);
      setTimeout(() => futex.close(), 1);
      assert.equal(await closed, true);
      assert.equal(await sleep(futex, address, 0, LONG), true);
      futex.close();
    }),
});

Deno.test({
  name: `AsyncFutex.listen asks whether it has ended, many times in a long wait${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ address, futex }) => {
      let asked = 0;
      // A wait may end early, as by what an earlier test left
      for (let waits = 0; asked < 3; waits++) {
        assert(waits < 3, `asked ${asked} times`);
        await new Promise<void>((resolve) => {
          assert(futex.listen(address, 0, LONG, resolve, () => ++asked === 3));
        });
      }
      assert.equal(asked, 3);
      await new Promise<void>((resolve) => {
        assert(futex.listen(address, 0, 250, resolve, () => false));
      });
    }),
});

Deno.test("AsyncFutex.close does nothing without a wait", () => {
  new AsyncFutex().close();
});

Deno.test({
  name:
    `AsyncFutex.listen never lasts longer than its time, whatever timer an earlier one left${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      const slept = sleep(futex, address, 0, LONG);
      while (word.notify() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      await slept;
      let late = false;
      const net = setTimeout(() => late = true, LONG / 2);
      for (const ms of [50, 100, 20]) assert.equal(await sleep(futex, address, 0, ms), true);
      clearTimeout(net);
      assert.equal(late, false);
    }),
});

Deno.test({
  name: `AsyncFutex.close clears the timer that was left${reason}`,
  ignore,
  fn: () =>
    withFutex(async ({ word, address, futex }) => {
      const slept = sleep(futex, address, 0, LONG);
      while (word.notify() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      await slept;
      // What is left behind is found by Deno.test itself
      futex.close();
    }),
});

if (!ignore) {
  testWith(C_NEEDS, "AsyncFutex.listen misses no wake, whenever it comes", async () => {
    const LAST = 20_000;
    using segment = Segment.create({ size: 64 });
    segment.remove();
    await using peer = pingPong.start(segment.id, LAST);
    const word = new AtomicInt32(segment, 0);
    const futex = new AsyncFutex();
    let isLost = false;
    const net = setTimeout(() => {
      isLost = true;
      futex.interrupt();
    }, LONG);
    try {
      for (let turn = 1; turn < LAST; turn += 2) {
        word.store(turn);
        word.notify();
        // The answer comes before, while and after this is armed
        while (word.load() === turn) {
          assert.equal(await sleep(futex, segment.pointer, turn, 2 * LONG), true);
          // The wake of the turn before may come only now: then it sleeps again
          assert(!isLost, "it was not woken");
        }
      }
      assert.equal(await peer.line(), `${LAST}`);
    } finally {
      clearTimeout(net);
      futex.close();
    }
  });
}

testWith(
  { tools: ["sh", "deno"] },
  "FutexRing.supported is asked again after file descriptors ran out",
  async () => {
    const script = `
      import { FutexRing } from "./ffi/io_uring.ts";
      import { closeFd, openPipe } from "./ffi/files.ts";
      const taken: number[] = [];
      for (let pipe = openPipe(); typeof pipe !== "number"; pipe = openPipe()) taken.push(...pipe);
      const without = FutexRing.supported;
      taken.forEach(closeFd);
      console.log(without, FutexRing.supported);
    `;
    await using peer = Peer.start("sh", [
      "-c",
      'ulimit -n 64; printf %s "$1" | exec "$0" run --allow-ffi --no-lock -',
      Deno.execPath(),
      script,
    ]);
    assert.equal(await peer.line(), `false ${!ignore}`);
  },
);
