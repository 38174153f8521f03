/** From a file to a channel or a topic: what was recorded arrives again, as far as the file has it. */

import assert from "node:assert/strict";
import { Channel, f64, i32, struct, Topic } from "../../mod.ts";
import { record, replay } from "../../src/mcap/mod.ts";
import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const FILES = { files: true };
const encoder = new TextEncoder();

function scratch(laneCapacity = 1 << 16): Channel {
  return Channel.openOrCreate({ key: freshKey(), lanes: 4, laneCapacity });
}

/** A message as `lane tag bytes`. */
type Line = readonly [lane: number, tag: number, bytes: string];

/** Receives what is there. */
function received(channel: Channel): Line[] {
  using consumer = channel.consumer();
  const found: Line[] = [];
  consumer.drain((bytes, tag, lane) => void found.push([lane, tag, bytes.toHex()]));
  return found.toSorted(([one], [other]) => one - other);
}

/** A recording of random messages in `lanes` lanes, and the messages. */
async function recording(
  file: string,
  { count, lanes, random, chunks = 1 }: {
    readonly count: number;
    readonly lanes: number;
    readonly random: Random;
    readonly chunks?: number;
  },
): Promise<Line[]> {
  using channel = scratch();
  const producers = Array.from({ length: lanes }, () => channel.producer());
  const sent: Line[] = [];
  const send = (): void => {
    for (let n = 0; n < count / chunks; n++) {
      const producer = producers[random.below(lanes)]!;
      const length = random.below(40);
      // Half of them are ASCII, and the others are seldom UTF-8
      const most = random.below(2) === 0 ? 128 : 256;
      const bytes = Uint8Array.from({ length }, () => random.below(most));
      const tag = random.below(2 ** 32);
      assert(producer.trySend(bytes, { tag }));
      sent.push([producer.lane, tag, bytes.toHex()]);
    }
  };
  send();
  using consumer = channel.consumer();
  let told = 0;
  const onProgress = (): void => {
    if (++told < chunks) send();
  };
  await record(consumer, { file, count, onProgress });
  return sent.toSorted(([one], [other]) => one - other);
}

/** Writes a copy of a file that ends early, or is changed. */
function altered(file: string, change: (bytes: Uint8Array) => Uint8Array): string {
  const path = `${file}.altered`;
  Deno.writeFileSync(path, change(Deno.readFileSync(file)));
  return path;
}

testWith(
  FILES,
  "replay: channel, file, channel: the same bytes and tags, in order per lane",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    const first = seed();
    const sent = await recording(file, { count: 1000, lanes: 3, random: new Random(first) });
    using channel = scratch();
    const result = await replay(channel, { file, fast: true });
    const bytes = sent.reduce((sum, [, , hex]) => sum + hex.length / 2, 0);
    assert.deepEqual(result, { messages: 1000, bytes, missed: 0, complete: true });
    // Lanes are taken in the order in which they appear in the file
    const byLane = (all: readonly Line[]): string[] =>
      [...Map.groupBy(all, ([lane]) => lane).values()]
        .map((lines) => JSON.stringify(lines.map(([, ...rest]) => rest))).toSorted();
    assert.deepEqual(byLane(received(channel)), byLane(sent), `SYSV_SHM_TEST_SEED=${first}`);
    assert(channel.stats().lanes.every(({ alive }) => !alive));
  },
);

testWith(
  FILES,
  "replay: a record that it does not need may be larger than the memory",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    const sent = await recording(file, { count: 20, lanes: 1, random: new Random(seed()) });
    const recorded = Deno.readFileSync(file);
    const [magic, privateRecord, header, length] = [8, 0x80, 9, 2 ** 40];
    const large = new Uint8Array(magic + header);
    large.set(recorded.subarray(0, magic));
    large[magic] = privateRecord;
    new DataView(large.buffer).setBigUint64(magic + 1, BigInt(length), true);
    const sparse = `${folder.path}/sparse.mcap`;
    {
      using written = Deno.openSync(sparse, { write: true, create: true });
      written.writeSync(large);
      written.seekSync(large.length + length, Deno.SeekMode.Start);
      written.writeSync(recorded.subarray(magic));
    }
    using channel = scratch();
    assert.equal((await replay(channel, { file: sparse, fast: true })).messages, 20);
    assert.deepEqual(received(channel), sent);
  },
);

testWith(FILES, "replay: refuses a chunk that would take too much memory", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  await recording(file, { count: 3, lanes: 1, random: new Random(1) });
  const head = Deno.readFileSync(file).subarray(0, 8 + 9);
  const length = 2 ** 28 + 1;
  head[8] = 0x06;
  new DataView(head.buffer, head.byteOffset).setBigUint64(9, BigInt(length), true);
  const sparse = folder.file("sparse.mcap", "");
  {
    using written = Deno.openSync(sparse, { write: true });
    written.writeSync(head);
    written.truncateSync(head.length + length);
  }
  using channel = scratch();
  await assert.rejects(
    replay(channel, { file: sparse }),
    /: EFORMAT, .*; the record at byte 8 is longer than 256 MiB, the most that is read$/,
  );
});

