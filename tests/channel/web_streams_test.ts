/** `consumer.readable` and `producer.writable`: order, backpressure, sinks and sources that fail, the end. */

import assert from "node:assert/strict";
import { Channel, f64, i32, struct } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

/** A message whose length and bytes follow from its number. */
function numbered(n: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(1 + n * 37 % 500).fill(n);
}

/** All chunks of a stream until it ends or fails, and the failure. */
async function chunksOf<Chunk>(
  stream: ReadableStream<Chunk>,
): Promise<{ readonly chunks: Chunk[]; readonly failure?: unknown }> {
  const chunks: Chunk[] = [];
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { chunks };
      chunks.push(value);
    }
  } catch (failure) {
    return { chunks, failure };
  }
}

/** A turn of the event loop: a stream has begun, and all that it does at once is done. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Waits until a send of the channel's first lane has had to wait for room. */
async function waitsForRoom(channel: Channel): Promise<void> {
  while (channel.stats().lanes[0]!.fullWaits === 0) {
    await turn();
  }
}

/** A source of one-byte chunks without an end, and how many it has made. */
function endless(): { readonly stream: ReadableStream<Uint8Array>; readonly made: () => number } {
  let made = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(byte(made++)),
  }, { highWaterMark: 0 });
  return { stream, made: () => made };
}

testWith(
  { tools: ["deno"] },
  "Consumer.readable and Producer.writable: chunks of another process arrive in order, up to its end",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 2048 });
    using consumer = channel.consumer();
    await using peer = Peer.typescript(
      `import { Channel } from "@sysv/shm";
      using channel = Channel.open(${key});
      using producer = channel.producer();
      const chunks = Array.from({ length: 2000 }, (_, n) => new Uint8Array(1 + n * 37 % 500).fill(n));
      await ReadableStream.from(chunks).pipeTo(producer.writable);
      console.log(producer.isOpen);`,
      "--allow-ffi",
    );
    const { chunks, failure } = await chunksOf(consumer.readable);
    assert.equal(failure, undefined);
    assert.deepEqual(chunks, Array.from({ length: 2000 }, (_, n) => numbered(n)));
    assert.equal(channel.stats().lanes[0]!.depth, 0, "the last chunk was acknowledged at the end");
    assert.deepEqual(await peer.ended(), { code: 0, signal: null, stdout: "false\n", stderr: "" });
  },
);

testWith(
  { files: true },
  "Consumer.readable and Producer.writable: a file arrives as it was, through gzip and back",
  async () => {
    using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 1 << 16 });
    using consumer = channel.consumer();
    using producer = channel.producer();
    const path = `${PROJECT}/docs/wire_format.md`;
    using file = await Deno.open(path);
    const sent = file.readable.pipeThrough(new CompressionStream("gzip"))
      .pipeTo(producer.writable);
    const through = consumer.readable.pipeThrough(new DecompressionStream("gzip"));
    assert.equal(await new Response(through).text(), await Deno.readTextFile(path));
    await sent;
  },
);

Deno.test("Consumer.readable and Producer.writable: a channel of structs streams values", async () => {
  using channel = Channel.of(struct({ n: i32, x: f64 }), { key: freshKey(), laneCapacity: 256 });
  using consumer = channel.consumer();
  using producer = channel.producer();
  const values = Array.from({ length: 100 }, (_, n) => ({ n, x: n / 4 }));
  const sent = ReadableStream.from(values).pipeTo(producer.writable);
  const { chunks } = await chunksOf(consumer.readable);
  await sent;
  assert.deepEqual(chunks.map(({ n, x }) => ({ n, x })), values);
});

Deno.test("Producer.writable: a source is held up while nothing is read, and goes on after that", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  using producer = channel.producer({ spin: 0 });
  const { stream, made } = endless();
  const sent = assert.rejects(stream.pipeTo(producer.writable), { code: "EDETACHED" });
  await waitsForRoom(channel);
  // 16 records in the lane, 64 bytes of chunks of 9 in the stream, and one that is on its way
  assert(made() <= 16 + 8 + 1, `${made()} chunks were taken from the source`);
  const reader = consumer.readable.getReader();
  for (let n = 0; n < 100; n++) assert.deepEqual((await reader.read()).value, byte(n));
  await reader.cancel();
  producer.close();
  await sent;
  consumer.drain(() => {});
});

Deno.test("Producer.writable: desiredSize counts the bytes that wait in the stream", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  const writer = producer.writable.getWriter();
  assert.equal(writer.desiredSize, 64, "a quarter of the lane");
  while (producer.trySend(byte(0)));
  const writes = [writer.write(byte(1)), writer.write(new Uint8Array(48))];
  assert.equal(writer.desiredSize, 64 - (8 + 1) - (8 + 48));
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer), new Array(16).fill(0));
  await Promise.all(writes);
  assert.equal(writer.desiredSize, 64);
  await writer.close();
  consumer.drain(() => {});
});

