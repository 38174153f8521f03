/** Waiting on a word of shared memory, within a process and between two. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { Word } from "../../src/sync/word.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

/** So long that a test which has to wait it out has failed. */
const LONG_MS = 3_600_000;

function scratch(): Segment {
  const segment = Segment.create({ size: 64 });
  segment.remove();
  return segment;
}

Deno.test("a wait for what has changed already is over at once", async () => {
  using segment = scratch();
  const word = new Word(segment, 8);
  new Int32Array(segment.buffer)[2] = 5;
  assert.equal(word.load(), 5);
  word.changedFrom(4, LONG_MS).block();
  await word.changedFrom(4, LONG_MS).sleep();
  // Negative words are words too
  new Int32Array(segment.buffer)[2] = -1;
  word.changedFrom(1, LONG_MS).block();
  word.changedFrom(-1, 1).block();
});

Deno.test("an unchanged word is waited for no longer than asked", async () => {
  using segment = scratch();
  const word = new Word(segment, 0);
  word.changedFrom(0, 1).block();
  await word.changedFrom(0, 1).sleep();
});

Deno.test("a sleeper is woken by the storing side, and by an interrupt", async () => {
  using segment = scratch();
  using other = Segment.attach(segment.id);
  const word = new Word(segment, 0);
  const sleeping = word.changedFrom(0, LONG_MS).sleep();
  Atomics.store(new Int32Array(other.buffer), 0, 1);
  new Word(other, 0).wake();
  await sleeping;
  const wait = word.changedFrom(1, LONG_MS);
  let over = false;
  const interrupted = wait.sleep().then(() => over = true);
  // The thread may not be asleep yet at the first interrupts
  while (!over) {
    wait.interrupt?.();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await interrupted;
});

Deno.test("a word must be aligned and inside", () => {
  using segment = scratch();
  for (const offset of [1, 2, 62, 64, -4]) {
    assert.throws(() => new Word(segment, offset), RangeError, String(offset));
  }
});

Deno.test("after detach there is nothing to load and nobody to wake", () => {
  const segment = scratch();
  const word = new Word(segment, 0);
  segment.detach();
  assert.throws(() => word.load());
  word.wake();
});

testWith({ tools: ["deno"] }, "a sleeper in another process is woken", async () => {
  using segment = scratch();
  await using peer = Peer.typescript(`
    import { Segment } from "@sysv/shm";
    import { Word } from "file://${PROJECT}src/sync/word.ts";
    const segment = Segment.attach(${segment.id});
    const word = new Word(segment, 0);
    console.log("asleep");
    while (word.load() === 0) word.changedFrom(0, ${LONG_MS}).block();
    console.log("woken by", word.load());
  `);
  assert.equal(await peer.line(), "asleep");
  Atomics.store(new Int32Array(segment.buffer), 0, 7);
  new Word(segment, 0).wake();
  assert.equal(await peer.line(), "woken by 7");
  assert.equal((await peer.ended()).code, 0);
});
