/** The names of messages outside their channel: whichever consumer receives a message, it has one name. */

import assert from "node:assert/strict";
import type { Channel } from "../../mod.ts";
import { type MessageNumbers, messageNumbers } from "../../src/channel/consumer.ts";
import { COUNTER_WORD, LANE_WORD } from "../../src/channel/lane_words.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { byte, drained, scratchChannel, withLaneWords } from "./scratch_channel.ts";

guardAgainstLeaks();

function numbersOf(channel: Channel): MessageNumbers {
  using consumer = channel.consumer();
  return messageNumbers(consumer);
}

Deno.test("messageNumbers: the next consumer gives the same names, also to what was not acknowledged", () => {
  using channel = scratchChannel({ lanes: 2 });
  using one = channel.producer();
  using two = channel.producer();
  one.sendBatch([byte(1), byte(2), byte(3)]);
  two.sendBatch([byte(4)]);
  const { identity, acknowledged } = numbersOf(channel);
  assert.match(identity, /^[0-9a-f]{16}$/);
  assert.deepEqual(acknowledged, [0, 0]);
  {
    using consumer = channel.consumer();
    consumer.drain(() => {}, { max: 2 });
    consumer.tryReceive();
    assert.deepEqual(messageNumbers(consumer), { identity, acknowledged: [2, 0] });
  }
  assert.deepEqual(numbersOf(channel), { identity, acknowledged: [2, 0] });
  using consumer = channel.consumer();
  assert.equal(drained(consumer).length, 2);
  assert.deepEqual(messageNumbers(consumer), { identity, acknowledged: [3, 1] });
});

Deno.test("messageNumbers: no two channels have one identity", () => {
  using one = scratchChannel();
  using two = scratchChannel();
  assert.notEqual(numbersOf(one).identity, numbersOf(two).identity);
});

Deno.test("messageNumbers: where the numbers begin again, or one may come twice, the identity is another", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  const { identity } = numbersOf(channel);
  producer.sendBatch([byte(1), byte(2)]);
  {
    using consumer = channel.consumer();
    drained(consumer);
  }
  withLaneWords(channel, 0, (words) => {
    for (const next of [0, COUNTER_WORD.NEXT]) {
      words[LANE_WORD.HEAD_COUNTERS + COUNTER_WORD.POSITION + next] = -8;
    }
  });
  const uncounted = numbersOf(channel);
  assert.notEqual(uncounted.identity, identity);
  assert.deepEqual(uncounted.acknowledged, [0]);
  producer.trySend(byte(3));
  using consumer = channel.consumer();
  const before = messageNumbers(consumer);
  consumer.discard(0);
  assert.notEqual(messageNumbers(consumer).identity, before.identity);
});