Deno.test("Consumer.readable: takes no chunk ahead, and acknowledges when the next is asked for", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  const depth = (): number => channel.stats().lanes[0]!.depth;
  assert.equal(consumer.readable, consumer.readable);
  const reader = consumer.readable.getReader();
  assert.deepEqual((await reader.read()).value, byte(1));
  await turn();
  assert.equal(depth(), 3);
  assert.deepEqual((await reader.read()).value, byte(2));
  assert.equal(depth(), 2);
  await reader.cancel();
  assert.deepEqual(drained(consumer), [2, 3]);
});

Deno.test("Consumer.readable: a sink that fails loses nothing: the chunk goes to the next consumer", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  {
    using consumer = channel.consumer();
    const failing = new WritableStream<Uint8Array>({
      write: ([n]) => {
        if (n === 2) throw new Error("disk full");
      },
    });
    await assert.rejects(consumer.readable.pipeTo(failing), { message: "disk full" });
    assert(consumer.isOpen);
  }
  using next = channel.consumer();
  assert.deepEqual(drained(next), [2, 3]);
});

Deno.test("Consumer.readable: a sink that queues chunks loses those it holds, except for the last", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([1, 2, 3, 4, 5, 6].map(byte));
  const held: number[] = [];
  const queueing = new WritableStream<Uint8Array>({
    write: async () => {
      await turn();
      throw new Error("disk full");
    },
  }, {
    highWaterMark: 3,
    size: (chunk) => held.push(chunk[0]!) && 1,
  });
  await assert.rejects(consumer.readable.pipeTo(queueing), { message: "disk full" });
  assert.deepEqual(held, [1, 2, 3]);
  assert.deepEqual(drained(consumer), [3, 4, 5, 6]);
});

Deno.test("Consumer.readable: a loop that is left puts its chunk back, by break and by throw", async () => {
  for (const fails of [true, false]) {
    using channel = scratchChannel();
    using producer = channel.producer();
    using consumer = channel.consumer();
    producer.sendBatch([byte(1), byte(2)]);
    const loop = async (): Promise<void> => {
      for await (const [n] of consumer.readable) {
        if (n !== 2) continue;
        if (fails) throw new Error("not now");
        break;
      }
    };
    if (fails) await assert.rejects(loop(), { message: "not now" });
    else await loop();
    assert.deepEqual(drained(consumer), [2]);
  }
});

Deno.test("Consumer.readable: after a cancel or an end there is a new stream, which goes on from there", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  const producer = channel.producer();
  producer.sendBatch([byte(1), byte(2), byte(3)]);
  for await (const [n] of consumer.readable) if (n === 2) break;
  const failing = new WritableStream({ write: () => Promise.reject(new Error("disk full")) });
  await assert.rejects(consumer.readable.pipeTo(failing), { message: "disk full" });
  producer.close();
  assert.deepEqual(await chunksOf(consumer.readable), { chunks: [byte(2), byte(3)] });
  assert.deepEqual(await chunksOf(consumer.readable), { chunks: [] }, "it stays ended");
  {
    using later = channel.producer();
    later.trySend(byte(4));
  }
  assert.deepEqual(await chunksOf(consumer.readable), { chunks: [byte(4)] });
  await channel.producer().writable.abort();
  for (let tries = 0; tries < 2; tries++) {
    const { failure } = await chunksOf(consumer.readable);
    assert.equal((failure as { code?: string } | undefined)?.code, "EOWNERDEAD");
  }
});

Deno.test("Consumer.readable: a new stream waits until the cancelled one has put back its chunk", async () => {
  for (const delivered of [false, true]) {
    using channel = scratchChannel();
    using producer = channel.producer();
    using consumer = channel.consumer();
    producer.sendBatch([byte(1), byte(2)]);
    const cancelled = consumer.readable.getReader();
    await turn();
    const read = cancelled.read();
    if (delivered) await read;
    const cancelling = cancelled.cancel();
    const reader = consumer.readable.getReader();
    assert.deepEqual((await reader.read()).value, byte(1));
    assert.deepEqual((await reader.read()).value, byte(2));
    await cancelling;
    await reader.cancel();
    assert.deepEqual(drained(consumer), [2]);
  }
});

testWith(
  { tools: ["deno"] },
  "Consumer.readable: a process killed while its sink writes loses nothing",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 1024 });
    using producer = channel.producer();
    producer.sendBatch([byte(1), byte(2), byte(3)]);
    await using peer = Peer.typescript(
      `import { Channel } from "@sysv/shm";
      using channel = Channel.open(${key});
      using consumer = channel.consumer();
      await consumer.readable.pipeTo(new WritableStream({
        write([n]) {
          console.log(n);
          if (n === 2) return new Promise((resolve) => setTimeout(resolve, 1e6));
        },
      }));`,
      "--allow-ffi",
    );
    await peer.stdout(/2\n/);
    peer.kill("SIGKILL");
    await peer.ended();
    using consumer = channel.consumer();
    assert.deepEqual(drained(consumer), [2, 3]);
  },
);

