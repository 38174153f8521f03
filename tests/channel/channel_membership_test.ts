/** Joining and leaving: who makes the segment a channel, who removes it, and what stands in the way. */

import assert from "node:assert/strict";
import { Channel, MailboxServer, removeSegment, Segment, SemaphoreSet } from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { segmentSize } from "../../src/channel/shape.ts";
import { SEMAPHORE_AFTER_LANES } from "../../src/channel/descriptor.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { byte, drained, scratchChannel } from "./scratch_channel.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

guardAgainstLeaks();

const SHAPE = { lanes: 2, laneCapacity: 256, messageSize: 0 };
const NOT_LONG = { timeout: 20 };

/** Opens in both ways, which both must fail with `message`. */
function refused(key: number, code: string, message: RegExp): void {
  const error = { code, message };
  assert.throws(() => Channel.open(key, NOT_LONG), error);
  assert.throws(
    () => Channel.openOrCreate({ key, ...SHAPE, ...NOT_LONG }),
    error,
  );
}

Deno.test("Channel.close: the last peer removes segment and set", () => {
  const first = scratchChannel();
  const second = Channel.open(first.key);
  assert.deepEqual([first.created, second.created], [true, false]);
  assert.equal(first.stats().users, 2);
  assert.equal(first.close(), "in use");
  assert.equal(first.close(), "in use", "closing again does nothing");
  assert.equal(second.stats().users, 1);
  assert.equal(second.close(), "removed");
  assert.throws(() => Channel.open(first.key), {
    code: "ENOENT",
    message: /open the channel.*no program has created it, or it was removed/,
  });
});

Deno.test("Channel.close: a channel with unread messages stays until they are received", () => {
  const first = scratchChannel();
  first.producer().trySend(byte(1));
  assert.equal(first.close(), "unread");
  const second = Channel.open(first.key);
  assert.deepEqual(drained(second.consumer()), [1]);
  assert.equal(second.close(), "removed");
});

Deno.test("Channel.close: a persistent channel stays, whichever peer leaves last", () => {
  const first = scratchChannel({ persistent: true });
  assert(first.stats().persistent);
  assert.equal(first.close(), "kept");
  const second = Channel.openOrCreate({ key: first.key });
  assert.deepEqual([second.created, second.close()], [false, "kept"]);
  const third = Channel.open(first.key);
  third.remove();
  third.close();
});

Deno.test("Channel.close: a process that is attached without having joined prevents the removal", () => {
  const channel = scratchChannel();
  const segment = Segment.attach(channel.id);
  assert.equal(channel.close(), "in use");
  segment.detach();
  const again = Channel.open(channel.key);
  assert.equal(again.close(), "removed");
});

Deno.test("Channel.remove: nothing of the channel is left, and its key is free at once", () => {
  const channel = scratchChannel();
  const producer = channel.producer();
  producer.trySend(byte(1));
  channel.remove();
  const next = Channel.openOrCreate({ key: channel.key, ...SHAPE });
  assert(next.created);
  assert.equal(next.close(), "removed");
  assert.throws(() => channel.consumer(), {
    code: "EIDRM",
    message: /its segment was removed while in use, perhaps with ipcrm; start its programs again/,
  });
  assert.throws(() => channel.producer(), { code: "EIDRM" });
  assert.equal(channel.close(), "in use");
});

Deno.test("Channel.openOrCreate: a segment or set of another program under the key is refused", () => {
  {
    const key = freshKey();
    const mailbox = MailboxServer.open({ key });
    refused(key, "EFORMAT", /not a channel: no number of lanes gives|no channel has a set of/);
    mailbox.close();
  }
  {
    using segment = Segment.create({ key: freshKey(), size: 4096 });
    refused(segment.key, "EFORMAT", /no semaphore set has this key/);
    segment.remove();
  }
  {
    const set = SemaphoreSet.create({ key: freshKey(), count: 3 });
    assert.throws(() => Channel.open(set.key), { code: "ENOENT" });
    assert.throws(() => Channel.openOrCreate({ key: set.key }), {
      code: "EFORMAT",
      message: /no channel has a set of 3 semaphores; choose another key/,
    });
    set.remove();
  }
  {
    const key = freshKey();
    using segment = Segment.create({ key, size: 4096 });
    const set = SemaphoreSet.create({ key, count: GEOMETRY.semaphoreCount(2) });
    refused(key, "EFORMAT", /2 lanes, which its set is for, give no segment of 4096 bytes/);
    assert.deepEqual(set.values(), new Array(6).fill(0), "nothing was done to another's set");
    segment.remove();
    set.remove();
  }
});

