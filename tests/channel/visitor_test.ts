/** Visitors of drains: what they may return, and text instead of memory that others change. */

import assert from "node:assert/strict";
import { Channel, type Consumer, i32, struct } from "../../mod.ts";
import type { ChannelVisit } from "../../src/channel/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

const REFUSED = {
  name: "TypeError",
  message: /^visit returned a promise, .*: copy it, or use receive\(\) or for await$/,
};

/** A promise of another library is one too. */
const thenable = { then: (): void => {} };
const callable = Object.assign(() => {}, thenable);

Deno.test("Consumer.drain: a visitor that returns a promise is refused, and its message stays", () => {
  for (const returned of [Promise.resolve(1), thenable, callable]) {
    using channel = scratchChannel({ laneCapacity: 2048 });
    using producer = channel.producer();
    using consumer = channel.consumer();
    for (const length of [1, 300]) {
      producer.sendBatch([new Uint8Array(length), new Uint8Array(length)]);
      let seen = 0;
      const visit = ((): unknown => ++seen === 1 ? undefined : returned) as ChannelVisit<unknown>;
      assert.throws(() => consumer.drain(visit), REFUSED);
      assert.equal(seen, 2);
      seen = 1;
      assert.throws(() => consumer.drainText(visit), REFUSED);
      assert.equal(consumer.drain(() => {}), 1, "the message and all behind it stay");
    }
  }
});

Deno.test("Consumer.drain: a visitor of structs that returns a promise is refused, and its message stays", () => {
  using channel = Channel.of(struct({ n: i32 }), { key: freshKey(), laneCapacity: 256 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.trySend({ n: 7 });
  const visit = (() => Promise.resolve()) as unknown as ChannelVisit<unknown>;
  assert.throws(() => consumer.drain(visit), REFUSED);
  assert.equal(consumer.tryReceive()?.value.n, 7);
  consumer.ack();
});

Deno.test("Consumer.drain: anything else that a visitor returns is ignored", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  const results = [undefined, null, true, 0, 1n, "", "x", Symbol(), {}, [], () => {}, new Map()];
  for (const result of [...results, { then: 1 }]) {
    producer.trySend(byte(1));
    assert.equal(consumer.drain(() => result as undefined), 1);
  }
});

/** Checked by the compiler, not run: each line that must not compile says so. */
export function typesOfVisitors(consumer: Consumer): void {
  const values: number[] = [];
  consumer.drain(([value]) => values.push(value!));
  consumer.drain(() => new Map([[1, 2]]));
  consumer.drain(() => values);
  consumer.drainText((text) => text);
  // @ts-expect-error: an asynchronous visitor
  consumer.drain(async () => {});
  // @ts-expect-error: a visitor that returns a promise
  consumer.drain((bytes) => Promise.resolve(bytes));
  // @ts-expect-error: as text
  consumer.drainText(async () => {});
  // @ts-expect-error: a visitor that returns one now and then
  consumer.drain(([value]) => value === 1 ? Promise.resolve() : undefined);
}

Deno.test("Consumer.drainText and ChannelMessage.text: messages as UTF-8, where invalid bytes are U+FFFD", () => {
  using channel = scratchChannel({ laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const texts = ["", "a", "héllo", "\uFEFFwith a mark", "x".repeat(64), "é".repeat(500)];
  const messages = texts.map((text) => new TextEncoder().encode(text));
  const all = [...messages, Uint8Array.of(0x61, 0xff), Uint8Array.of(...Array(99).fill(0xff))];
  const expected = [...texts, "a\uFFFD", "\uFFFD".repeat(99)];
  producer.sendBatch(all, { tag: 5 });
  const seen: string[] = [];
  consumer.drainText((text, tag, lane) => {
    assert.deepEqual([tag, lane], [5, 0]);
    seen.push(text);
  });
  assert.deepEqual(seen, expected);
  producer.sendBatch(all);
  assert.deepEqual(all.map(() => consumer.tryReceive()!.text), expected);
  producer.sendBatch(all);
  assert.equal(consumer.drainText(() => {}, { max: 2, ack: "after" }), 2);
  consumer.nack();
  assert.equal(consumer.drainText(() => {}), all.length);
  assert.deepEqual(drained(consumer), []);
});

Deno.test("Consumer.drainText and ChannelMessage.text: decode nothing of the channel's own memory", () => {
  using channel = scratchChannel({ laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  let live: ArrayBuffer | undefined;
  producer.trySend(new Uint8Array(300));
  consumer.drain((bytes) => live = bytes.buffer);
  const decoded: ArrayBufferLike[] = [];
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (input: Uint8Array, options): string {
    decoded.push(input.buffer);
    return decode.call(this, input, options);
  };
  try {
    for (const length of [1, 64, 256, 257, 500]) {
      producer.trySend(new Uint8Array(length).fill(0x61));
      producer.trySend(new Uint8Array(length).fill(0x61));
      assert.equal(consumer.tryReceive()!.text.length, length);
      consumer.drainText((text) => assert.equal(text.length, length));
    }
  } finally {
    TextDecoder.prototype.decode = decode;
  }
  assert.equal(decoded.length, 10);
  assert(!decoded.includes(live!));
});

testWith(
  { tools: ["deno"] },
  "Consumer.drainText and ChannelMessage.text: a peer that rewrites the payload all the time crashes no process",
  async () => {
    using channel = scratchChannel({ laneCapacity: 1 << 18 });
    using producer = channel.producer();
    await using rewriter = Peer.typescript(
      `import { Segment } from "@sysv/shm";
      const { bytes } = Segment.attach(${channel.id});
      const ring = bytes.subarray(512 + 8, 512 + 100_000);
      console.log("begun");
      for (;;) {
        ring.fill(0x61);
        for (let i = 0; i < ring.length; i += 3) ring[i] = 0xe2;
      }`,
      "--allow-ffi",
    );
    await rewriter.line();
    // Nobody else takes the lane: what is put back comes again at the same place
    await using reader = Peer.typescript(
      `import { Channel } from "@sysv/shm";
      using channel = Channel.open(${channel.key});
      using consumer = channel.consumer();
      for (let i = 0; i < 2_000; i++) {
        consumer.drainText((text) => text.length, { ack: "after" });
        consumer.nack();
        consumer.tryReceive().text.length;
        consumer.nack();
      }
      console.log("done");`,
      "--allow-ffi",
    );
    producer.trySend(new Uint8Array(100_000).fill(0x61));
    const { code, stdout, stderr } = await reader.ended();
    assert.deepEqual([code, stdout], [0, "done\n"], stderr);
    rewriter.kill("SIGKILL");
    await rewriter.ended();
    using consumer = channel.consumer();
    consumer.discard(0);
  },
);
