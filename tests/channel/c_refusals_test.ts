/** The errors of `shm_channel.h`: the same as in TypeScript, each in one line. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import {
  Channel,
  Latest,
  removeSegment,
  removeSemaphoreSet,
  Segment,
  SemaphoreSet,
} from "../../mod.ts";
import { HEADER, RECORD } from "../../src/channel/descriptor.ts";
import { LANE_WORD } from "../../src/channel/lane_words.ts";
import { ringOffset } from "../../src/channel/shape.ts";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, type Peer } from "../support/peer.ts";
import { cPeer } from "./peer_messages.ts";
import { scratchChannel, withLaneWords } from "./scratch_channel.ts";

guardAgainstLeaks();

const peer = cPeer();

/** Fails unless it ended with an error that says this. */
async function refused(program: Peer, says: RegExp): Promise<void> {
  const { code, signal, stderr } = await program.ended();
  assert.deepEqual([code, signal, stderr.trimEnd().split("\n").length], [1, null, 1], stderr);
  assert.match(stderr, says);
}

testWith(C_NEEDS, "shm_channel_open: a key without a channel is refused", async () => {
  await using looking = peer.start("stat", freshKey());
  await refused(looking, /cannot open the channel: there is none, key/);
});

testWith(
  C_NEEDS,
  "shm_channel_open_or_create: a shape other than the channel's is refused",
  async () => {
    using channel = scratchChannel({ lanes: 2, laneCapacity: 1024, messageSize: 16 });
    for (
      const [option, value, says] of [
        ["--lanes", 3, /lanes differs: 2 \(0x2\) there, 3 \(0x3\) here/],
        ["--capacity", 2048, /lane_capacity differs: 1024 \(0x400\) there, 2048 \(0x800\) here/],
        ["--message-size", 8, /message_size differs: 16 \(0x10\) there, 8 \(0x8\) here/],
      ] as const
    ) {
      await using receiver = peer.start("recv", channel.key, 0, option, value);
      await refused(receiver, says);
    }
  },
);

testWith(C_NEEDS, "shm_channel_open: each field of the header that differs is named", async () => {
  using channel = scratchChannel();
  using segment = Segment.attach(channel.id);
  // A peer that states no struct accepts every type
  const { type: _type, ...fields } = HEADER.fields;
  for (const [name, { offset, size }] of Object.entries(fields)) {
    const before = segment.read(offset, size);
    segment.write(before.map((byte) => byte ^ 0x55), offset);
    await using receiver = peer.start("recv", channel.key, 0);
    await refused(receiver, new RegExp(`cannot open the channel: ${name} differs: .*, key `));
    segment.write(before, offset);
  }
  segment.write(segment.read(0, 4).reverse(), 0);
  await using receiver = peer.start("recv", channel.key, 0);
  await refused(receiver, /byte order differs/);
  segment.write(segment.read(0, 4).reverse(), 0);
});

testWith(
  C_NEEDS,
  "shm_channel_open_or_create: an object that is not a channel is not changed",
  async () => {
    const key = freshKey();
    using segment = Segment.create({ key, size: 2049 });
    try {
      await using alone = peer.start("recv", key, 0);
      await refused(alone, /is no channel, because there is no semaphore set/);
      // As a mailbox has it: 6 semaphores could be those of two lanes
      const set = SemaphoreSet.create({ key, count: 6 });
      try {
        await using receiver = peer.start("recv", key, 0);
        await refused(
          receiver,
          /segment there has 2049 bytes, which no channel with 6 semaphores has/,
        );
        assert.deepEqual([...set.values()], [0, 0, 0, 0, 0, 0]);
        assert.equal(set.stat().otime, null, "nothing was done to it");
      } finally {
        set.remove();
      }
    } finally {
      segment.remove();
    }
  },
);

testWith(C_NEEDS, "shm_channel_open: the key of a Latest is named as such", async () => {
  const key = freshKey();
  using latest = Latest.openOrCreate({ key, size: 8 });
  await using receiver = peer.start("recv", key, 0);
  await refused(receiver, /the key belongs to a Latest, not to a channel, key .*: use another key/);
  for (const open of [() => Channel.open(key), () => Channel.openOrCreate({ key })]) {
    assert.throws(open, {
      code: "EFORMAT",
      message: /this key belongs to a Latest, not to a channel; choose another key/,
    });
  }
  using channel = scratchChannel();
  assert.throws(() => Latest.open(channel.key), {
    code: "EFORMAT",
    message: /this key belongs to a channel, not to a Latest; choose another key/,
  });
  assert(latest.isOpen);
});

