/** A bell: woken by a wake of the word, ended by its time, by an interruption or by closing. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { FutexRing } from "../../ffi/io_uring.ts";
import { closeFd } from "../../ffi/libc.ts";
import { Bell } from "../../src/sync/bell.ts";
import { Ear } from "../../src/sync/ear.ts";
import { Word } from "../../src/sync/word.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import { pingPong } from "./ping_pong.ts";

guardAgainstLeaks();
// Else the first wait of all is none
await Ear.load();

/** A safety net. */
const LONG = 20_000;

/** Whether this kernel has bells: Linux before 6.7 and many containers have none. */
function hasBells(): boolean {
  const ring = FutexRing.open();
  if (typeof ring === "number") return false;
  ring.close();
  closeFd(ring.event);
  return true;
}

const ignore = !hasBells();
const reason = ignore ? " [the kernel has no futex wait in io_uring]" : "";

interface Place {
  readonly word: Word;
  readonly address: Deno.PointerObject;
  readonly bell: Bell;
}

/** A wait as a promise; `false` if there are no bells. */
function sleep(
  bell: Bell,
  address: Deno.PointerObject,
  value: number,
  ms: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    if (!bell.listen(address, value, ms, () => resolve(true))) resolve(false);
  });
}

async function withBell(body: (place: Place) => Promise<void>): Promise<void> {
  using segment = Segment.create({ size: 64 });
  segment.remove();
  const bell = new Bell();
  try {
    await body({ word: new Word(segment, 0), address: segment.pointer, bell });
  } finally {
    bell.close();
  }
}

Deno.test({
  name: `a wake rings, again and again${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      for (let i = 0; i < 100; i++) {
        const slept = sleep(bell, address, 0, LONG);
        // Until it is with the kernel there is nobody to wake
        while (word.wake() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        assert.equal(await slept, true);
      }
    }),
});

Deno.test({
  name: `a wait lasts until something happens, and is one to the kernel${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      for (let i = 0; i < 5; i++) {
        let over = false;
        const slept = sleep(bell, address, 0, LONG).then(() => over = true);
        await new Promise((resolve) => setTimeout(resolve, 20));
        assert(!over, `wait ${i} ended by itself`);
        assert.equal(word.wake(), 1);
        await slept;
      }
    }),
});

Deno.test({
  name: `a ring that was closed arms nothing${reason}`,
  ignore,
  fn: () =>
    withBell(({ address }) => {
      const ring = FutexRing.open();
      assert(typeof ring !== "number");
      ring.close();
      closeFd(ring.event);
      assert(ring.arm(address, 0) < 0);
      return Promise.resolve();
    }),
});

Deno.test({
  name: `a word that is something else already ends the wait${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      word.store(5);
      for (let i = 0; i < 100; i++) assert.equal(await sleep(bell, address, 0, LONG), true);
    }),
});

Deno.test({
  name: `time, an interruption and closing end a wait; what was armed still rings${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      assert.equal(await sleep(bell, address, 0, 1), true);
      const interrupted = sleep(bell, address, 0, LONG);
      setTimeout(() => bell.interrupt(), 1);
      assert.equal(await interrupted, true);

      const armedBefore = sleep(bell, address, 0, LONG);
      setTimeout(() => word.wake(), 1);
      assert.equal(await armedBefore, true);

      const closed = sleep(bell, address, 0, LONG);
      setTimeout(() => bell.close(), 1);
      assert.equal(await closed, true);
      assert.equal(await sleep(bell, address, 0, LONG), true);
      bell.close();
    }),
});

Deno.test({
  name: `a ring that could not be had once can be had later${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ address, bell }) => {
      const { open } = FutexRing;
      // As when there are no file descriptors left
      FutexRing.open = () => -24;
      try {
        assert.equal(await sleep(bell, address, 0, LONG), false);
      } finally {
        FutexRing.open = open;
      }
      assert.equal(await sleep(bell, address, 0, 1), true);
      const another = new Bell();
      assert.equal(await sleep(another, address, 0, 1), true);
      another.close();
    }),
});

Deno.test("closing a bell that never slept does nothing", () => {
  new Bell().close();
});

Deno.test({
  name: `a sleep never lasts longer than it may, whatever timer an earlier one left${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      const slept = sleep(bell, address, 0, LONG);
      while (word.wake() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      await slept;
      let late = false;
      const net = setTimeout(() => late = true, LONG / 2);
      for (const ms of [50, 100, 20]) assert.equal(await sleep(bell, address, 0, ms), true);
      clearTimeout(net);
      assert.equal(late, false);
    }),
});

Deno.test({
  name: `a timer that was left does not outlive the bell${reason}`,
  ignore,
  fn: () =>
    withBell(async ({ word, address, bell }) => {
      const slept = sleep(bell, address, 0, LONG);
      while (word.wake() === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      await slept;
      // What is left behind is found by Deno.test itself
      bell.close();
    }),
});

if (!ignore) {
  testWith(C_NEEDS, "no wake is missed, whenever it comes", async () => {
    const LAST = 20_000;
    using segment = Segment.create({ size: 64 });
    segment.remove();
    await using peer = pingPong.start(segment.id, LAST);
    const word = new Word(segment, 0);
    const bell = new Bell();
    const net = setTimeout(() => bell.interrupt(), LONG);
    try {
      for (let turn = 1; turn < LAST; turn += 2) {
        word.store(turn);
        word.wake();
        // The answer comes before, while and after this is armed
        while (word.load() === turn) {
          assert.equal(await sleep(bell, segment.pointer, turn, 2 * LONG), true);
          assert.notEqual(word.load(), turn, "it was not woken");
        }
      }
      assert.equal(await peer.line(), `${LAST}`);
    } finally {
      clearTimeout(net);
      bell.close();
    }
  });
}

testWith(
  { tools: ["sh", "deno"] },
  "for want of file descriptors there are no bells, and later there are",
  async () => {
    const script = `
      import { FutexRing } from "./ffi/io_uring.ts";
      import { closeFd, openPipe } from "./ffi/libc.ts";
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