testWith(FILES, "replay: a signal ends it among records that it does not need", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  await recording(file, { count: 1, lanes: 1, random: new Random(1) });
  const sparse = folder.file("sparse.mcap", "");
  {
    // 2^40 zeros are many records without contents, of a kind that no version knows
    using written = Deno.openSync(sparse, { write: true });
    written.writeSync(Deno.readFileSync(file).subarray(0, 8));
    written.truncateSync(2 ** 40);
  }
  using channel = scratch();
  const stop = new AbortController();
  const replaying = replay(channel, { file: sparse, signal: stop.signal });
  setTimeout(() => stop.abort(), 1);
  assert.deepEqual(await replaying, { messages: 0, bytes: 0, missed: 0, complete: false });
});

testWith(FILES, "replay: waits while the channel is full, and loses nothing", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  const sent = await recording(file, { count: 500, lanes: 1, random: new Random(seed()) });
  using channel = scratch(256);
  const replaying = replay(channel, { file, fast: true });
  using consumer = channel.consumer();
  const found: Line[] = [];
  while (found.length < sent.length) {
    const { bytes, tag, lane } = await consumer.receive();
    found.push([lane, tag, bytes.toHex()]);
  }
  consumer.ack();
  assert.equal((await replaying).messages, 500);
  assert.deepEqual(found, sent);
});

testWith(FILES, "replay: a file cut off anywhere gives what its complete chunks have", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  const random = new Random(seed());
  const sent = await recording(file, { count: 40, lanes: 1, random, chunks: 4 });
  const whole = Deno.readFileSync(file);
  // Chunks are the records that begin with this opcode, by the walk of the specification
  const ends: number[] = [];
  for (let at = 8; at < whole.length - 8;) {
    const length = Number(new DataView(whole.buffer, at + 1).getBigUint64(0, true));
    if (whole[at] === 0x06) ends.push(at + 9 + length);
    at += 9 + length;
  }
  assert.equal(ends.length, 4);
  const cuts = new Set([8, ...ends.flatMap((end) => [end - 1, end, end + 1])]);
  for (let n = 0; n < 60; n++) cuts.add(8 + random.below(whole.length - 8));
  for (const cut of cuts) {
    using channel = scratch();
    const path = altered(file, (bytes) => bytes.subarray(0, cut));
    const { messages, complete } = await replay(channel, { file: path, fast: true });
    const expected = 10 * ends.filter((end) => end <= cut).length;
    assert.deepEqual([messages, complete], [expected, false], `cut at ${cut}`);
    assert.deepEqual(received(channel), sent.slice(0, expected), `cut at ${cut}`);
  }
});

testWith(FILES, "replay: whatever bytes of a file are changed, it replays or refuses", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  const first = seed();
  const random = new Random(first);
  const sent = await recording(file, { count: 40, lanes: 1, random, chunks: 2 });
  let refused = 0;
  for (let round = 0; round < 150; round++) {
    using channel = scratch();
    const path = altered(file, (bytes) => {
      for (let n = 1 + random.below(3); n > 0; n--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      return bytes;
    });
    let isWhole = false;
    try {
      isWhole = (await replay(channel, { file: path, fast: true })).complete;
    } catch (error) {
      assert.equal(
        (error as { code?: unknown }).code,
        "EFORMAT",
        `${error}, SYSV_SHM_TEST_SEED=${first}`,
      );
      refused++;
    }
    // A checksum protects each chunk: what arrives is what was sent
    const found = received(channel).map(([, ...rest]) => rest);
    const most = isWhole ? sent.length : found.length;
    assert.deepEqual(
      found,
      sent.map(([, ...rest]) => rest).slice(0, most),
      `SYSV_SHM_TEST_SEED=${first}`,
    );
  }
  assert(refused > 10);
});

testWith(
  FILES,
  "replay: no damage of a record's head loses messages without an error",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    await recording(file, { count: 20, lanes: 1, random: new Random(seed()) });
    const chunk = Deno.readFileSync(file).indexOf(0x06, 8);
    const rows: readonly [at: number, value: number, error: RegExp][] = [
      // A length that is longer than the file, and a kind of record that no version knows
      [chunk + 8, 1, /; the record at byte \d+ is damaged: it is longer than the file$/],
      [chunk, 0x7f, /; it has 0 messages, and says at its end that it has 20$/],
      // The kind of record that ends the messages
      [chunk, 0x0f, /; it has 0 messages, and does not say at its end how many$/],
    ];
    for (const [at, value, error] of rows) {
      using channel = scratch();
      const path = altered(file, (bytes) => {
        assert.equal(bytes[chunk], 0x06);
        bytes[at] = value;
        return bytes;
      });
      await assert.rejects(replay(channel, { file: path, fast: true }), (thrown: Error) => {
        assert.match(thrown.message, error);
        return true;
      });
    }
  },
);

