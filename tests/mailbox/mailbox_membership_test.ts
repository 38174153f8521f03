/** Joining and leaving a mailbox: which peer creates, which removes, and what is never left behind. */

import assert from "node:assert/strict";
import {
  Channel,
  listSegments,
  MailboxClient,
  MailboxServer,
  Segment,
  SemaphoreSet,
} from "../../mod.ts";
import { SEMAPHORE, SEMAPHORE_COUNT } from "../../src/mailbox/descriptor.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { ownObjects } from "../support/own_objects.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

/** How many segments and semaphore sets there are under a key. */
function left(key: number): number {
  return ownObjects().filter((line) => line.includes(`key ${key}`)).length;
}

Deno.test("MailboxServer.close: the last peer removes what the first one created", () => {
  const key = freshKey();
  const server = MailboxServer.open({ key });
  assert.equal(left(key), 2);
  assert.equal(server.close(), "removed");
  assert.equal(server.close(), "removed");
  const one = MailboxClient.open({ key });
  const two = MailboxClient.open({ key });
  assert.equal(one.close(), "in use");
  assert.equal(two.close(), "removed");
  assert.equal(left(key), 0);
});

Deno.test("MailboxServer.close: the last peer removes the segment for a server that left, unless persistent", () => {
  const key = freshKey();
  for (const persistent of [false, true]) {
    const server = MailboxServer.open({ key, persistent });
    const client = MailboxClient.open({ key });
    assert.equal(server.close(), "in use");
    assert.equal(client.close(), persistent ? "kept" : "removed");
  }
  assert.equal(left(key), 1, "the segment, and no semaphore set");
  assert.equal(MailboxClient.open({ key }).close(), "kept");
  assert.equal(MailboxServer.open({ key, persistent: true }).close(), "kept");
  assert.equal(MailboxServer.open({ key }).close(), "removed");
});

Deno.test("MailboxServer.close: a server that leaves first decides for a segment that it did not create too", () => {
  const key = freshKey();
  for (const persistent of [true, false]) {
    const client = MailboxClient.open({ key });
    const server = MailboxServer.open({ key, persistent });
    assert.equal(server.close(), "in use");
    assert.equal(client.close(), persistent ? "kept" : "removed");
  }
  assert.equal(left(key), 0);
});

Deno.test("MailboxClient.close: an unread message stays, without its semaphores, for the next server", () => {
  const key = freshKey();
  const client = MailboxClient.open({ key });
  assert(client.trySend("left behind"));
  assert.equal(client.close(), "unread");
  assert.equal(left(key), 1);
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive()?.text, "left behind");
  server.ack();
});

Deno.test("MailboxServer.close: a segment that others are attached to stays", () => {
  const key = freshKey();
  const server = MailboxServer.open({ key });
  using other = Segment.open(key);
  assert.equal(server.close(), "in use");
  assert.equal(left(key), 1);
  other.remove();
});

Deno.test("MailboxServer.open: a second server is told the pid of the first, and leaves no trace", () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  assert.throws(() => MailboxServer.open({ key }), {
    code: "EBUSY",
    message: new RegExp(`process ${Deno.pid} is its server`),
  });
  assert.equal(server.segment.stat().nattch, 1);
});

Deno.test("MailboxServer.open: a segment of another size is refused, or replaced with recreate if unused", () => {
  const key = freshKey();
  for (const size of [100, 4096]) {
    const misfit = Segment.create({ key, size });
    const message = new RegExp(`${size} bytes`);
    assert.throws(() => MailboxServer.open({ key }), { code: "EINVAL", message });
    assert.throws(() => MailboxClient.open({ key }), { code: "EINVAL", message });
    assert.throws(() => MailboxServer.open({ key, recreate: true }), {
      code: "EINVAL",
      message: /nattch is 1;/,
    });
    misfit.detach();
    using server = MailboxServer.open({ key, recreate: true });
    assert.equal(server.segment.size, 2049);
    assert(!listSegments().some(({ id }) => id === misfit.id));
  }
});

Deno.test("MailboxServer.open: a semaphore set that is not a mailbox's is refused and not changed", () => {
  const key = freshKey();
  const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT + 1 });
  try {
    assert.throws(() => MailboxServer.open({ key }), { code: "EINVAL", call: "semget" });
    assert.equal(left(key), 1);
  } finally {
    set.remove();
  }
});

