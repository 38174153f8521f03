/** Arriving and leaving: who initialises, who removes, and what stands in the way. */

import assert from "node:assert/strict";
import { Channel, Deadline, MailboxServer, Segment, SemaphoreSet } from "../../mod.ts";
import { segmentSize, semaphoreCount } from "../../src/channel/shape.ts";
import { SEMAPHORE_AFTER_LANES } from "../../src/channel/descriptor.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

const SHAPE = { lanes: 2, laneCapacity: 256, messageSize: 0 };
const NOT_LONG = (): Deadline => Deadline.after(20);

/** Opens in both ways, which both must fail with `message`. */
function refused(key: number, code: string, message: RegExp): void {
  const error = { code, message };
  assert.throws(() => Channel.open(key, { deadline: NOT_LONG() }), error);
  assert.throws(
    () => Channel.openOrCreate({ key, ...SHAPE, deadline: NOT_LONG() }),
    error,
  );
}

Deno.test("the last one out removes segment and set", () => {
  const first = scratchChannel();
  const second = Channel.open(first.key);
  assert.deepEqual([first.created, second.created], [true, false]);
  assert.equal(first.stats().users, 2);
  assert.equal(first.close(), "in use");
  assert.equal(first.close(), "in use", "closing twice is once");
  assert.equal(second.stats().users, 1);
  assert.equal(second.close(), "removed");
  assert.throws(() => Channel.open(first.key), {
    code: "ENOENT",
    message: /open the channel.*nobody has created it \(or it was removed\)/,
  });
});

Deno.test("what is unread stays, until somebody has received it", () => {
  const first = scratchChannel();
  first.producer().trySend(byte(1));
  assert.equal(first.close(), "unread");
  const second = Channel.open(first.key);
  assert.deepEqual(drained(second.consumer()), [1]);
  assert.equal(second.close(), "removed");
});

Deno.test("what was asked to be kept stays, whoever leaves", () => {
  const first = scratchChannel({ keep: true });
  assert(first.stats().kept);
  assert.equal(first.close(), "kept");
  const second = Channel.openOrCreate({ key: first.key });
  assert.deepEqual([second.created, second.close()], [false, "kept"]);
  const third = Channel.open(first.key);
  third.remove();
  third.close();
});

Deno.test("whoever is attached without having arrived keeps it from being removed", () => {
  const channel = scratchChannel();
  const segment = Segment.attach(channel.id);
  assert.equal(channel.close(), "in use");
  segment.detach();
  const again = Channel.open(channel.key);
  assert.equal(again.close(), "removed");
});

Deno.test("a channel that was removed leaves nothing of itself, and its key is free at once", () => {
  const channel = scratchChannel();
  const producer = channel.producer();
  producer.trySend(byte(1));
  channel.remove();
  const next = Channel.openOrCreate({ key: channel.key, ...SHAPE });
  assert(next.created);
  assert.equal(next.close(), "removed");
  assert.throws(() => channel.consumer(), {
    code: "EIDRM",
    message:
      /somebody removed its segment while it was in use \(ipcrm\?\); start its programs again/,
  });
  assert.throws(() => channel.producer(), { code: "EIDRM" });
  assert.equal(channel.close(), "in use");
});

Deno.test("a segment or set of others under the key is no channel", () => {
  {
    const key = freshKey();
    const mailbox = MailboxServer.open({ key });
    refused(key, "EFORMAT", /not a channel: \d+ bytes are no size for|no channel has a set of/);
    mailbox.close();
  }
  {
    using segment = Segment.create({ key: freshKey(), size: 4096 });
    refused(segment.key, "EFORMAT", /no semaphore set stands beside the segment/);
    segment.remove();
  }
  {
    const set = SemaphoreSet.create({ key: freshKey(), count: 3 });
    refused(set.key, "EFORMAT", /no channel has a set of 3 semaphores; choose another key/);
    set.remove();
  }
  {
    const key = freshKey();
    using segment = Segment.create({ key, size: 4096 });
    const set = SemaphoreSet.create({ key, count: semaphoreCount(2) });
    refused(key, "EFORMAT", /4096 bytes are no size for 2 lanes, as the set beside it has/);
    assert.deepEqual(set.values(), new Array(6).fill(0), "nothing was done to another's set");
    segment.remove();
    set.remove();
  }
});