testWith(FILES, "replay: at the pace of the recording; a signal ends it", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  {
    using channel = scratch();
    using producer = channel.producer();
    using consumer = channel.consumer();
    const done = record(consumer, { file, count: 2 });
    producer.trySend(encoder.encode("one"));
    await new Promise((go) => setTimeout(go, 300));
    producer.trySend(encoder.encode("two"));
    await done;
  }
  using channel = scratch();
  const begin = performance.now();
  const { messages } = await replay(channel, { file });
  assert(performance.now() - begin > 250);
  assert.deepEqual([messages, received(channel).length], [2, 2]);
  const stop = new AbortController();
  const replaying = replay(channel, { file, signal: stop.signal });
  using consumer = channel.consumer();
  assert.equal((await consumer.receive()).text, "one");
  consumer.ack();
  stop.abort();
  assert.deepEqual([(await replaying).messages, consumer.tryReceive()], [1, undefined]);
});

testWith(
  FILES,
  "replay: a topic's messages to a topic, with the count of those missed",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    const taken = await (async () => {
      using topic = Topic.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1024 });
      using publisher = topic.publisher();
      using subscriber = topic.subscriber();
      for (let n = 0; n < 100; n++) publisher.publish(encoder.encode(String(n)), { tag: n });
      subscriber.tryReceive();
      for (let n = 100; n < 110; n++) publisher.publish(encoder.encode(String(n)), { tag: n });
      const stop = new AbortController();
      return await record(subscriber, {
        file,
        signal: stop.signal,
        onProgress: () => stop.abort(),
      });
    })();
    using topic = Topic.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1 << 14 });
    using subscriber = topic.subscriber();
    const { messages, missed, complete } = await replay(topic, { file, fast: true });
    assert.deepEqual([messages, missed, complete], [taken.messages, taken.missed, true]);
    const tags: number[] = [];
    subscriber.drain((_bytes, tag) => void tags.push(tag));
    assert.deepEqual(tags, Array.from({ length: messages }, (_, i) => 110 - messages + i));
  },
);

const Point = struct({ id: i32, x: f64 });

testWith(
  FILES,
  "replay: structs arrive as structs, and others are refused by the name of a field",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    {
      using channel = Channel.of(Point, { key: freshKey(), laneCapacity: 4096 });
      using producer = channel.producer();
      using consumer = channel.consumer();
      producer.trySend({ id: 1, x: NaN });
      await record(consumer, { file, count: 1 });
    }
    using same = Channel.of(struct({ id: i32, x: f64 }), { key: freshKey(), laneCapacity: 4096 });
    await replay(same, { file });
    using consumer = same.consumer();
    assert.deepEqual({ ...consumer.tryReceive()!.value }, { id: 1, x: NaN });
    consumer.ack();
    using other = Channel.of(struct({ id: i32, y: f64 }), { key: freshKey(), laneCapacity: 4096 });
    await assert.rejects(replay(other, { file }), (error: Error) => {
      assert.match(
        error.message,
        /EFORMAT, .*; its messages have another struct: the first field that differs is x:f64@8 in the file, and y:f64@8 here$/,
      );
      return true;
    });
    using topic = Topic.of(struct({ id: i32 }), { key: freshKey(), laneCapacity: 4096 });
    await assert.rejects(
      replay(topic, { file }),
      /differs is x:f64@8 in the file, and the end here$/,
    );
    using bytes = scratch();
    await replay(bytes, { file });
    assert.equal(received(bytes).length, 1);
  },
);

testWith(
  { ...FILES, tools: ["mkfifo"] },
  "replay: refuses a pipe, and does not wait for it",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/pipe`;
    assert(new Deno.Command("mkfifo", { args: [file] }).outputSync().success);
    using channel = scratch();
    await assert.rejects(replay(channel, { file }), /: EFORMAT, .*; it is no regular file$/);
  },
);

testWith(FILES, "replay: one line says what is wrong with a file", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  await recording(file, { count: 3, lanes: 3, random: new Random(1) });
  using channel = scratch();
  using small = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
  using typed = Channel.of(Point, { key: freshKey(), laneCapacity: 4096 });
  const rows: readonly [target: Channel | typeof typed, file: string, error: RegExp][] = [
    [channel, `${folder.path}/none`, /^cannot read .*none: ENOENT, /],
    [channel, folder.path, /^cannot read .*: EFORMAT, .*; it is no regular file$/],
    [
      channel,
      folder.file("text", "MCAP?"),
      /^cannot replay .*text: EFORMAT, .*; it is no MCAP file$/,
    ],
    [
      channel,
      altered(file, (bytes) => {
        bytes[bytes.indexOf(0x0c, 8) + 13]! ^= 1;
        return bytes;
      }),
      /; it was recorded by another program; only what this library recorded can be replayed$/,
    ],
    [typed, file, /; message 1 of lane \d: a message of \d+ bytes is no struct of 16$/],
    [small, file, /^cannot become a producer: .*EBUSY, /],
  ];
  for (const [target, path, error] of rows) {
    await assert.rejects(replay(target as Channel, { file: path, fast: true }), (thrown: Error) => {
      assert.match(thrown.message, error);
      return true;
    });
  }
  received(small);
  // @ts-expect-error no channel
  await assert.rejects(replay({}, { file }), /"target" takes a Channel or a Topic/);
});