Deno.test("MailboxClient.open and MailboxServer.open leave a channel at the key as it is", () => {
  const channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 1024 });
  assert(channel.producer().trySend(Uint8Array.of(7)));
  const { key } = channel;
  assert.equal(channel.close(), "unread");
  const values = SemaphoreSet.open(key).values();
  for (const open of [MailboxClient.open, MailboxServer.open]) {
    assert.throws(() => open({ key }), { code: "EINVAL", message: /it has 2816 bytes, not 2049/ });
  }
  assert.throws(() => MailboxServer.open({ key, recreate: true }), {
    code: "EINVAL",
    message: /The set was not changed/,
  });
  assert.deepEqual(SemaphoreSet.open(key).values(), values);
  using again = Channel.open(key);
  const consumer = again.consumer();
  assert.deepEqual(consumer.tryReceive()?.bytes, Uint8Array.of(7));
  consumer.ack();
});

Deno.test("MailboxClient.open and MailboxServer.open leave a set that is in use as it is", () => {
  const values = [0, 0, 3, 0, 1, 1];
  const set = SemaphoreSet.create({ key: freshKey(), count: SEMAPHORE_COUNT, values });
  for (const open of [MailboxClient.open, MailboxServer.open]) {
    assert.throws(() => open({ key: set.key }), {
      code: "EINVAL",
      message: new RegExp(`semaphore set ${set.id} has this key.*The set was not changed`),
    });
    assert.deepEqual(set.values(), values);
  }
  assert.equal(left(set.key), 1);
  set.remove();
});

Deno.test("MailboxClient.close and MailboxServer.close succeed after the memory was transferred", () => {
  const key = freshKey();
  const server = MailboxServer.open({ key });
  const client = MailboxClient.open({ key });
  const other = MailboxClient.open({ key });
  assert(client.trySend("in hand"));
  assert.equal(server.tryReceive()?.text, "in hand");
  const { buffer } = server.segment;
  structuredClone(buffer, { transfer: [buffer] });
  client.segment.detach();
  server.close();
  client.close();
  assert.deepEqual(SemaphoreSet.open(key).values(), [0, 1, 0, 0, 0, 1]);
  assert.equal(other.close(), "unread");
  using next = MailboxServer.open({ key });
  assert.equal(next.tryReceive()?.text, "in hand");
  next.ack();
});

Deno.test("MailboxServer.open: a mailbox needs a key", () => {
  assert.throws(() => MailboxServer.open({ key: 0 }), RangeError);
  assert.throws(() => MailboxServer.open({ key: 2 ** 40 }), RangeError);
});

Deno.test("MailboxServer.open: mode is that of segment and semaphores", () => {
  const key = freshKey();
  using server = MailboxServer.open({ key, mode: 0o660 });
  assert.equal(server.segment.stat().mode, 0o660);
  assert.equal(SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT }).stat().mode, 0o660);
});

Deno.test("MailboxServer.receive and MailboxClient.send notice that the segment was removed", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  assert(client.trySend("last words"));
  server.segment.remove();
  assert.equal((await server.receive()).text, "last words");
  await assert.rejects(server.receive(), {
    code: "EIDRM",
    message: /its segment was removed while in use/,
  });
  assert.throws(() => client.trySend("nor this"), { code: "EIDRM" });
  await assert.rejects(client.send("nor this"), { code: "EIDRM" });
});

Deno.test("MailboxServer.receive and MailboxClient.send notice that the set was removed", async () => {
  const key = freshKey();
  const server = MailboxServer.open({ key });
  const receiving = assert.rejects(server.receive(), {
    code: "EIDRM",
    message: /its semaphore set was removed while in use/,
  });
  SemaphoreSet.open(key).remove();
  await receiving;
  assert.equal(server.close(), "in use");
  const client = MailboxClient.open({ key });
  const sending = assert.rejects(client.send("left behind"), { code: "EIDRM" });
  SemaphoreSet.open(key).remove();
  await sending;
  client.close();
  using next = MailboxServer.open({ key });
  assert.equal(next.tryReceive()?.text, "left behind");
  next.ack();
});

Deno.test("MailboxClient.send: a removed set ends a wait with an error, and closing still works", async () => {
  const key = freshKey();
  const one = MailboxClient.open({ key });
  const two = MailboxClient.open({ key });
  // Awaited from the start: it may end before the other does
  const sending = assert.rejects(one.send("waits for a server"));
  const waiting = two.send("waits for its turn");
  SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT }).remove();
  await assert.rejects(waiting, { code: "EIDRM", message: /semaphore set was removed/ });
  one.segment.remove();
  await sending;
  two.close();
  one.close();
});

