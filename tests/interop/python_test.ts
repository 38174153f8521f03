/**
 * The peer in Python (`examples/python/shm_peer.py`), which was written from `docs/wire_format.md` alone,
 * against our command and the library: the first peer creates, what arrives is what was sent, a killed
 * peer loses nothing, and another program's objects are refused and not changed.
 */

import assert from "node:assert/strict";
import {
  Channel,
  f32,
  f64,
  i32,
  MailboxServer,
  Segment,
  SemaphoreSet,
  statChannel,
  struct,
} from "../../mod.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { destroy, messageThere, semaphore, until } from "./observe.ts";
import { assertEnds, assertNothingAt } from "./programs.ts";
import { NEEDS, OTHER, POINT, python, shmPeer } from "./python.ts";

guardAgainstLeaks();

type Language = "Python" | "TypeScript";
type Role = "server" | "client" | "recv" | "send";

const PAIRINGS: readonly (readonly [from: Language, to: Language])[] = [
  ["Python", "TypeScript"],
  ["TypeScript", "Python"],
  ["Python", "Python"],
];

const COMMANDS = { Python: "shm_peer.py", TypeScript: "cli.ts" } as const;
/** What our command calls by other names. */
const PYTHON_ROLES: Readonly<Record<Role, string>> = {
  server: "server",
  client: "client",
  recv: "consume",
  send: "produce",
};

function start(language: Language, role: Role, key: number, ...args: readonly string[]): Peer {
  if (language === "TypeScript") return Peer.cli(role, "--key", `${key}`, ...args);
  return shmPeer(PYTHON_ROLES[role], key, ...args);
}

/** Resolves when a server or a consumer has its role. */
async function ready(peer: Peer): Promise<void> {
  await peer.stderr(/^(ready|listening on|receiving at)\b/m);
}

async function sendLines(peer: Peer, lines: readonly string[]): Promise<void> {
  await peer.write(lines.map((line) => `${line}\n`).join(""));
  await peer.endInput();
}

function printed(stdout: string): string[] {
  const lines = stdout.split("\n").map((line) => line.replace(/^Received message: /, ""));
  assert.equal(lines.pop(), "");
  return lines;
}

const TEXTS = ["hello", "", "  spaces stay ", "grüße, 水, 🦉", "x".repeat(2047), "last"];

for (const [from, to] of PAIRINGS) {
  const mailbox = `${COMMANDS[to]} server of a ${COMMANDS[from]} client`;

  testWith(NEEDS, `${mailbox}: creates, and prints every message, in order`, async () => {
    const key = freshKey();
    await using server = start(to, "server", key, "--count", `${TEXTS.length}`);
    await ready(server);
    await using client = start(from, "client", key);
    await sendLines(client, TEXTS);
    await assertEnds(client, 0);
    assert.deepEqual(printed(await assertEnds(server, 0)), TEXTS);
    assertNothingAt(key);
  });

  testWith(NEEDS, `${mailbox}: finds what the client created, and removes it`, async () => {
    const key = freshKey();
    await using client = start(from, "client", key, "--no-wait", "left behind");
    await assertEnds(client, 0);
    await using server = start(to, "server", key, "--count", "1");
    assert.deepEqual(printed(await assertEnds(server, 0)), ["left behind"]);
    assertNothingAt(key);
  });

  const channel = `${COMMANDS[to]} ${to === "Python" ? "consume" : "recv"} from ${COMMANDS[from]}`;
  const many = Array.from({ length: 300 }, (_, i) => `${i} ${"x".repeat(i % 100)}`);

  testWith(NEEDS, `${channel}: creates, and goes on through full rings to the end`, async () => {
    const key = freshKey();
    const shape = ["--lanes", "2", "--capacity", "256"];
    const end = to === "TypeScript" ? ["--until-closed"] : [];
    await using consumer = start(to, "recv", key, ...shape, ...end);
    await ready(consumer);
    await using producer = start(from, "send", key);
    await sendLines(producer, many);
    await assertEnds(producer, 0);
    assert.deepEqual(printed(await assertEnds(consumer, 0)), many);
    assertNothingAt(key);
  });

  testWith(NEEDS, `${channel}: finds what a producer that is gone created`, async () => {
    const key = freshKey();
    await using producer = start(from, "send", key, "--lanes", "3", "--capacity", "65536");
    await sendLines(producer, many);
    await assertEnds(producer, 0);
    await using consumer = start(to, "recv", key, "--count", `${many.length}`);
    assert.deepEqual(printed(await assertEnds(consumer, 0)), many);
    assertNothingAt(key);
  });
}