testWith(
  C_NEEDS,
  "shm_channel_open_consumer: a role or lane that another process has is refused, and that process named",
  async () => {
    using channel = scratchChannel({ lanes: 2 });
    using _consumer = channel.consumer();
    await using receiver = peer.start("recv", channel.key, 0);
    await refused(receiver, new RegExp(`it has a consumer already, process ${Deno.pid}, key`));
    using _one = channel.producer();
    using _two = channel.producer();
    await using sender = peer.start("send", channel.key, 1, 8);
    await refused(
      sender,
      new RegExp(`all 2 lanes are taken, by process ${Deno.pid}, process ${Deno.pid}, key`),
    );
  },
);

testWith(
  C_NEEDS,
  "shm_channel_send: a message of another length than the channel's is refused",
  async () => {
    using channel = scratchChannel({ laneCapacity: 256 });
    await using long = peer.start("send", channel.key, 1, channel.maxMessage + 1);
    await refused(long, /it has 121 bytes, and the limit is 120, key .*: send it in pieces/);
    await using longest = peer.start("send", channel.key, 1, channel.maxMessage, "--tag", 3);
    assert.equal((await longest.ended()).code, 0);
    using consumer = channel.consumer();
    assert.equal(consumer.tryReceive()?.bytes.length, 120);
    consumer.ack();
    using fixed = scratchChannel({ messageSize: 16 });
    await using short = peer.start("send", fixed.key, 1, 8);
    await refused(short, /it has 8 bytes, and every message of this channel has 16/);
  },
);

testWith(C_NEEDS, "shm_channel_send: a full lane without a consumer is refused", async () => {
  using channel = scratchChannel();
  await using sender = peer.start("send", channel.key, 0, 8, "--need-consumer");
  await refused(sender, /the lane is full and there is no consumer, key .*: start a consumer/);
  await using patient = peer.start("send", channel.key, 0, 8, "--timeout", 0.01);
  await refused(patient, /timed out/);
  using consumer = channel.consumer();
  consumer.drain(() => {});
});

for (const object of ["segment", "semaphore set"] as const) {
  testWith(
    C_NEEDS,
    `shm_channel.h: peers that wait notice that the ${object} was removed`,
    async () => {
      using channel = scratchChannel({ lanes: 2 });
      await using receiver = peer.start("recv", channel.key, 0);
      await receiver.line();
      using other = scratchChannel();
      await using sender = peer.start("send", other.key, 0, 8);
      await sender.line();
      while (other.stats().lanes[0]!.fullWaits === 0) await delay(1);
      for (const { key } of [channel, other]) {
        if (object === "segment") removeSegment(findSegment(key)!);
        else removeSemaphoreSet(findSemaphoreSet(key)!);
      }
      const says = /it was removed while in use, key .*: its segment or its semaphore set was/;
      await refused(receiver, says);
      await refused(sender, says);
      for (const { key } of [channel, other]) {
        const set = findSemaphoreSet(key);
        if (set !== undefined) removeSemaphoreSet(set);
        const segment = findSegment(key);
        if (segment !== undefined) removeSegment(segment);
      }
    },
  );
}

/** What another program writes into lane 0, and the error that the peer reports. */
interface Corruption {
  readonly name: string;
  readonly word: number;
  readonly value: number;
  /** Written when a C peer is at work, not before it comes. */
  readonly late: boolean;
  readonly role: "send" | "recv";
  readonly says: RegExp;
}

const { TAIL, HEAD } = LANE_WORD;

const CORRUPTIONS: readonly Corruption[] = [
  {
    name: "a tail too far",
    word: TAIL,
    value: 512,
    late: true,
    role: "recv",
    says: /its tail is 512/,
  },
  {
    name: "a tail in the past",
    word: TAIL,
    value: -8,
    late: true,
    role: "recv",
    says: /its tail is 4294967288/,
  },
  {
    name: "a tail out of step",
    word: TAIL,
    value: 4,
    late: true,
    role: "recv",
    says: /its tail is 4,/,
  },
  { name: "a head moved", word: HEAD, value: 8, late: true, role: "recv", says: /its head is 8,/ },
  {
    name: "a head out of step",
    word: HEAD,
    value: 4,
    late: false,
    role: "recv",
    says: /its tail is 0, which is impossible \(with 4\)/,
  },
  {
    name: "a head too far",
    word: HEAD,
    value: 512,
    late: true,
    role: "send",
    says: /its head is 512/,
  },
  {
    name: "a tail to begin with",
    word: TAIL,
    value: 1000,
    late: false,
    role: "send",
    says: /its tail is 1000/,
  },
  { name: "a tail moved", word: TAIL, value: 8, late: true, role: "send", says: /its tail is 8,/ },
];