Deno.test("Channel.openOrCreate: a set without a segment, left by a killed process, is used", () => {
  const set = SemaphoreSet.create({ key: freshKey(), count: GEOMETRY.semaphoreCount(2) });
  assert.throws(() => Channel.open(set.key), { code: "ENOENT" });
  assert.throws(() => Channel.openOrCreate({ key: set.key, ...SHAPE, lanes: 3 }), {
    code: "EFORMAT",
    message: /lanes differs: the semaphore set \d+ is for 2, 3 requested/,
  });
  const channel = Channel.openOrCreate({ key: set.key });
  assert.deepEqual([channel.lanes, channel.created], [2, true]);
  assert.equal(channel.close(), "removed");
});

Deno.test("Channel.openOrCreate does not change a set that is in use", () => {
  for (const values of [[1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 0, 0, 0, 0, 1]]) {
    const set = SemaphoreSet.create({ key: freshKey(), count: 8, values });
    assert.throws(() => Channel.openOrCreate({ key: set.key }), {
      code: "EFORMAT",
      message: new RegExp(`semaphore set ${set.id} has this key.*The set was not changed`),
    });
    assert.throws(() => Channel.open(set.key), { code: "ENOENT" });
    assert.deepEqual(set.values(), values);
    set.remove();
  }
});

Deno.test("Channel.close releases the entry lock if the memory was transferred away", () => {
  const channel = scratchChannel({ laneCapacity: 1024 });
  const other = Channel.open(channel.key);
  other.producer().trySend(new Uint8Array(300));
  const consumer = channel.consumer();
  assert.throws(
    () => consumer.drain((bytes) => void structuredClone(bytes, { transfer: [bytes.buffer] })),
    { code: "EDETACHED" },
  );
  assert.equal(channel.close(), "in use");
  const values = SemaphoreSet.open(channel.key).values();
  assert.deepEqual(values.slice(-3), [0, 1, 1]);
  assert.equal(values[0], 0, "the consumer's role");
  other.consumer().drain(() => {});
  other.close();
  assert.throws(() => Channel.open(channel.key), { code: "ENOENT" });
});

Deno.test("Channel.open: a segment that no process initialises in time names its creator", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: segmentSize(SHAPE) });
  const set = SemaphoreSet.create({ key, count: GEOMETRY.semaphoreCount(SHAPE.lanes) });
  refused(
    key,
    "ETIMEDOUT",
    new RegExp(
      `not initialised in time: process ${Deno.pid} created it and has not made it a channel`,
    ),
  );
  assert.deepEqual(set.values(), new Array(6).fill(0), "who failed to join has left");
  segment.remove();
  set.remove();
});

Deno.test("Channel.openOrCreate: an entry lock that stays held times out, and its holder is named", () => {
  const channel = scratchChannel();
  const set = SemaphoreSet.open(channel.key);
  const lock = 1 + SEMAPHORE_AFTER_LANES.LOCK;
  set.setValue(lock, 1);
  assert.throws(() => Channel.open(channel.key, NOT_LONG), {
    code: "ETIMEDOUT",
    message: /join the channel.*process \d+ has been joining or leaving for too long/,
  });
  assert.equal(channel.stats().users, 1);
  set.setValue(lock, 0);
  assert.equal(channel.close(), "removed");
});

/** Leaves a segment and a set of this shape, of which the creator was killed; what it wrote is in it. */
async function halfMade(key: number, write = ""): Promise<void> {
  await using peer = Peer.typescript(
    `import { Segment, SemaphoreSet } from "@sysv/shm";
    const set = SemaphoreSet.create({ key: ${key}, count: ${
      GEOMETRY.semaphoreCount(SHAPE.lanes)
    } });
    const segment = Segment.create({ key: ${key}, size: ${segmentSize(SHAPE)} });
    ${write}
    console.log("created");
    setInterval(() => segment.attached, 1000); // a segment that is not used may be detached`,
    "--allow-ffi",
  );
  await peer.line();
  refused(key, "ETIMEDOUT", /and has not made it a channel/);
  peer.kill("SIGKILL");
  await peer.ended();
}

/** What a creator writes that is killed right before the header is complete. */
const HEADER_BUT_MAGIC = `
  set.setValue(${SHAPE.lanes + SEMAPHORE_AFTER_LANES.DISPOSABLE}, 1);
  segment.bytes.fill(0xaa, 4, 32);`;

