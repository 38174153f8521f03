/** Tallies: one of the two counts up to the published position, whenever their writer dies. */

import assert from "node:assert/strict";
import { COUNTER_WORD } from "../../src/channel/lane_words.ts";
import { MessageCounter, readMessageCount } from "../../src/channel/message_counter.ts";

const FIRST = 2;

Deno.test("MessageCounter: a count continues from writer to writer", () => {
  const words = new Int32Array(16);
  let position = 0;
  let count = 0;
  for (let writer = 0; writer < 5; writer++) {
    const counter = new MessageCounter(words, FIRST, position);
    assert.equal(counter.count, count);
    for (let i = 0; i <= writer; i++) {
      position = (position + 8) | 0;
      count += i;
      counter.add(i, position);
      assert.equal(readMessageCount(words, FIRST, position), count);
    }
  }
  assert.equal(words[0], 0);
});

Deno.test("MessageCounter: a writer that dies before its position is published changes no count", () => {
  const words = new Int32Array(16);
  new MessageCounter(words, FIRST, 0).add(3, 24);
  new MessageCounter(words, FIRST, 24).add(5, 64);
  assert.equal(readMessageCount(words, FIRST, 24), 3);
  // Nothing was published at 64; the next one is another way at 24, and then at 40
  const next = new MessageCounter(words, FIRST, 24);
  next.add(1, 40);
  assert.equal(readMessageCount(words, FIRST, 40), 4);
  assert.equal(readMessageCount(words, FIRST, 24), 3);
  assert.equal(readMessageCount(words, FIRST, 64), 0);
});

Deno.test("MessageCounter: a count passes 2^32, and a position that was not counted has 0", () => {
  const words = new Int32Array(16);
  words[FIRST + COUNTER_WORD.LOW] = -1;
  const counter = new MessageCounter(words, FIRST, 0);
  assert.equal(counter.count, 2 ** 32 - 1);
  counter.add(2, -8);
  assert.equal(readMessageCount(words, FIRST, -8), 2 ** 32 + 1);
  assert.equal(new MessageCounter(words, FIRST, 800).count, 0);
});

Deno.test("MessageCounter.skipTo counts on from there, and never back", () => {
  const words = new Int32Array(16);
  const counter = new MessageCounter(words, FIRST, 0);
  for (const [count, expected] of [[5, 5], [3, 5], [2 ** 32 - 2, 2 ** 32 - 2], [7, 2 ** 32 - 2]]) {
    counter.skipTo(count!);
    assert.equal(counter.count, expected);
  }
  counter.add(1, 8);
  assert.equal(readMessageCount(words, FIRST, 8), 2 ** 32 - 1);
  counter.add(2 ** 31 - 1, 16);
  assert.equal(readMessageCount(words, FIRST, 16), 2 ** 32 + 2 ** 31 - 2);
  counter.add(2 ** 31 - 1, 24);
  assert.equal(readMessageCount(words, FIRST, 24), 2 ** 33 - 3);
  counter.add(3, 32);
  assert.equal(counter.count, 2 ** 33);
});
