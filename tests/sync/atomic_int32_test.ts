/** AtomicInt32: atomic changes, waits, and errors instead of crashes after a detach. */

import assert from "node:assert/strict";
import { AtomicInt32, Segment } from "../../mod.ts";
import { changedFrom } from "../../src/sync/atomic_int32.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";
import { pingPong } from "./ping_pong.ts";

guardAgainstLeaks();

/** So long that a test which has to wait it out has failed. */
const LONG_MS = 3_600_000;

function scratch(): Segment {
  const segment = Segment.create({ size: 64 });
  segment.remove();
  return segment;
}

Deno.test("AtomicInt32: load, store, add and compareExchange work on the word alone, as signed 32 bits", () => {
  using segment = scratch();
  const bytes = new Int32Array(segment.buffer);
  bytes.fill(-2);
  const word = new AtomicInt32(segment, 8);
  assert.equal(word.load(), -2);
  word.store(0xffffffff);
  assert.equal(word.load(), -1);
  assert.equal(word.add(3), -1);
  assert.equal(word.add(0x80000000), 2);
  assert.equal(word.load(), -(2 ** 31) + 2);
  assert.equal(word.compareExchange(5, 6), -(2 ** 31) + 2);
  assert.equal(word.compareExchange(0x80000002, 6), -(2 ** 31) + 2);
  assert.equal(word.load(), 6);
  assert.deepEqual([...bytes], [-2, -2, 6, ...new Array(13).fill(-2)]);
});

Deno.test("AtomicInt32: a value, offset or count out of range is refused", () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 0);
  for (const value of [2 ** 32, -(2 ** 31) - 1, 0.5, NaN]) {
    assert.throws(() => word.store(value), RangeError, `${value}`);
    assert.throws(() => word.add(value), RangeError);
    assert.throws(() => word.compareExchange(0, value), RangeError);
    assert.throws(() => word.compareExchange(value, 0), RangeError);
    assert.throws(() => word.waitSync(value), RangeError);
  }
  for (const count of [0, -1, 0.5, 2 ** 31, NaN]) {
    assert.throws(() => word.notify(count), RangeError, `${count}`);
  }
  for (const offset of [1, 2, 62, 64, -4, 4.5, NaN, Infinity]) {
    assert.throws(() => new AtomicInt32(segment, offset), RangeError, `${offset}`);
  }
  assert.equal(word.load(), 0);
});

Deno.test("AtomicInt32 of a read-only attach: load, wait and notify work, changes are refused", async () => {
  using segment = scratch();
  using reader = Segment.attach(segment.id, { readOnly: true });
  const word = new AtomicInt32(segment, 8);
  const seen = new AtomicInt32(reader, 8);
  word.store(5);
  assert.equal(seen.load(), 5);
  assert.equal(seen.waitSync(0), 5);
  const refused = { code: "EREADONLY", message: /change the word .*attach it without readOnly/ };
  assert.throws(() => seen.store(1), refused);
  assert.throws(() => seen.add(1), refused);
  assert.throws(() => seen.compareExchange(5, 1), refused);
  assert.equal(word.load(), 5);
  const changed = seen.wait(5);
  await wakeOne(word);
  word.store(6);
  word.notify();
  assert.equal(await changed, 6);
  const woken = word.wait(6);
  await wakeOne(seen);
  word.store(7);
  seen.notify();
  assert.equal(await woken, 7);
  reader.detach();
  assert.throws(() => seen.load(), { code: "EDETACHED" });
  assert.throws(() => seen.store(1), { code: "EDETACHED" });
});

Deno.test("AtomicInt32.wait for a value that has changed already ends at once with the new value", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 8);
  word.store(5);
  assert.equal(word.waitSync(4), 5);
  assert.equal(await word.wait(4), 5);
  changedFrom(word, 4, LONG_MS).block();
  await changedFrom(word, 4, LONG_MS).sleep();
  // Negative words are words too
  word.store(-1);
  assert.equal(word.waitSync(1), -1);
  assert.throws(() => word.waitSync(0xffffffff, { timeout: 1 }), {
    code: "ETIMEDOUT",
  });
});