Deno.test("Consumer.readable: cancelling while nothing is there ends the wait, and takes no later message", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  const reader = consumer.readable.getReader();
  const read = reader.read();
  const cancelled = reader.cancel();
  assert.deepEqual(await read, { done: true, value: undefined });
  producer.trySend(byte(1));
  await cancelled;
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Consumer.readable: cancelling while a message is on its way puts it back", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.trySend(byte(1));
  const reader = consumer.readable.getReader();
  await turn();
  const read = reader.read();
  await reader.cancel();
  assert.equal((await read).done, true);
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Consumer.readable: cancelling puts back a chunk that came when its reader was gone", async () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  using consumer = channel.consumer({ spin: 0 });
  const stream = consumer.readable;
  const reader = stream.getReader();
  const read = reader.read();
  reader.releaseLock();
  await assert.rejects(read, TypeError);
  producer.trySend(byte(1));
  for (let i = 0; i < 20; i++) await turn();
  await stream.cancel();
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("Producer.writable: abort keeps what was sent, and the consumer learns that more was to come", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  using producer = channel.producer({ spin: 0 });
  const writer = producer.writable.getWriter();
  await writer.write(byte(1));
  producer.stage(byte(2)); // never published
  await writer.abort(new Error("changed my mind"));
  await assert.rejects(writer.closed, { message: "changed my mind" });
  assert.equal(producer.isOpen, false);
  const { chunks, failure } = await chunksOf(consumer.readable);
  assert.deepEqual(chunks, [byte(1)]);
  assert.match(
    String(failure),
    /cannot read the stream to its end: .* EOWNERDEAD, its owner died; a producer died or gave up/,
  );
  assert.equal(consumer.deadProducers, 1);
  assert.equal(channel.stats().lanes[0]!.depth, 0);
});

Deno.test("Producer.writable: abort ends a write that waits for room", async () => {
  using channel = scratchChannel();
  using producer = channel.producer({ spin: 0 });
  const writer = producer.writable.getWriter();
  while (producer.trySend(byte(0)));
  const write = writer.write(byte(1));
  await waitsForRoom(channel);
  const gone = assert.rejects(write, { message: "enough" });
  await writer.abort(new Error("enough"));
  await gone;
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer), new Array(16).fill(0));
});

testWith(
  { tools: ["deno"] },
  "Consumer.readable: ends with EOWNERDEAD if a producer was killed, after all that it had sent",
  async () => {
    const key = freshKey();
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 1024 });
    using consumer = channel.consumer();
    await using peer = Peer.typescript(
      `import { Channel } from "@sysv/shm";
      using channel = Channel.open(${key});
      const writer = channel.producer().writable.getWriter();
      await writer.write(Uint8Array.of(1));
      console.log("sent");
      await new Promise((resolve) => setTimeout(resolve, 1e6));`,
      "--allow-ffi",
    );
    await peer.stdout(/sent/);
    peer.kill("SIGKILL");
    const { chunks, failure } = await chunksOf(consumer.readable);
    assert.deepEqual(chunks, [byte(1)]);
    assert.equal((failure as { code?: string }).code, "EOWNERDEAD");
  },
);

Deno.test("Producer.writable: a chunk that is too large, or is not bytes, is refused, and the stream is incomplete", async () => {
  for (
    const [chunk, error] of [
      [new Uint8Array(121), {
        name: "RangeError",
        message: /121 bytes is too large: .* at most 120/,
      }],
      ["text", {
        name: "TypeError",
        message: /^"message" takes a Uint8Array or another BufferSource/,
      }],
      [null, { name: "TypeError" }],
      [undefined, { name: "TypeError" }],
    ] as const
  ) {
    using channel = scratchChannel();
    using consumer = channel.consumer();
    using producer = channel.producer();
    const sent = ReadableStream.from([byte(1), chunk as Uint8Array, byte(2)])
      .pipeTo(producer.writable);
    await assert.rejects(sent, error);
    const { chunks, failure } = await chunksOf(consumer.readable);
    assert.deepEqual(chunks, [byte(1)]);
    assert.equal((failure as { code?: string }).code, "EOWNERDEAD");
  }
});

