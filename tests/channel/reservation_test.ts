/** Slots: a message written in its place. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

Deno.test("Reservation.commit: the bytes that were written arrive, small and large", () => {
  using channel = scratchChannel({ laneCapacity: 1024 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  for (const length of [0, 1, 7, 8, 63, 64, 65, 500, channel.maxMessage]) {
    const reservation = producer.claim(length, { tag: 0xffffffff })!;
    assert.equal(reservation.bytes.length, length);
    reservation.bytes.set(Array.from({ length }, (_, i) => i + length & 0xff));
    assert.equal(consumer.tryReceive(), undefined, "it was there before it was committed");
    reservation.commit();
    const message = consumer.tryReceive({ ack: "before" })!;
    assert.equal(message.tag, 0xffffffff);
    assert.deepEqual([...message.bytes], Array.from({ length }, (_, i) => i + length & 0xff));
  }
});

Deno.test("Reservation.abort: nothing is sent, and the next message takes the place", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  for (let i = 0; i < 100; i++) {
    using reservation = producer.claim(channel.maxMessage)!;
    reservation.bytes.fill(0xff);
  }
  const reservation = producer.claim(1)!;
  reservation.abort();
  reservation.abort();
  assert(producer.trySend(byte(1)));
  reservation.abort();
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Reservation: calls fail while it is not open", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const reservation = producer.claim(1)!;
  reservation.bytes[0] = 1;
  reservation.commit();
  const shut = { code: "EBUSY", message: /it was committed or aborted: claim one/ };
  assert.throws(() => reservation.commit(), shut);
  assert.throws(() => reservation.bytes, shut);
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Channel.close: bytes kept of a reservation or a drain are empty after it", () => {
  const channel = scratchChannel({ laneCapacity: 1024 });
  const producer = channel.producer();
  const consumer = channel.consumer();
  const reservation = producer.claim(300)!;
  const written = reservation.bytes;
  reservation.commit();
  let read: Uint8Array | undefined;
  consumer.drain((bytes) => read = bytes);
  assert.equal(read?.length, 300);
  assert.equal(channel.close(), "removed");
  assert.deepEqual([written.length, read.length, read[0]], [0, 0, undefined]);
  assert.throws(() => reservation.commit());
});

Deno.test("Producer.claim: no length is possible while a reservation is open, and after close", () => {
  for (const messageSize of [0, 8]) {
    using channel = scratchChannel({ messageSize });
    const producer = channel.producer();
    const reservation = producer.claim(8)!;
    const lengths = [-1, 0, 8, 120, 2 ** 29, 2 ** 30, 2 ** 30 + 8, 2 ** 31, 2 ** 53 - 1];
    for (const length of lengths) assert.throws(() => producer.claim(length), { code: "EBUSY" });
    reservation.abort();
    producer.claim(8)!.abort();
    producer.close();
    reservation.abort();
    for (const length of lengths) {
      assert.throws(() => producer.claim(length), { code: "EDETACHED" });
    }
  }
});
