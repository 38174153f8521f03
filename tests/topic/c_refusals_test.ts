/** The errors of `shm_topic.h`: the same as in TypeScript, each in one line. */

import assert from "node:assert/strict";
import { f32, f64, Segment, struct, Topic } from "../../mod.ts";
import { messageText } from "../../src/layout/message_text.ts";
import { HEADER, LANE, RECORD } from "../../src/topic/descriptor.ts";
import { LANE_WORD, STATE_WORD } from "../../src/topic/lane_words.ts";
import { GEOMETRY } from "../../src/topic/lanes.ts";
import { refused, summary } from "../support/c_peer.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey } from "../support/peer.ts";
import { scratchTopic } from "./scratch_topic.ts";

guardAgainstLeaks();

const peer = new CProgram(new URL("peer.c", import.meta.url), "-O2");

const Pose = struct({ x: f64, y: f64, at: struct({ heading: f32, speed: f32 }) });

testWith(C_NEEDS, "shm_topic_open: a key without a topic is refused", async () => {
  for (const flags of [[], ["--read-only"]]) {
    await using subscriber = peer.start("subscribe", freshKey(), 1, ...flags);
    await refused(subscriber, /cannot open the topic: there is none, key/);
  }
});

testWith(C_NEEDS, "shm_topic_open_or_create: arguments out of range are refused", async () => {
  for (
    const [flags, says] of [
      [["--lanes", 257], /lanes is more than 256/],
      [["--capacity", 128], /lane_capacity is not a power of two from 256 to 2\^30/],
      [["--capacity", 300], /lane_capacity is not a power of two from 256 to 2\^30/],
      [["--capacity", 256, "--message-size", 49], /message_size is more than lane_capacity \/ 4/],
      [["--type", "x:f64@0;"], /type is not the text of a message type/],
      [["--type", "x:f64@0;8", "--message-size", 9], /type is of another size/],
    ] as const
  ) {
    await using publisher = peer.start("publish", freshKey(), 1, ...flags);
    await refused(publisher, says);
  }
});

testWith(
  C_NEEDS,
  "shm_topic_open_or_create: a shape other than the topic's is refused",
  async () => {
    using topic = scratchTopic({ lanes: 2, laneCapacity: 1024, messageSize: 16 });
    for (
      const [option, value, says] of [
        ["--lanes", 3, /lanes differs: 2 \(0x2\) there, 3 \(0x3\) here/],
        ["--capacity", 2048, /lane_capacity differs: 1024 \(0x400\) there, 2048 \(0x800\) here/],
        ["--message-size", 8, /message_size differs: 16 \(0x10\) there, 8 \(0x8\) here/],
      ] as const
    ) {
      await using publisher = peer.start("publish", topic.key, 1, option, value);
      await refused(publisher, says);
      await using reader = peer.start("subscribe", topic.key, 1, option, value, "--read-only");
      await refused(reader, says);
    }
  },
);

testWith(
  C_NEEDS,
  "shm_topic_open: another struct is refused by its first field that differs",
  async () => {
    using topic = Topic.of(Pose, { key: freshKey() });
    const text = messageText(Pose);
    for (
      const [type, says] of [
        [
          text.replace("at.speed:f32", "at.speed:i32"),
          /first field that differs is at\.speed:i32@20 here/,
        ],
        [text.replace("y:f64", "z:f64"), /first field that differs is z:f64@8 here/],
      ] as const
    ) {
      await using subscriber = peer.start("subscribe", topic.key, 1, "--type", type);
      await refused(
        subscriber,
        new RegExp(`open the topic: it holds another struct: .*${says.source}`),
      );
    }
    await using same = peer.start("publish", topic.key, 1, "--type", text);
    assert.equal((await summary(same)).messages, 1);
    await using bytes = peer.start("publish", topic.key, 1);
    assert.equal((await summary(bytes)).number, 2);
  },
);

testWith(C_NEEDS, "Topic.of: finds the struct of a C program, and no other", async () => {
  const key = freshKey();
  await using publisher = peer.start(
    "publish",
    key,
    0,
    "--type",
    messageText(Pose),
    "--pause",
    1000,
  );
  await publisher.line();
  using topic = Topic.of(Pose, { key });
  assert.equal(topic.messageSize, Pose.size);
  const Other = struct({ x: f64, y: f32, at: struct({ heading: f32, speed: f32 }) });
  assert.throws(() => Topic.of(Other, { key }), /EFORMAT.*y:f32@8/);
  publisher.kill("SIGTERM");
  await summary(publisher);
});

testWith(C_NEEDS, "shm_topic_open: each field of the header that differs is named", async () => {
  using topic = scratchTopic();
  using segment = Segment.attach(topic.id);
  const { type: _, ...fields } = HEADER.fields;
  for (const [name, { offset, size }] of Object.entries(fields)) {
    const before = segment.read(offset, size);
    segment.write(before.map((byte) => byte ^ 0x55), offset);
    await using subscriber = peer.start("subscribe", topic.key, 1);
    await refused(subscriber, new RegExp(`cannot open the topic: ${name} differs: .*, key `));
    segment.write(before, offset);
  }
});

