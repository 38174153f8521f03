/** Looking at a channel from inside and outside. */

import assert from "node:assert/strict";
import {
  Channel,
  f64,
  listChannels,
  Segment,
  SemaphoreSet,
  statChannel,
  struct,
} from "../../mod.ts";
import { segmentSize } from "../../src/channel/shape.ts";
import { messageType } from "../../src/layout/message_type.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { beginAt, byte, drained, fill, scratchChannel } from "./scratch_channel.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

guardAgainstLeaks();

Deno.test("statChannel: the hash of the struct of its messages, or 0", () => {
  using bytes = scratchChannel();
  const Point = struct({ x: f64 });
  using structs = Channel.of(Point, { key: freshKey(), laneCapacity: 4096 });
  assert.deepEqual(
    [statChannel(bytes.id).typeHash, statChannel(structs.id).typeHash],
    [0, messageType(Point).hash],
  );
});

Deno.test("Channel.stats: the numbers of a lane are those of its messages", () => {
  using channel = scratchChannel({ lanes: 2, messageSize: 1 });
  const unused = {
    lane: 1,
    depth: 0,
    bytes: 0,
    messages: 0,
    fullWaits: 0,
    opened: 0,
    closed: 0,
    pid: undefined,
    alive: false,
  };
  {
    using producer = channel.producer();
    fill(producer);
  }
  using _producer = channel.producer();
  {
    using consumer = channel.consumer();
    drained(consumer, 6);
    assert.deepEqual(channel.stats(), {
      laneCapacity: 256,
      messageSize: 1,
      consumerPid: Deno.pid,
      users: 1,
      persistent: false,
      lanes: [{
        ...unused,
        lane: 0,
        depth: 10,
        bytes: 160,
        messages: 16,
        opened: 2,
        closed: 1,
        pid: Deno.pid,
        alive: true,
      }, unused],
    });
    consumer.drain(() => {});
  }
  assert.equal(channel.stats().consumerPid, undefined);
});

Deno.test("Channel.stats: messages are counted past 2^32, and positions wrap", () => {
  using channel = scratchChannel();
  beginAt(channel, 2 ** 32 - 32, 2 ** 32 - 1);
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([1, 2, 3, 4].map(byte));
  const { depth, messages, bytes } = channel.stats().lanes[0]!;
  assert.deepEqual([depth, messages, bytes], [4, 2 ** 32 + 3, 64]);
  assert.deepEqual(drained(consumer), [1, 2, 3, 4]);
});

Deno.test("statChannel: returns the same as stats, changes nothing and does not join", () => {
  using channel = scratchChannel();
  using producer = channel.producer();
  producer.trySend(byte(1));
  const { segment, setId, typeHash: _, ...stats } = statChannel(channel.id);
  assert.deepEqual(stats, channel.stats());
  assert.deepEqual([segment.id, segment.key, segment.nattch], [channel.id, channel.key, 1]);
  assert.equal(SemaphoreSet.open(channel.key).id, setId);
  assert.equal(stats.users, 1);
  assert(listChannels().some(({ segment }) => segment.id === channel.id));
  using consumer = channel.consumer();
  assert.deepEqual(drained(consumer), [1]);
});

Deno.test("statChannel and listChannels: an object that is not a channel is refused, and not listed", () => {
  using segment = Segment.create({
    key: freshKey(),
    size: segmentSize({
      lanes: 2,
      laneCapacity: 64,
      messageSize: 0,
    }),
  });
  assert.throws(() => statChannel(segment.id), {
    code: "EFORMAT",
    message: /it is not a channel: its size, or that of its semaphore set, is not a channel's/,
  });
  const set = SemaphoreSet.create({ key: segment.key, count: GEOMETRY.semaphoreCount(2) });
  assert.throws(() => statChannel(segment.id), {
    code: "EFORMAT",
    message: /it is not a channel, or not initialised yet/,
  });
  assert(!listChannels().some(({ segment: { id } }) => id === segment.id));
  segment.remove();
  set.remove();
});

testWith(
  { tools: ["deno", "strace"] },
  "listChannels: the system is asked for its sets once, however many channels there are",
  async () => {
    const COUNT = 20;
    const channels = Array.from({ length: COUNT }, () => scratchChannel());
    await using peer = Peer.start("strace", [
      ...["-f", "-qq", "-e", "trace=semctl", "-e", "signal=none", Deno.execPath(), "eval"],
      `import { listChannels } from "${import.meta.resolve("../../mod.ts")}";
      console.log(listChannels().length);`,
    ]);
    const { code, stdout, stderr } = await peer.ended();
    assert.equal(code, 0, stderr);
    assert(Number(stdout) >= COUNT);
    // Another program may have sets too, but not that many
    const asked = stderr.match(/SEM_STAT/g)?.length ?? 0;
    assert(asked >= COUNT && asked < COUNT * COUNT / 2, `${asked} sets were asked for`);
    for (const channel of channels) channel.close();
  },
);