for (const [what, write] of [["nothing", ""], ["most of the header", HEADER_BUT_MAGIC]] as const) {
  testWith(
    { tools: ["deno"] },
    `Channel.openOrCreate completes what a killed creator began that wrote ${what}, with any shape`,
    async () => {
      for (const wanted of [SHAPE, { lanes: 2, laneCapacity: 512 }, { lanes: 3 }, {}]) {
        const key = freshKey();
        await halfMade(key, write);
        const channel = Channel.openOrCreate({ key, laneCapacity: 4096, ...wanted });
        assert.equal(channel.laneCapacity, "laneCapacity" in wanted ? wanted.laneCapacity : 4096);
        channel.producer().trySend(byte(1));
        assert.deepEqual(drained(channel.consumer()), [1]);
        assert.equal(channel.close(), "removed");
        assert.equal(findSegment(key), undefined);
        assert.equal(findSemaphoreSet(key), undefined);
      }
    },
  );
}

testWith(
  { tools: ["deno"] },
  "Channel.open finds no channel where one is half created",
  async () => {
    const key = freshKey();
    await halfMade(key);
    for (const timeout of [0, 30_000]) {
      assert.throws(() => Channel.open(key, { timeout }), {
        code: "ENOENT",
        message: /its segment is not a channel yet, and its creator has gone/,
      });
    }
    // Of the size that openOrCreate would make it a channel in: to open is not to make
    const segment = Segment.open(key);
    assert.deepEqual(segment.read(), new Uint8Array(segment.size));
    segment.detach();
    assert.deepEqual(SemaphoreSet.open(key).values(), new Array(6).fill(0));
    assert.equal(Channel.openOrCreate({ key, ...SHAPE }).close(), "removed");
  },
);

testWith(
  { tools: ["deno"] },
  "Channel.openOrCreate keeps a half-created channel that holds data, or may be in use",
  async () => {
    const key = freshKey();
    await halfMade(key, "segment.bytes[500] = 1;");
    const kept = (): void => {
      for (const wanted of [SHAPE, { lanes: 3 }]) {
        assert.throws(() => Channel.openOrCreate({ key, ...wanted, ...NOT_LONG }), {
          code: "ETIMEDOUT",
          message: /not initialised in time: process \d+ created it and is gone/,
        });
      }
    };
    kept();
    {
      using segment = Segment.open(key);
      assert.equal(segment.bytes[500], 1);
      segment.bytes[500] = 0;
      kept();
    }
    const set = SemaphoreSet.open(key);
    set.setValue(0, 1);
    assert.throws(() => Channel.openOrCreate({ key, lanes: 3, ...NOT_LONG }), {
      code: "ETIMEDOUT",
    });
    set.setValue(0, 0);
    assert.equal(Channel.openOrCreate({ key, lanes: 3 }).close(), "removed");
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Channel.close of a peer that may not remove the channel leaves it to one that may",
  async () => {
    const channel = scratchChannel({ mode: 0o666 });
    const { key } = channel;
    await using peer = asNobody(`
      import { Channel } from "@sysv/shm";
      const channel = Channel.open(${key});
      console.log("joined");
      await Deno.stdin.read(new Uint8Array(1));
      console.log(channel.close());
      await Deno.stdin.read(new Uint8Array(1));
    `);
    assert.equal(await peer.line(), "joined");
    assert.equal(channel.close(), "in use");
    await peer.write("x");
    assert.equal(await peer.line(), "not ours");
    // It lives on, and has let go of the lock
    assert.deepEqual(SemaphoreSet.open(key).values().slice(-3), [0, 0, 1]);
    assert.equal(Channel.open(key).close(), "removed");
    await peer.endInput();
    assert.deepEqual([(await peer.ended()).code, peer.printed.stderr], [0, ""]);
  },
);

testWith(
  { tools: ["deno"] },
  "Channel.openOrCreate works while others close, again and again",
  async () => {
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
    assert(ended.some(({ stdout }) => Number(stdout) > 0), "it was never removed");
  },
);

Deno.test("Channel.close of the last peer removes the set of a removed segment, with or without unread messages", () => {
  const channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 1024 });
  {
    using producer = channel.producer();
    assert(producer.trySend(byte(1)));
  }
  removeSegment(channel.id);
  assert.equal(channel.close(), "removed");
  assert.equal(findSemaphoreSet(channel.key), undefined);
  // Another one can be made at the key
  const next = Channel.openOrCreate({ key: channel.key, lanes: 2, laneCapacity: 1024 });
  assert.equal(next.close(), "removed");
});