testWith(
  { tools: ["deno"] },
  "MailboxServer.open: a killed peer is not waited for and not counted",
  async () => {
    const key = freshKey();
    await using peer = Peer.typescript(`
    import { MailboxClient, MailboxServer } from "@sysv/shm";
    const server = MailboxServer.open({ key: ${key} });
    const client = MailboxClient.open({ key: ${key} });
    console.log("there");
    setInterval(() => {}, 1000);
  `);
    assert.equal(await peer.line(), "there");
    assert.throws(() => MailboxServer.open({ key }), {
      code: "EBUSY",
      message: new RegExp(`process ${peer.pid} is its server`),
    });
    peer.kill("SIGKILL");
    await peer.ended();
    const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT });
    assert.deepEqual(
      [SEMAPHORE.USERS, SEMAPHORE.SERVER].map((n) => set.value(n)),
      [0, 0],
    );
    assert.equal(MailboxServer.open({ key }).close(), "removed");
    assert.equal(left(key), 0);
  },
);

testWith(
  { tools: ["deno"] },
  "MailboxServer.open: an entry lock of a stopped process names it, and is free at its end",
  async () => {
    const key = freshKey();
    const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT });
    await using peer = Peer.typescript(`
    import { SemaphoreSet } from "@sysv/shm";
    const set = SemaphoreSet.openOrCreate({ key: ${key}, count: ${SEMAPHORE_COUNT} });
    set.tryOp([
      { semaphore: ${SEMAPHORE.LOCK}, add: 1, undo: true },
      { semaphore: ${SEMAPHORE.USERS}, add: 1, undo: true },
    ]);
    console.log("inside");
    setInterval(() => {}, 1000);
  `);
    assert.equal(await peer.line(), "inside");
    assert.throws(() => MailboxServer.open({ key, timeout: 20 }), {
      code: "ETIMEDOUT",
      message: new RegExp(`process ${peer.pid} has been joining or leaving`),
    });
    peer.kill("SIGKILL");
    await peer.ended();
    assert.equal(set.value(SEMAPHORE.USERS), 0);
    assert.equal(MailboxServer.open({ key }).close(), "removed");
  },
);

testWith(
  { tools: ["deno"], root: true },
  "MailboxClient.close without permission to remove leaves it to a peer that has it",
  async () => {
    const key = freshKey();
    const server = MailboxServer.open({ key, mode: 0o666 });
    await using peer = asNobody(`
      import { MailboxClient } from "@sysv/shm";
      const client = MailboxClient.open({ key: ${key} });
      console.log("joined");
      await Deno.stdin.read(new Uint8Array(1));
      console.log(client.close());
      await Deno.stdin.read(new Uint8Array(1));
    `);
    assert.equal(await peer.line(), "joined");
    assert.equal(server.close(), "in use");
    await peer.write("x");
    assert.equal(await peer.line(), "not ours");
    // It lives on, and has let go of the lock
    assert.deepEqual(SemaphoreSet.open(key).values(), [0, 0, 0, 0, 0, 1]);
    assert.equal(MailboxClient.open({ key }).close(), "removed");
    await peer.endInput();
    assert.deepEqual(await peer.ended(), {
      code: 0,
      signal: null,
      stderr: "",
      stdout: "joined\nnot ours\n",
    });
  },
);

testWith(
  { tools: ["deno"], root: true },
  "MailboxServer.open: another user's mailbox is refused unless trusted",
  async () => {
    const key = freshKey();
    await using peer = asNobody(`
    import { MailboxServer } from "@sysv/shm";
    const server = MailboxServer.open({ key: ${key}, mode: 0o666 });
    console.log("there");
    const message = await server.receive();
    console.log(message.text);
    server.ack();
    server.close();
  `);
    assert.equal(await peer.line(), "there");
    assert.throws(() => MailboxClient.open({ key }), { code: "EUNTRUSTED" });
    const client = MailboxClient.open({ key, trust: true });
    assert.equal(client.segment.othersMayWrite, true);
    await client.send("from root");
    assert.equal(await peer.line(), "from root");
    client.close();
    assert.deepEqual((await peer.ended()).stderr, "");
    assert.equal(left(key), 0);
  },
);