testWith(NEEDS, "MailboxServer: knows the process of a Python client", async () => {
  const key = freshKey();
  {
    using server = MailboxServer.open({ key });
    await using client = start("Python", "client", key, "hello");
    const { text, sender } = await server.receive();
    assert.deepEqual({ text, sender }, { text: "hello", sender: client.pid });
    server.ack();
    assert.equal(await assertEnds(client, 0), "taken\n");
  }
  assertNothingAt(key);
});

testWith(
  NEEDS,
  "MailboxServer: does not receive a message that a Python client withdrew",
  async () => {
    const key = freshKey();
    {
      using server = MailboxServer.open({ key });
      await using client = start("Python", "client", key, "--timeout", "0.01", "too late");
      assert.equal(await assertEnds(client, 1), "withdrawn\n");
      assert.equal(server.tryReceive(), undefined);
      await using next = start("Python", "client", key, "in time");
      assert.equal((await server.receive()).text, "in time");
      server.ack();
      await assertEnds(next, 0);
    }
    assertNothingAt(key);
  },
);

testWith(NEEDS, "statChannel: reads what Python wrote: tallies, openings, closings", async () => {
  const key = freshKey();
  {
    using channel = Channel.openOrCreate({ key, lanes: 2, laneCapacity: 256 });
    using producer = channel.producer();
    await using sends = start("Python", "send", key, "--tag", "4294967295", "a", "b", "", "d");
    await assertEnds(sends, 0);
    await using takes = start("Python", "recv", key, "--count", "3");
    assert.equal(await assertEnds(takes, 0), "a\nb\n\n");
    const lane = statChannel(findSegment(key)!).lanes[1]!;
    const { messages, depth, bytes, opened, fullWaits } = lane;
    assert.deepEqual({ messages, depth, bytes, opened, fullWaits }, {
      messages: 4,
      depth: 1,
      bytes: 16,
      opened: 1,
      fullWaits: 0,
    });
    assert.equal(producer.lane, 0);
    using consumer = channel.consumer();
    const last = consumer.tryReceive();
    assert.deepEqual(last && [last.bytes, last.tag, last.lane], [
      new TextEncoder().encode("d"),
      0xffffffff,
      1,
    ]);
    assert.equal(consumer.deadProducers, 0);
    consumer.ack();
  }
  assertNothingAt(key);
});

testWith(
  NEEDS,
  "MailboxServer: receives the message that a killed Python server had not acknowledged",
  async () => {
    const key = freshKey();
    await using killed = python(key, "MailboxServer(key).receive(stand)");
    await until("the server is there", () => semaphore(key, "SERVER") === 1);
    await using client = start("Python", "client", key, "hello");
    assert.equal(await killed.line(), "hello");
    await destroy(killed);
    {
      using server = MailboxServer.open({ key });
      assert.equal((await server.receive()).text, "hello");
      server.ack();
      await assertEnds(client, 0);
    }
    assertNothingAt(key);
  },
);

testWith(
  NEEDS,
  "MailboxServer: receives the message of a killed Python client, then the next",
  async () => {
    const key = freshKey();
    await using killed = start("Python", "client", key, "first");
    await until("the message is there", () => messageThere(key));
    await destroy(killed);
    await using next = start("Python", "client", key, "second");
    {
      using server = MailboxServer.open({ key });
      for (const text of ["first", "second"]) {
        assert.equal((await server.receive()).text, text);
        server.ack();
      }
      await assertEnds(next, 0);
    }
    assertNothingAt(key);
  },
);

testWith(
  NEEDS,
  "Consumer: receives the message that a killed Python consumer had not acknowledged",
  async () => {
    const key = freshKey();
    await using killed = python(
      key,
      `consumer = Consumer(key, lanes=1, capacity=256)
consumer.receive(lambda *_: None)
consumer.receive(stand)`,
    );
    await using producer = python(
      key,
      `with Producer(key, lanes=1, capacity=256) as producer:
    for text in (b"first", b"second", b"third"):
        producer.send(text)`,
    );
    await assertEnds(producer, 0);
    assert.equal(await killed.line(), "second");
    await destroy(killed);
    await using consumer = start("TypeScript", "recv", key, "--count", "2");
    assert.equal(await assertEnds(consumer, 0), "second\nthird\n");
    assertNothingAt(key);
  },
);