Deno.test("Producer.writable: a chunk whose length cannot be read is refused, and the stream is incomplete", async () => {
  const transferred = new DataView(new ArrayBuffer(8));
  structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
  const resized = new ArrayBuffer(8, { maxByteLength: 16 });
  const outside = new DataView(resized, 4, 4);
  resized.resize(2);
  const throwing = {
    get byteLength(): number {
      throw new Error("no");
    },
  };
  const chunks = [
    transferred,
    outside,
    new Proxy(new Uint8Array(3), {}),
    { byteLength: NaN },
    { byteLength: -1 },
    { byteLength: 5n },
    throwing,
  ];
  for (const chunk of chunks) {
    using channel = scratchChannel();
    using consumer = channel.consumer();
    {
      using producer = channel.producer();
      const source = ReadableStream.from([byte(1), chunk as Uint8Array, byte(2)]);
      await assert.rejects(source.pipeTo(producer.writable), { name: "TypeError" });
    }
    const { chunks, failure } = await chunksOf(consumer.readable);
    assert.deepEqual(chunks, [byte(1)]);
    assert.equal((failure as { code?: string } | undefined)?.code, "EOWNERDEAD");
    assert.equal(consumer.deadProducers, 1);
  }
});

Deno.test("Producer.writable: chunks without bytes are messages too", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  using producer = channel.producer({ spin: 0 });
  const sent = ReadableStream.from(Array.from({ length: 100 }, () => new Uint8Array(0)))
    .pipeTo(producer.writable);
  await waitsForRoom(channel);
  assert.equal((await chunksOf(consumer.readable)).chunks.length, 100);
  await sent;
});

Deno.test("Producer.close and Consumer.close: their streams fail with EDETACHED, and cannot be made any more", async () => {
  using channel = scratchChannel();
  const closed = { code: "EDETACHED", message: /it was closed: open it again/ };
  const producer = channel.producer();
  const consumer = channel.consumer({ spin: 0 });
  const writer = producer.writable.getWriter();
  const reader = consumer.readable.getReader();
  const ends = [writer.closed, reader.closed, reader.read()].map((end) =>
    assert.rejects(end, closed)
  );
  channel.close();
  await Promise.all(ends);
  await assert.rejects(writer.write(byte(1)), closed);
  const again = scratchChannel();
  const ended = [again.producer(), again.consumer()] as const;
  again.close();
  assert.throws(() => ended[0].writable, closed);
  assert.throws(() => ended[1].readable, closed);
});

Deno.test("Producer.close: a writable that was used and is not closed makes the stream incomplete", async () => {
  const uses: Record<string, (writable: WritableStream<Uint8Array>) => Promise<unknown> | void> = {
    "chunks wait": (writable) => {
      const writer = writable.getWriter();
      for (let n = 0; n < 40; n++) writer.write(byte(n)).catch(() => {});
      writer.close().catch(() => {});
    },
    "a chunk was written": async (writable) => {
      const writer = writable.getWriter();
      await writer.write(byte(0));
      writer.releaseLock();
    },
    "pipeTo is not awaited": (writable) => {
      ReadableStream.from([byte(0)]).pipeTo(writable).catch(() => {});
    },
    "the source failed and pipeTo does not abort": (writable) => {
      const source = ReadableStream.from((function* (): Generator<Uint8Array> {
        yield byte(0);
        throw new Error("unreadable");
      })());
      return assert.rejects(source.pipeTo(writable, { preventAbort: true }));
    },
  };
  for (const [what, use] of Object.entries(uses)) {
    using channel = scratchChannel();
    using consumer = channel.consumer();
    {
      using producer = channel.producer({ spin: 0 });
      await use(producer.writable);
      producer.stage(byte(99));
    }
    const { chunks, failure } = await chunksOf(consumer.readable);
    assert.equal((failure as { code?: string } | undefined)?.code, "EOWNERDEAD", what);
    if (what !== "chunks wait") {
      assert.deepEqual(chunks.at(-1), byte(99), "what was staged is sent");
    }
  }
});

Deno.test("Producer.close: a writable that was not used, or is closed, leaves the stream complete", async () => {
  const uses: Record<string, (writable: WritableStream<Uint8Array>) => Promise<unknown> | void> = {
    "not used": () => {},
    "nothing written": (writable) => writable.getWriter().releaseLock(),
    "closed": (writable) => ReadableStream.from([byte(0), byte(1)]).pipeTo(writable),
  };
  for (const [what, use] of Object.entries(uses)) {
    using channel = scratchChannel();
    using consumer = channel.consumer();
    {
      using producer = channel.producer();
      await use(producer.writable);
    }
    assert.equal((await chunksOf(consumer.readable)).failure, undefined, what);
    assert.equal(consumer.deadProducers, 0, what);
  }
});

Deno.test("Producer.writable: staged messages go out when the stream closes, and the end is complete", async () => {
  using channel = scratchChannel();
  using consumer = channel.consumer();
  using producer = channel.producer();
  producer.stage(byte(1));
  await producer.writable.close();
  assert.deepEqual((await chunksOf(consumer.readable)).chunks, [byte(1)]);
  assert.equal(consumer.deadProducers, 0);
});
