/** The programs in `c/examples` do what their comments say: nothing is lost, whatever is in a message. */

import assert from "node:assert/strict";
import { type Channel, f32, Latest, parseStruct, struct, Topic, u64 } from "../../mod.ts";
import { LANE_WORD } from "../../src/channel/lane_words.ts";
import { scratchChannel, withLaneWords } from "../channel/scratch_channel.ts";
import type { AnyStructLayout, Fields, StructLayout } from "../../src/layout/mod.ts";
import { SOON } from "../support/c_peer.ts";
import { CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, type Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

const NEEDS = { tools: ["gcc"], files: true } as const;
const TRACED = { tools: ["gcc", "strace"], files: true, root: true } as const;

const example = (name: string): CProgram =>
  new CProgram(new URL(`file://${PROJECT}c/examples/${name}.c`));
const consumer = example("channel_consumer");
const producer = example("channel_producer");
const latestWriter = example("latest_writer");
const latestReader = example("latest_reader");
const topicPublisher = example("topic_publisher");
const topicSubscriber = example("topic_subscriber");

/** Its whole lines: what a kill cut off comes again. */
function lines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

testWith(TRACED, "channel_consumer: killed 36 times it loses nothing", async () => {
  using channel = scratchChannel({ lanes: 2, laneCapacity: 65536 });
  using sender = channel.producer();
  const expected: string[] = [];
  const printed = new Set<string>();
  const note = async (receiver: Peer): Promise<void> => {
    for (const line of lines((await receiver.ended()).stdout)) printed.add(line);
  };
  for (let kill = 0; kill < 36; kill++) {
    for (let i = 0; i < 20; i++) {
      expected.push(`message ${expected.length}`);
      assert(sender.trySend(new TextEncoder().encode(expected.at(-1))));
    }
    // Before it has written, and asleep after that; or as soon as something has been written
    const call = ["write:when=1", "futex:when=1", "futex:when=2"][kill % 9];
    if (call !== undefined) {
      const [name, when] = call.split(":");
      const inject = `inject=${name}:signal=SIGKILL:${when}`;
      const strace = ["strace", "-qq", "-o", "/dev/null", "-e", inject];
      await using dying = consumer.startUnder(strace, channel.key);
      assert.equal((await dying.ended()).signal, "SIGKILL", call);
      await note(dying);
    } else {
      await using dying = consumer.start(channel.key);
      await dying.stdout(/\n/);
      dying.kill("SIGKILL");
      await note(dying);
    }
  }
  // It has all that is there; a killed one may have taken the last message
  assert(sender.trySend(new TextEncoder().encode("the last")));
  expected.push("the last");
  await using last = consumer.start(channel.key);
  await last.stdout(new RegExp(`^${expected.at(-1)}$`, "m"));
  last.kill("SIGTERM");
  await note(last);
  assert.deepEqual([...printed].sort(), expected.sort());
});

testWith(
  { ...NEEDS, tools: ["gcc", "sh"] },
  "channel_consumer: a message that cannot be printed stays",
  async () => {
    using channel = scratchChannel({ laneCapacity: 4096 });
    using sender = channel.producer();
    assert(sender.trySend(new TextEncoder().encode("kept")));
    await using full = consumer.startUnder(["sh", "-c", '"$@" > /dev/full', "sh"], channel.key);
    const { code, stderr } = await full.ended();
    assert.equal(code, 1);
    assert.match(stderr, /cannot print, the messages stay for the next consumer: No space left/);
    using receiver = channel.consumer();
    assert.equal(receiver.tryReceive()?.text, "kept");
    receiver.ack();
  },
);

testWith(
  NEEDS,
  "channel_consumer: a lane that cannot be read does not delay the others",
  async () => {
    for (const spoiled of [[0], [1], [2], [0, 1], [0, 2]]) {
      using channel = scratchChannel({ lanes: 3, laneCapacity: 1024 });
      using senders = new DisposableStack();
      for (let lane = 0; lane < 3; lane++) {
        const sender = senders.use(channel.producer());
        for (const part of ["a", "b"]) {
          assert(sender.trySend(new TextEncoder().encode(`${lane}${part}`)));
        }
      }
      for (const lane of spoiled) {
        withLaneWords(channel, lane, (words) => {
          words[LANE_WORD.TAIL] = 4;
        });
      }
      await using receiver = consumer.start(channel.key);
      const { code, stdout, stderr } = await receiver.ended();
      assert.equal(code, 1);
      const good = [0, 1, 2].filter((lane) => !spoiled.includes(lane));
      assert.deepEqual(lines(stdout).sort(), good.flatMap((lane) => [`${lane}a`, `${lane}b`]));
      assert.deepEqual(
        [...stderr.matchAll(/lane (\d): its tail is 4, .*discard this lane/g)].map(([, lane]) =>
          +lane!
        ),
        spoiled,
      );
      using mending = channel.consumer();
      for (const lane of spoiled) mending.discard(lane);
    }
  },
);

testWith(NEEDS, "channel_producer: long lines and NULs are sent whole or refused", async () => {
  using channel = scratchChannel({ laneCapacity: 16384 });
  using receiver = channel.consumer();
  const sent = ["x".repeat(5000), "a\0b\0", "", "y".repeat(channel.maxMessage)];
  const refused = "z".repeat(channel.maxMessage + 1);
  await using sender = producer.start(channel.key);
  await sender.write([...sent.slice(0, 3), refused, sent[3], "no newline at its end"].join("\n"));
  await sender.endInput();
  const { code, stderr } = await sender.ended();
  assert.deepEqual([code, stderr.trimEnd().split("\n").length], [1, 1]);
  assert.match(stderr, /cannot send the message: it has 8185 bytes, and the limit is 8184, key/);
  const received: string[] = [];
  receiver.drain((bytes) => received.push(new TextDecoder().decode(bytes.slice())));
  assert.deepEqual(received, [...sent, "no newline at its end"]);
});

testWith(NEEDS, "channel_producer: a signal ends it while it reads", async () => {
  using channel: Channel = scratchChannel({ laneCapacity: 1024 });
  await using sender = producer.start(channel.key);
  await sender.write("one\n");
  using receiver = channel.consumer();
  await receiver.receive();
  receiver.ack();
  sender.kill("SIGTERM");
  assert.deepEqual([(await sender.ended()).code, (await sender.ended()).signal], [0, null]);
});

/** The struct of the examples of a latest value, as `latest_writer.c` declares it. */
const Load = parseStruct("uint64_t ticks; double one, five, fifteen;") as AnyStructLayout;

testWith(
  NEEDS,
  "latest_writer, latest_reader: the load of the machine, to C and to TypeScript",
  async () => {
    using latest = Latest.of(Load as StructLayout<Fields>, { key: freshKey() });
    await using writing = latestWriter.start(latest.key);
    using reader = latest.reader();
    const { value } = await reader.wait(SOON);
    assert.deepEqual(Object.keys(value), ["ticks", "one", "five", "fifteen"]);
    await using reading = latestReader.start(latest.key);
    const [, version] = await reading.stdout(/^(\d+): (\d+\.\d\d ){3}\(0 skipped\)$/m);
    assert(Number(version) > 0);
    await stopped(reading, writing);
  },
);

testWith(NEEDS, "latest_reader: what TypeScript writes; another struct is refused", async () => {
  using latest = Latest.of(Load as StructLayout<Fields>, { key: freshKey() });
  using writer = latest.writer();
  for (let ticks = 1n; ticks <= 3n; ticks++) {
    writer.write({ ticks, one: 0.25, five: 1, fifteen: 2 });
  }
  await using reading = latestReader.start(latest.key);
  assert.equal(await reading.line(), "3: 0.25 1.00 2.00 (0 skipped)");
  writer.update((load) => Object.assign(load, { fifteen: 4.5 }));
  assert.equal(await reading.line(), "4: 0.25 1.00 4.50 (0 skipped)");
  await stopped(reading);
  using other = Latest.openOrCreate({ key: freshKey(), size: 32 });
  using wrong = Latest.of(struct({ ticks: u64, load: f32 }), { key: freshKey() });
  await using untyped = latestReader.start(other.key);
  other.writer().write(new Uint8Array(32));
  assert.equal(await untyped.line(), "1: 0.00 0.00 0.00 (0 skipped)");
  await stopped(untyped);
  await using refused = latestReader.start(wrong.key);
  const { code, stderr } = await refused.ended();
  assert.equal(code, 1);
  assert.match(stderr, /^latest_reader: cannot open the latest value.*differs is one:f64@8 here/);
});

testWith(
  NEEDS,
  "topic_publisher, topic_subscriber: lines to C and to TypeScript, and back",
  async () => {
    using topic = Topic.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    using subscriber = topic.subscriber();
    await using early = topicSubscriber.start(topic.key);
    await using publishing = topicPublisher.start(topic.key);
    const refusedLine = "z".repeat(topic.maxMessage + 1);
    await publishing.write(`one\n\n${refusedLine}\na\0b\nno newline at its end`);
    await publishing.endInput();
    const { code, stderr } = await publishing.ended();
    assert.equal(code, 1, "one line was too long");
    assert.match(stderr, /^topic_publisher: cannot publish.*1009 bytes, and the limit is 1008/);
    const texts = ["one", "", "a\0b", "no newline at its end"];
    for (const text of texts) assert.equal((await subscriber.receive(SOON)).text, text);
    using publisher = topic.publisher();
    publisher.publish(new TextEncoder().encode("from TypeScript"));
    await using late = topicSubscriber.start(topic.key);
    const all = [...texts, "from TypeScript"].map((text) => `${text}\n`).join("");
    for (const peer of [early, late]) {
      await peer.stdout(/from TypeScript\n/);
      assert.equal(peer.printed.stdout, all);
    }
    await stopped(early, late);
  },
);

/** Ends programs by SIGTERM, to which they have nothing to say. */
async function stopped(...peers: readonly Peer[]): Promise<void> {
  for (const peer of peers) {
    peer.kill("SIGTERM");
    const { code, signal, stderr } = await peer.ended();
    assert.deepEqual([code, signal, stderr], [0, null, ""]);
  }
}