testWith(
  NEEDS,
  "Consumer: receives the messages of a killed Python producer; its lane is free",
  async () => {
    const key = freshKey();
    {
      using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
      using consumer = channel.consumer();
      await using killed = python(
        key,
        `producer = Producer(key)
producer.send(b"sent")
producer.send(b"never published", flush=False)
stand("done")`,
      );
      assert.equal(await killed.line(), "done");
      await destroy(killed);
      await using next = start("Python", "send", key, "by the next");
      await assertEnds(next, 0);
      const got: string[] = [];
      for await (const { bytes } of consumer.messages({ until: "closed" })) {
        got.push(new TextDecoder().decode(bytes));
      }
      assert.deepEqual(got, ["sent", "by the next"]);
    }
    assertNothingAt(key);
  },
);

/** The roles that create, with their arguments and the values of a set that another program could have. */
const CREATORS = [
  ["server", [], [0, 0, 0, 5, 0, 0]],
  ["client", ["hello"], [0, 0, 0, 5, 0, 0]],
  ["consume", [], [0, 0, 0, 5, 0, 0]],
  ["produce", ["hello"], [0, 0, 0, 5, 0, 0]],
  ["latest-set", ["--size", "8", "hello"], [5, 0, 0, 0]],
  ["publish", ["hello"], [0, 0, 5, 0, 0, 0]],
  ["subscribe", [], [0, 0, 5, 0, 0, 0]],
] as const;

for (const [role, args, values] of CREATORS) {
  const refuses = `shm_peer.py ${role}: refuses`;

  testWith(NEEDS, `${refuses} a segment that does not fit, and touches nothing`, async () => {
    const key = freshKey();
    using segment = Segment.create({ key, size: 1000 });
    try {
      segment.write(Uint8Array.from({ length: 1000 }, () => 7));
      await using peer = shmPeer(role, key, ...args);
      await assertEnds(peer, 1);
      assert.match(peer.printed.stderr, /1000 bytes/);
      assert(segment.read(0, 1000).every((byte) => byte === 7));
      assert.equal(findSegment(key), segment.id);
      assert.equal(findSemaphoreSet(key), undefined);
    } finally {
      segment.remove();
    }
  });

  testWith(NEEDS, `${refuses} a set in another program's use, and touches nothing`, async () => {
    const key = freshKey();
    const set = SemaphoreSet.create({ key, count: values.length, values });
    try {
      await using peer = shmPeer(role, key, ...args);
      await assertEnds(peer, 1);
      assert.match(peer.printed.stderr, /is another program's/);
      assert.deepEqual(set.values(), values);
      assert.equal(findSegment(key), undefined);
    } finally {
      set.remove();
    }
  });
}

testWith(
  NEEDS,
  "shm_peer.py: a struct that is stated is compared, whichever side created the channel",
  async () => {
    const Point = struct({ id: i32, x: f64, y: f64 });
    const Other = struct({ id: i32, x: f64, y: f32 });
    const key = freshKey();
    const refused = /it holds another struct: the first field that differs is y:f32@16 here/;
    {
      using channel = Channel.of(Point, { key, laneCapacity: 1024 });
      using consumer = channel.consumer();
      await using other = start("Python", "send", key, "--type", OTHER);
      const { code, stderr } = await other.ended();
      assert.equal(code, 1);
      assert.match(stderr, refused);
      await using same = start("Python", "send", key, "--type", POINT, "y".repeat(24));
      await assertEnds(same, 0);
      assert.equal(consumer.tryReceive()?.bytes.length, 24);
      consumer.ack();
    }
    await using creator = start("Python", "recv", key, "--type", POINT, "--count", "1");
    await ready(creator);
    assert.throws(() => Channel.of(Other, { key }), { code: "EFORMAT", message: refused });
    using channel = Channel.of(Point, { key });
    using producer = channel.producer();
    // "x" in all bytes of the first field
    producer.trySend({ id: 0x78787878, x: 0, y: 0 });
    assert.match(await assertEnds(creator, 0), /^xxxx/);
  },
);
