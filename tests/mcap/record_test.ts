/** From a channel or a topic to a file: what other programs read in it, and what is acknowledged when. */

import assert from "node:assert/strict";
import {
  array,
  bool,
  Channel,
  char,
  cString,
  f64,
  i32,
  type Producer,
  struct,
  Topic,
  u64,
} from "../../mod.ts";
import { record, replay } from "../../src/mcap/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, TestFolder, withLocalImports } from "../support/peer.ts";
import { readByPython, testWithMcapCore, viewed } from "./mcap_core.ts";

guardAgainstLeaks();

const FILES = { files: true };
const encoder = new TextEncoder();

function send(producer: Producer, from: number, to: number): void {
  for (let n = from; n < to; n++) {
    assert(producer.trySend(encoder.encode(`${producer.lane}:${n}`), { tag: n }));
  }
}

function depth(channel: Channel): number {
  return channel.stats().lanes.reduce((sum, lane) => sum + lane.depth, 0);
}

testWithMcapCore(
  "record: @mcap/core and Python read each message, in order, with tag and number",
  async () => {
    using folder = new TestFolder();
    using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1 << 16 });
    using one = channel.producer();
    using two = channel.producer();
    using consumer = channel.consumer();
    send(one, 0, 5);
    for (let n = 0; n < 5; n++) consumer.tryReceive();
    send(one, 5, 500);
    send(two, 0, 300);
    two.trySend(Uint8Array.of(0xff, 0, 0xfe), { tag: 2 ** 32 - 1 });
    const file = `${folder.path}/a.mcap`;
    const progress = await record(consumer, { file, count: 796 });
    assert.deepEqual([progress.messages, progress.missed, depth(channel)], [796, 0, 0]);
    const { messages, metadata, schemas } = await viewed(file);
    assert.equal(
      progress.bytes,
      3 + messages.reduce((sum, { message: { text = "" } }) => sum + String(text).length, 0),
    );
    const of = (topic: string): [number, unknown][] =>
      messages.filter((each) => each.topic === topic).map((
        { sequence, message },
      ) => [sequence, message]);
    const expected = (lane: number, from: number, to: number): [number, unknown][] =>
      Array.from({ length: to - from }, (_, i) => [
        from + i + 1,
        { tag: from + i, text: `${lane}:${from + i}` },
      ]);
    assert.deepEqual(of("/lane0"), expected(0, 5, 500));
    assert.deepEqual(of("/lane1"), [...expected(1, 0, 300), [301, {
      tag: 2 ** 32 - 1,
      bytes: "/wD+",
    }]]);
    assert.deepEqual(metadata, {
      "sysv-shm": { kind: "channel" },
      "sysv-shm-end": { messages: "796", missed: "0" },
    });
    assert.deepEqual(schemas, [{
      type: "object",
      properties: {
        tag: { type: "integer" },
        missed: { type: "integer" },
        text: { type: "string" },
        bytes: { type: "string", contentEncoding: "base64" },
      },
    }]);
    const byTopic = (all: typeof messages): typeof messages =>
      all.toSorted((a, b) =>
        a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.sequence - b.sequence
      );
    assert.deepEqual(byTopic(readByPython(file)), byTopic(messages));
  },
  { tools: ["python3"] },
);