testWith(
  C_NEEDS,
  "shm_topic_open_publisher: without a free lane the owners are named",
  async () => {
    using topic = scratchTopic({ lanes: 2 });
    using _one = topic.publisher();
    using _two = topic.publisher();
    await using third = peer.start("publish", topic.key, 1);
    await refused(
      third,
      new RegExp(`all 2 lanes are taken, by process ${Deno.pid}, process ${Deno.pid}, key`),
    );
  },
);

testWith(C_NEEDS, "shm_topic_publish: a message of another length is refused", async () => {
  using topic = scratchTopic();
  // Lengths from 8 on: the 50th number has 57
  await using long = peer.start("publish", topic.key, 100, "--length", 100);
  await refused(long, /it has 49 bytes, and the limit is 48, key .*: publish it in pieces/);
  using subscriber = topic.subscriber({ history: 1 });
  assert.equal(subscriber.tryReceive()?.bytes.length, 48);
});

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"], root: true },
  "shm_topic_open: another user's is refused without trust",
  async () => {
    const key = freshKey();
    await using other = asNobody(`
    import { Topic } from "@sysv/shm";
    const topic = Topic.openOrCreate({ key: ${key}, mode: 0o666 });
    console.log("there");
    await Deno.stdin.read(new Uint8Array(1));
    topic.close();
  `);
    await other.line();
    for (const flags of [[], ["--read-only"]]) {
      await using subscriber = peer.start("subscribe", key, 1, ...flags);
      await refused(subscriber, /user 65534 created its segment and user 65534 owns it.*set trust/);
    }
    await using trusting = peer.start("publish", key, 1, "--trust");
    assert.equal((await summary(trusting)).messages, 1);
    await other.write("\n");
    await other.ended();
  },
);

/** What another program writes into lane 0, and the error that the peer reports. */
const CORRUPTIONS = [
  ["publish", "TAIL", 4, /its tail is 4,/],
  ["publish", "TAIL", 512, /its tail is 512,/],
  ["publish", "INTENT", -8, /its tail is 24, .*\(with 4294967288\)/],
  ["publish", "INTENT", 1024, /its tail is 24, .*\(with 1024\)/],
  ["subscribe", "TAIL", 512, /its tail is 512,/],
  ["subscribe", "TAIL", 28, /its tail is 28,/],
  ["subscribe", "COUNT_LOW", 99, /its tail is 24,/],
  ["subscribe", "LENGTH", 9999, /the length of a record is 9999,/],
  ["subscribe", "LENGTH", 24, /the length of a record is 24,/],
  ["subscribe", "LENGTH", -1, /the length of a record is 4294967295,/],
  ["subscribe", "NUMBER", 2, /the number of a record is 2,/],
] as const;

for (const [role, word, value, says] of CORRUPTIONS) {
  testWith(
    C_NEEDS,
    `shm_topic.h: hostile memory is an error to ${role}: ${word} ${value}`,
    async () => {
      using topic = scratchTopic();
      using segment = Segment.attach(topic.id);
      const words = new Int32Array(segment.buffer, GEOMETRY.laneOffset(0), LANE.size / 4);
      await using subscriber = peer.start("subscribe", topic.key, 0, "--stop-at", 1);
      await subscriber.line();
      const ring = new Int32Array(segment.buffer, GEOMETRY.laneOffset(1), 64);
      const publishOne = (): number => {
        using publisher = topic.publisher();
        return publisher.publish(new Uint8Array(8));
      };
      if (role === "publish") {
        subscriber.kill("SIGKILL");
        await subscriber.ended();
        publishOne();
        words[LANE_WORD[word as "TAIL"]] = value;
        await using publisher = peer.start("publish", topic.key, 1);
        await refused(publisher, new RegExp(`cannot use the topic: lane 0: ${says.source}`));
        return;
      }
      // Where the first message will be found, before the subscriber looks: it sleeps until the tail changes
      subscriber.kill("SIGSTOP");
      publishOne();
      if (word === "LENGTH" || word === "NUMBER") {
        ring[RECORD.fields[word === "LENGTH" ? "length" : "number"].offset / 4] = value;
      } else if (word === "TAIL") words[LANE_WORD.TAIL] = value;
      else {
        for (const state of [LANE_WORD.STATE_0, LANE_WORD.STATE_1]) {
          words[state + STATE_WORD[word as "COUNT_LOW"]] = value;
        }
      }
      subscriber.kill("SIGCONT");
      await refused(subscriber, new RegExp(`cannot use the topic: lane 0: ${says.source}`));
    },
  );
}
