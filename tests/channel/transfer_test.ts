/** Payloads whose memory a caller transfers away: no message changes, errors are clear, close passes. */

import assert from "node:assert/strict";
import { array, Channel, struct, u8 } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { byte, drained, fill, scratchChannel, SOON } from "./scratch_channel.ts";

guardAgainstLeaks();

/** Takes the memory of `bytes` away, as `postMessage(bytes, [bytes.buffer])` does. */
function transfer(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  return structuredClone(bytes, { transfer: [bytes.buffer] });
}

const TAKEN = {
  code: "EDETACHED",
  message: /its memory was transferred away.*transfer a copy, and close and open the channel again/,
};

Deno.test("Consumer.drain: small payloads that are transferred away change none of those after them", () => {
  using channel = scratchChannel({ laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const lengths = [1, 64, 64, 8, 0, 3, 64, 63];
  const sent = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
  producer.sendBatch(sent);
  const moved: Uint8Array[] = [];
  assert.equal(consumer.drain((bytes) => moved.push(transfer(bytes))), sent.length);
  assert.deepEqual(moved.map((bytes) => new Uint8Array(bytes)), sent);
  producer.sendBatch(sent);
  for (const bytes of sent) assert.deepEqual(consumer.tryReceive()?.bytes, bytes);
  consumer.ack();
});

Deno.test("Consumer.drain: a large payload that is transferred away is an error, and all can be closed", () => {
  for (const count of [1, 2]) {
    const channel = scratchChannel({ laneCapacity: 4096 });
    using other = Channel.open(channel.key);
    const producer = channel.producer();
    const consumer = channel.consumer();
    for (let i = 0; i < count; i++) producer.trySend(new Uint8Array(300).fill(i + 1));
    let moved: Uint8Array | undefined;
    let seen = 0;
    assert.throws(() =>
      consumer.drain((bytes) => {
        seen++;
        moved = transfer(bytes);
      }), TAKEN);
    assert.equal(seen, 1);
    assert.deepEqual(new Uint8Array(moved!), new Uint8Array(300).fill(1));
    assert.deepEqual([consumer.isOpen, producer.isOpen, channel.isOpen], [false, false, false]);
    assert.throws(() => consumer.tryReceive(), TAKEN);
    assert.throws(() => consumer.drain(() => {}), TAKEN);
    assert.throws(() => consumer.nack(), TAKEN);
    assert.throws(() => consumer.deadProducers, TAKEN);
    assert.throws(() => producer.trySend(byte(1)), TAKEN);
    assert.throws(() => channel.stats(), TAKEN);
    assert.throws(() => channel.producer(), TAKEN);
    producer.close();
    consumer.close();
    channel.close();
    using next = other.consumer();
    const lengths: number[] = [];
    next.drain((bytes) => lengths.push(bytes.length));
    assert.deepEqual(lengths, Array(count).fill(300), "nothing had been given back");
    assert.equal(other.close(), "removed", "the entry lock was let go");
  }
});

Deno.test("Channel.close: the last peer releases the entry lock although its memory was transferred away", () => {
  const channel = scratchChannel({ laneCapacity: 4096 });
  channel.producer().trySend(new Uint8Array(300));
  assert.throws(() => channel.consumer().drain(transfer), TAKEN);
  assert.equal(channel.close(), "in use", "a channel that could not be checked stays");
  using again = Channel.open(channel.key);
  using consumer = again.consumer();
  assert.equal(consumer.drain(() => {}), 1);
});

Deno.test("Reservation.commit: bytes that were transferred away are not sent, and the next reservation works", () => {
  for (const length of [1, 8, 64]) {
    using channel = scratchChannel();
    using producer = channel.producer();
    using consumer = channel.consumer();
    const reservation = producer.claim(length)!;
    reservation.bytes.fill(9);
    transfer(reservation.bytes);
    assert.throws(() => reservation.commit(), {
      code: "EDETACHED",
      call: undefined,
      message:
        /commit the reservation.*transferred away.*nothing was sent; transfer a copy, and claim again/,
    });
    assert.throws(() => reservation.bytes, { code: "EBUSY" });
    const again = producer.claim(length)!;
    assert.equal(again.bytes.length, length);
    again.bytes.fill(7);
    again.commit();
    const received: Uint8Array[] = [];
    consumer.drain((bytes) => received.push(bytes.slice()));
    assert.deepEqual(received, [new Uint8Array(length).fill(7)]);
  }
});

Deno.test("Reservation.commit: a large one that was transferred away is an error, and all can be closed", () => {
  const channel = scratchChannel({ laneCapacity: 4096 });
  using other = Channel.open(channel.key);
  const reservation = channel.producer().claim(300)!;
  transfer(reservation.bytes);
  assert.throws(() => reservation.commit(), TAKEN);
  channel.close();
  assert.equal(other.stats().lanes[0]!.messages, 0);
  assert.equal(other.stats().lanes[0]!.alive, false);
});

Deno.test("Producer.send: bytes that are transferred away while it waits are not sent as something else", async () => {
  for (const length of [1, 16, 24]) {
    using channel = scratchChannel();
    using producer = channel.producer({ spin: 0 });
    using consumer = channel.consumer();
    fill(producer);
    const bytes = new Uint8Array(length).fill(5);
    const sending = assert.rejects(producer.send(bytes), {
      name: "TypeError",
      message: new RegExp(`the message had ${length} bytes and has 0: .*nothing was sent`),
    });
    const next = producer.send(byte(99), { timeout: SOON });
    transfer(bytes);
    drained(consumer);
    await sending;
    await next;
    assert.deepEqual(drained(consumer), [99]);
  }
});

Deno.test("Consumer.drain: the memory of a struct's view is replaced after a visitor transferred it away", () => {
  using channel = Channel.of(struct({ bytes: array(u8, 16) }), {
    key: freshKey(),
    laneCapacity: 4096,
  });
  using producer = channel.producer();
  using consumer = channel.consumer();
  for (const value of [1, 2, 3]) producer.stage({ bytes: Array(16).fill(value) });
  producer.publish();
  const seen: number[] = [];
  consumer.drain(({ bytes }) => {
    const { buffer } = bytes as unknown as Uint8Array<ArrayBuffer>;
    seen.push(new Uint8Array(structuredClone(buffer, { transfer: [buffer] }))[0]!);
  });
  assert.deepEqual(seen, [1, 2, 3]);
});