Deno.test("AtomicInt32.wait for an unchanged word lasts no longer than asked", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 4);
  const late = { code: "ETIMEDOUT", call: "futex", message: /word at offset 4 is 0 still/ };
  assert.throws(() => word.waitSync(0, { timeout: 5 }), late);
  await assert.rejects(word.wait(0, { timeout: 5 }), late);
  changedFrom(word, 0, 1).block();
  await changedFrom(word, 0, 1).sleep();
});

/** Wakes one sleeper, which may be asleep only soon. */
async function wakeOne(word: AtomicInt32): Promise<void> {
  while (word.notify(1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}

Deno.test("AtomicInt32.notify wakes as many as asked, and counts them", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 0);
  assert.equal(word.notify(), 0);
  let over = 0;
  const sleeps = Array.from({ length: 3 }, async () => {
    await changedFrom(word, 0, LONG_MS).sleep();
    over++;
  });
  await wakeOne(word);
  while (over < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(over, 1);
  let woken = 1;
  while (woken < 3) {
    woken += word.notify();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.equal(woken, 3);
  await Promise.all(sleeps);
});

Deno.test("AtomicInt32.wait goes on after a wake without a change, and finds a change without a wake", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 0);
  let seen: number | undefined;
  const waiting = word.wait(0).then((value) => seen = value);
  await wakeOne(word);
  await wakeOne(word);
  assert.equal(seen, undefined);
  word.store(7);
  assert.equal(await waiting, 7);
});

Deno.test("AtomicInt32.wait that aborts rejects with the signal's reason, and no waiter is left", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 0);
  const controller = new AbortController();
  const reason = new Error("stop");
  const waiting = word.wait(0, { signal: controller.signal });
  await wakeOne(word);
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  assert.equal(word.notify(), 0);
  await assert.rejects(word.wait(0, { signal: AbortSignal.abort(reason) }), /stop/);
});

Deno.test("AtomicInt32 (changedFrom): a long slice finds a change without a wake, and a detach", async () => {
  const segment = scratch();
  const word = new AtomicInt32(segment, 0);
  const over = (value: number): Promise<void> =>
    new Promise((resolve) => {
      const wait = changedFrom(word, value, LONG_MS);
      if (wait.listen?.(resolve) !== true) wait.sleep().then(() => resolve());
    });
  for (let value = 0; value < 2; value++) {
    const ended = over(value);
    word.store(value + 1);
    await ended;
  }
  let looks = 0;
  changedFrom(word, 2, LONG_MS, undefined, () => ++looks === 2).block();
  assert.equal(looks, 2);
  const ended = over(2);
  segment.detach();
  await ended;
});