testWithMcapCore("record: structs have a schema, and values that viewers plot", async () => {
  using folder = new TestFolder();
  const Sample = struct({
    id: i32,
    at: u64,
    position: struct({ x: f64, y: f64 }),
    kind: char,
    name: cString(8),
    grid: array(array(i32, 2), 3),
    points: array(struct({ ok: bool }), 2),
  });
  using channel = Channel.of(Sample, { key: freshKey(), laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.trySend({
    id: -1,
    at: 2n ** 60n,
    position: { x: 0.1, y: NaN },
    kind: "A",
    name: "ünï",
    grid: [[1, 2], [3, 4], [5, 6]],
    points: [{ ok: true }, { ok: false }],
  });
  const file = `${folder.path}/a.mcap`;
  await record(consumer, { file, count: 1 });
  const { messages: [only], schemas: [schema], channels } = await viewed(file);
  assert.deepEqual(only!.message.value, {
    id: -1,
    at: 2 ** 60,
    position: { x: 0.1, y: null },
    kind: "A",
    name: "ünï",
    grid: [1, 2, 3, 4, 5, 6],
    points: [{ ok: true }, { ok: false }],
  });
  assert.deepEqual((schema as { properties: { value: unknown } }).properties.value, {
    type: "object",
    properties: {
      id: { type: "integer" },
      at: { type: "integer" },
      position: { type: "object", properties: { x: { type: "number" }, y: { type: "number" } } },
      kind: { type: "string" },
      name: { type: "string" },
      grid: { type: "array", items: { type: "integer" } },
      points: {
        type: "array",
        items: { type: "object", properties: { ok: { type: "boolean" } } },
      },
    },
  });
  assert.match(channels["/lane0"]!.struct!, /^typedef struct message \{$/m);
});

testWithMcapCore(
  "record: of a topic, counts what was overwritten, and leaves a gap in the numbers",
  async () => {
    using folder = new TestFolder();
    using topic = Topic.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1024 });
    using publisher = topic.publisher();
    using subscriber = topic.subscriber();
    for (let n = 1; n <= 200; n++) publisher.publish(encoder.encode(String(n)), { tag: n });
    const stop = new AbortController();
    const file = `${folder.path}/a.mcap`;
    const { messages, missed } = await record(subscriber, {
      file,
      signal: stop.signal,
      onProgress: ({ messages, missed }) => {
        if (messages + missed === 200) stop.abort();
      },
    });
    assert.equal(messages + missed, 200);
    assert(missed > 100);
    const seen = await viewed(file);
    assert.deepEqual(
      seen.messages.map(({ sequence, message: { text, tag } }) => [sequence, text, tag]),
      Array.from({ length: messages }, (_, i) => missed + i + 1).map((n) => [n, String(n), n]),
    );
    assert.equal(seen.messages[0]!.message.missed, missed);
    assert.deepEqual(seen.metadata["sysv-shm-end"], {
      messages: `${messages}`,
      missed: `${missed}`,
    });
  },
);

testWith(FILES, "record: acknowledges what the file has, and nothing else", async () => {
  using folder = new TestFolder();
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  const stop = new AbortController();
  const file = `${folder.path}/a.mcap`;
  let told = 0;
  const recording = record(consumer, {
    file,
    signal: stop.signal,
    onProgress: ({ messages }) => {
      const inFile = Deno.readTextFileSync(file).match(/"tag":\d/g)?.length ?? 0;
      const { messages: sent, depth } = channel.stats().lanes[0]!;
      assert.deepEqual([inFile, sent - depth], [messages, messages]);
      told = messages;
      if (messages === 1000) stop.abort();
    },
  });
  let failure: unknown;
  recording.catch((error) => failure = error);
  // The lane has no room for all: the recorder must free it as it goes
  for (let n = 0; n < 1000; n++) {
    while (!producer.trySend(encoder.encode("x".repeat(20)), { tag: n })) {
      assert.equal(failure, undefined);
      await new Promise((go) => setTimeout(go, 0));
    }
  }
  assert.equal((await recording).messages, 1000);
  assert.equal(told, 1000);
});

testWith(
  { ...FILES, tools: ["deno", "bash"] },
  "record: what it had taken goes back to the channel when the file cannot be written",
  async () => {
    using folder = new TestFolder();
    using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
    using producer = channel.producer();
    using consumer = channel.consumer();
    send(producer, 0, 10);
    const file = `${folder.path}/a.mcap`;
    Deno.writeTextFileSync(file, "precious");
    await assert.rejects(record(consumer, { file }), (error: Error) => {
      assert.match(
        error.message,
        /^cannot create .*a\.mcap: EEXIST, it exists already; a recording replaces no file: /,
      );
      return true;
    });
    assert.equal(Deno.readTextFileSync(file), "precious");
    await assert.rejects(record(consumer, { file: `${folder.path}/no/a.mcap` }), {
      code: "ENOENT",
    });
    assert.equal(depth(channel), 10);
    // The kernel refuses what is beyond 1 KiB
    producer.trySend(new Uint8Array(1500), { tag: 10 });
    consumer.close();
    const recorder = `
      import { Channel } from "@sysv/shm";
      import { record } from "@sysv/shm/mcap";
      using channel = Channel.open(${channel.key});
      using consumer = channel.consumer();
      await record(consumer, { file: "${folder.path}/b.mcap", count: 11 }).catch(({ code, message }) =>
        console.log(code, message)
      );
    `;
    const script = 'trap \'\' XFSZ; ulimit -f 1; exec "$0" eval --ext=ts --no-check "$1"';
    const args = ["-c", script, Deno.execPath(), withLocalImports(recorder)];
    await using peer = Peer.start("bash", args);
    assert.match((await peer.ended()).stdout, /^EFBIG cannot write to .*b\.mcap: EFBIG, /);
    assert.equal(depth(channel), 11);
    assert.throws(() => Deno.statSync(`${folder.path}/b.mcap`), Deno.errors.NotFound);
    channel.remove();
  },
);

testWith(FILES, "record: a message that a file cannot have stays in the channel", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1 << 25 });
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.trySend(encoder.encode("one"));
  // Each of these bytes takes six characters
  assert(producer.trySend(new Uint8Array(1 + (1 << 26) / 6).fill(1)));
  await assert.rejects(record(consumer, { file, count: 2 }), (error: Error) => {
    assert.match(
      error.message,
      /^cannot record message 2 of lane 0: EFBIG, .*; as JSON, its 11184811 bytes take more than 67108864 characters; receive it without a recording$/,
    );
    return true;
  });
  assert.equal(depth(channel), 1);
  using copy = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
  const { messages, complete } = await replay(copy, { file, fast: true });
  assert.deepEqual([messages, complete], [1, true]);
  for (const each of [consumer, copy.consumer()]) {
    assert.equal(each.drain(() => {}), 1);
    each.close();
  }
});

testWith(
  FILES,
  "record: an aborted signal and the end of the channel complete the file",
  async () => {
    using folder = new TestFolder();
    const empty = `${folder.path}/empty.mcap`;
    using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
    using producer = channel.producer();
    using consumer = channel.consumer();
    const stop = new AbortController();
    const nothing = record(consumer, { file: empty, signal: stop.signal });
    await new Promise((go) => setTimeout(go, 50));
    stop.abort();
    assert.equal((await nothing).messages, 0);
    await record(consumer, { file: `${folder.path}/none`, signal: stop.signal });
    assert.throws(() => Deno.statSync(`${folder.path}/none`), Deno.errors.NotFound);
    send(producer, 0, 3);
    const removed = `${folder.path}/b.mcap`;
    const recording = record(consumer, { file: removed });
    await new Promise((go) => setTimeout(go, 50));
    channel.remove();
    await assert.rejects(recording, { code: "EIDRM" });
    for (const [path, count] of [[empty, 0], [removed, 3]] as const) {
      const text = new TextDecoder("latin1").decode(Deno.readFileSync(path));
      assert.equal(text.match(/"tag":\d/g)?.length ?? 0, count);
      assert(text.endsWith("MCAP0\r\n"));
    }
  },
);