for (const { name, word, value, late, role, says } of CORRUPTIONS) {
  testWith(C_NEEDS, `shm_channel.h: hostile memory is an error to ${role}: ${name}`, async () => {
    using channel = scratchChannel();
    const spoil = (): void =>
      withLaneWords(channel, 0, (words) => {
        words[word] = value;
      });
    if (!late) spoil();
    await using program = role === "recv"
      ? peer.start("recv", channel.key, 0)
      : peer.start("send", channel.key, 0, 8);
    if (late) {
      await program.line();
      // A sender is left alone until it has filled the lane
      while (role === "send" && channel.stats().lanes[0]!.fullWaits === 0) await delay(1);
      spoil();
    }
    await refused(program, new RegExp(`cannot use the channel: lane 0: ${says.source}`));
    withLaneWords(channel, 0, (words) => {
      words[TAIL] = words[HEAD] = 0;
    });
  });
}

testWith(
  C_NEEDS,
  "shm_channel_open_producer: lanes with impossible words are skipped",
  async () => {
    for (const [tail, head] of [[4, 0], [0, 4], [512, 0], [0, 512]]) {
      using channel = scratchChannel({ lanes: 3 });
      const write = (tail: number, head: number): void => {
        for (const lane of [0, 1]) {
          withLaneWords(channel, lane, (words) => {
            words[TAIL] = tail;
            words[HEAD] = head;
          });
        }
      };
      const free = (): boolean => channel.stats().lanes.every(({ alive }) => !alive);
      write(tail!, head!);
      await using sender = peer.start("send", channel.key, 1, 8);
      assert.match(await sender.line(), / 2$/, "the lane it took");
      assert.equal((await sender.ended()).code, 0);
      assert(free());
      {
        // None is left that could be taken
        using producer = channel.producer();
        assert.equal(producer.lane, 2);
        await using refusedSender = peer.start("send", channel.key, 1, 8);
        await refused(refusedSender, /cannot use the channel: lane [01]: its tail is /);
      }
      assert(free());
      write(0, 0);
      await using repaired = peer.start("send", channel.key, 1, 8);
      assert.match(await repaired.line(), / 0$/);
      assert.equal((await repaired.ended()).code, 0);
      using consumer = channel.consumer();
      assert.equal(consumer.drain(() => {}), 2);
    }
  },
);

testWith(C_NEEDS, "shm_channel_receive: records of an impossible length are an error", async () => {
  for (const length of [0xffffffff, 0xfffffff8, 121, 57, 0x80000000]) {
    using channel = scratchChannel({ laneCapacity: 256 });
    using producer = channel.producer();
    for (let i = 0; i < 4; i++) producer.trySend(Uint8Array.of(i));
    using segment = Segment.attach(channel.id);
    const ring = ringOffset({ lanes: 1, laneCapacity: 256, messageSize: 0 }, 0);
    segment.write(
      new Uint8Array(Uint32Array.of(length).buffer),
      ring + RECORD.fields.length.offset,
    );
    await using receiver = peer.start("recv", channel.key, 0);
    await refused(
      receiver,
      new RegExp(`lane 0: the length of a record is ${length}, which is impossible`),
    );
    using consumer = channel.consumer();
    consumer.discard(0);
  }
});

testWith(
  C_NEEDS,
  "shm_channel_receive: a record of another length than the channel's is an error",
  async () => {
    for (const length of [0, 8, 24]) {
      using channel = scratchChannel({ messageSize: 16 });
      using producer = channel.producer();
      for (let i = 0; i < 2; i++) producer.trySend(new Uint8Array(16));
      withLaneWords(channel, 0, ({ buffer }) => {
        new Int32Array(
          buffer,
          ringOffset({ lanes: 1, laneCapacity: 256, messageSize: 16 }, 0),
          1,
        )[0] = length;
      });
      await using receiver = peer.start("recv", channel.key, 0);
      await refused(
        receiver,
        new RegExp(`the length of a record is ${length}, which is impossible`),
      );
      using consumer = channel.consumer();
      consumer.discard(0);
    }
  },
);

testWith(
  C_NEEDS,
  "shm_channel_open: a channel that no process finishes creating times out",
  async () => {
    const channel = scratchChannel();
    {
      using segment = Segment.attach(channel.id);
      segment.write(new Uint8Array(4), HEADER.fields.magic.offset);
    }
    await using receiver = peer.start("recv", channel.key, 0, "--timeout", 0.2);
    await refused(receiver, /it was not initialised in time/);
    assert.equal(channel.close(), "removed");
  },
);