Deno.test("AtomicInt32 (changedFrom): an interrupt ends a slice before its time", async () => {
  using segment = scratch();
  const wait = changedFrom(new AtomicInt32(segment, 0), 0, LONG_MS);
  let over = false;
  const interrupted = wait.sleep().then(() => over = true);
  // The thread may not be asleep yet at the first interrupts
  while (!over) {
    wait.interrupt?.();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await interrupted;
});

Deno.test("AtomicInt32: after detach every use throws, also if the addresses hold something else", () => {
  const segment = scratch();
  const word = new AtomicInt32(segment, 0);
  const wait = changedFrom(word, 0, LONG_MS);
  const detached = { code: "EDETACHED", message: /attach the segment again/ };
  segment.detach();
  using inItsPlace = scratch();
  inItsPlace.bytes.fill(1);
  assert.throws(() => word.load(), detached);
  assert.throws(() => word.store(1), detached);
  assert.throws(() => word.add(1), detached);
  assert.throws(() => word.compareExchange(0, 1), detached);
  assert.throws(() => word.notify(), detached);
  assert.throws(() => word.waitSync(0), detached);
  assert.throws(() => wait.block(), detached);
  wait.interrupt?.();
  assert.throws(() => new AtomicInt32(segment, 0), { code: "EDETACHED" });
});

Deno.test("AtomicInt32: a transferred buffer counts as detached", async () => {
  using segment = scratch();
  const word = new AtomicInt32(segment, 0);
  structuredClone(segment.buffer, { transfer: [segment.buffer] });
  assert.throws(() => word.load(), { code: "EDETACHED" });
  await assert.rejects(word.wait(0), { code: "EDETACHED" });
});

Deno.test("AtomicInt32.wait ends with EDETACHED when its segment is detached", async () => {
  const segment = scratch();
  const word = new AtomicInt32(segment, 0);
  const told = assert.rejects(word.wait(0), { code: "EDETACHED" });
  await wakeOne(word);
  segment.detach();
  await told;
});

testWith({ tools: ["deno"] }, "AtomicInt32.wait that a detach overtakes does no harm", async () => {
  await using peer = Peer.typescript(
    `
    import { Segment, AtomicInt32 } from "@sysv/shm";
    const ends = new Map();
    const count = (error) => ends.set(error.code, (ends.get(error.code) ?? 0) + 1);
    const waits = [];
    for (let round = 0; round < 2_000; round++) {
      const segment = Segment.create({ size: 4096 });
      segment.remove();
      const word = new AtomicInt32(segment, 4 * (round % 1024));
      waits.push(word.wait(0).catch(count));
      if (round % 3 === 0) await new Promise((done) => setTimeout(done));
      if (round % 100 === 0) gc();
      segment.detach(); // its place is the next one's at once
    }
    await Promise.all(waits);
    console.log(JSON.stringify([...ends]));
  `,
    "--v8-flags=--expose-gc",
  );
  const { code, stdout, stderr } = await peer.ended();
  assert.deepEqual([code, stdout, stderr], [0, '[["EDETACHED",2000]]\n', ""]);
});

testWith({ tools: ["deno"] }, "AtomicInt32.notify wakes a waiter in another process", async () => {
  using segment = scratch();
  await using peer = Peer.typescript(`
    import { Segment, AtomicInt32 } from "@sysv/shm";
    using segment = Segment.attach(${segment.id});
    console.log(new AtomicInt32(segment, 0).waitSync(0));
    console.log(await new AtomicInt32(segment, 0).wait(7));
  `);
  const word = new AtomicInt32(segment, 0);
  await wakeOne(word);
  word.store(7);
  word.notify();
  assert.equal(await peer.line(), "7");
  await wakeOne(word);
  word.store(8);
  word.notify();
  assert.equal(await peer.line(), "8");
  assert.equal((await peer.ended()).code, 0);
});

testWith(
  { tools: ["deno"] },
  "AtomicInt32 of a read-only attach: a change in another process wakes it, and it wakes that process",
  async () => {
    using segment = scratch();
    await using peer = Peer.typescript(`
      import { Segment, AtomicInt32 } from "@sysv/shm";
      using segment = Segment.attach(${segment.id}, { readOnly: true });
      const word = new AtomicInt32(segment, 0);
      console.log(word.waitSync(0));
      console.log(await word.wait(7));
      const answer = new AtomicInt32(segment, 4);
      while (answer.notify() === 0) await new Promise((done) => setTimeout(done, 1));
      console.log("notified");
    `);
    const word = new AtomicInt32(segment, 0);
    for (const value of [7, 8]) {
      await wakeOne(word);
      word.store(value);
      word.notify();
      assert.equal(await peer.line(), `${value}`);
    }
    // The value is stored here; only the notify comes from the peer, which cannot store
    const answer = new AtomicInt32(segment, 4);
    const waiting = changedFrom(answer, 0, LONG_MS).sleep();
    assert.equal(await peer.line(), "notified");
    await waiting;
    assert.equal((await peer.ended()).code, 0);
  },
);

testWith(
  C_NEEDS,
  "AtomicInt32 (C peer): a waiter without timeout is woken, and wakes this process",
  async () => {
    const LAST = 2_000;
    using segment = scratch();
    await using peer = pingPong.start(segment.id, LAST);
    const word = new AtomicInt32(segment, 0);
    for (let turn = 1; turn < LAST; turn += 2) {
      word.store(turn);
      word.notify();
      const answer = turn % 20 === 1 ? await word.wait(turn) : word.waitSync(turn);
      assert.equal(answer, turn + 1);
    }
    assert.equal(await peer.line(), `${LAST}`);
  },
);