Deno.test("a set without a segment is what somebody left who was killed: one goes on with it", () => {
  const set = SemaphoreSet.create({ key: freshKey(), count: semaphoreCount(2) });
  assert.throws(() => Channel.open(set.key), { code: "ENOENT" });
  assert.throws(() => Channel.openOrCreate({ key: set.key, ...SHAPE, lanes: 3 }), {
    code: "EFORMAT",
    message: /lanes differs: the semaphore set \d+ is for 2, 3 asked for/,
  });
  const channel = Channel.openOrCreate({ key: set.key });
  assert.deepEqual([channel.lanes, channel.created], [2, true]);
  assert.equal(channel.close(), "removed");
});

Deno.test("a segment that nobody initialises in time says whose it is", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: segmentSize(SHAPE) });
  const set = SemaphoreSet.create({ key, count: semaphoreCount(SHAPE.lanes) });
  refused(
    key,
    "ETIMEDOUT",
    new RegExp(
      `not initialised in time: process ${Deno.pid} created it and has not made it a channel`,
    ),
  );
  assert.deepEqual(set.values(), new Array(6).fill(0), "who failed to arrive has left");
  segment.remove();
  set.remove();
});

Deno.test("a door that is held by another ends arriving with its holder's name", () => {
  const channel = scratchChannel();
  const set = SemaphoreSet.open(channel.key);
  const door = 1 + SEMAPHORE_AFTER_LANES.LOCK;
  set.setValue(door, 1);
  assert.throws(() => Channel.open(channel.key, { deadline: NOT_LONG() }), {
    code: "ETIMEDOUT",
    message: /arrive at the channel.*process \d+ has been arriving or leaving for too long/,
  });
  assert.equal(channel.stats().users, 1);
  set.setValue(door, 0);
  assert.equal(channel.close(), "removed");
});

testWith({ tools: ["deno"] }, "who was killed before it was initialised is replaced", async () => {
  const key = freshKey();
  await using peer = Peer.typescript(
    `import { Segment, SemaphoreSet } from "@sysv/shm";
    SemaphoreSet.create({ key: ${key}, count: ${semaphoreCount(SHAPE.lanes)} });
    Segment.create({ key: ${key}, size: ${segmentSize(SHAPE)} });
    console.log("created");
    setInterval(() => {}, 1000);`,
    "--allow-ffi",
  );
  await peer.line();
  refused(key, "ETIMEDOUT", /and has not made it a channel/);
  peer.kill("SIGKILL");
  await peer.ended();
  assert.throws(() => Channel.open(key, { deadline: NOT_LONG() }), {
    code: "ETIMEDOUT",
    message: /created it and is gone; choose another key, or remove it/,
  });
  const channel = Channel.openOrCreate({ key, ...SHAPE });
  assert.equal(channel.laneCapacity, 256);
  channel.producer().trySend(byte(1));
  assert.deepEqual(drained(channel.consumer()), [1]);
  assert.equal(channel.close(), "removed");
});

testWith({ tools: ["deno"] }, "one can arrive while others leave, again and again", async () => {
  const key = freshKey();
  const race = `import { Channel } from "@sysv/shm";
    const fates = new Map();
    for (let i = 0; i < 300; i++) {
      const channel = Channel.openOrCreate({ key: ${key}, lanes: 2, laneCapacity: 64 });
      const producer = channel.producer();
      producer.close();
      const fate = channel.close();
      fates.set(fate, (fates.get(fate) ?? 0) + 1);
    }
    console.log(fates.get("removed") ?? 0);`;
  await using one = Peer.typescript(race, "--allow-ffi");
  await using two = Peer.typescript(race, "--allow-ffi");
  const ended = await Promise.all([one.ended(), two.ended()]);
  for (const { code, stderr } of ended) assert.deepEqual([code, stderr], [0, ""]);
  assert(ended.some(({ stdout }) => Number(stdout) > 0), "nobody ever removed it");
});
