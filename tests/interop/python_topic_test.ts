/**
 * Topic of the peer in Python, which was written from `docs/wire_format.md` alone, with the library and the
 * command: messages in both directions, history, exact numbers of missed messages, a killed publisher.
 */

import assert from "node:assert/strict";
import { f32, f64, i32, Segment, struct, Topic } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { destroy, until } from "./observe.ts";
import { assertEnds, assertNothingAt } from "./programs.ts";
import { NEEDS, OTHER, POINT, python, shmPeer } from "./python.ts";

guardAgainstLeaks();

const Point = struct({ id: i32, x: f64, y: f64 });
const Other = struct({ id: i32, x: f64, y: f32 });
const REFUSED = /the first field that differs is y:f32@16 here/;

const text = (value: string) => new TextEncoder().encode(value);
/** A payload that tells the number of its message, of a length that differs from the one before. */
const numbered = (n: number) => `${n} ${"x".repeat(n * 7 % 45)}`;

testWith(NEEDS, "Topic.of: subscribes to the structs of a Python publisher", async () => {
  const key = freshKey();
  {
    using topic = Topic.of(Point, { key, lanes: 2, laneCapacity: 1024 });
    using subscriber = topic.subscriber();
    await using publisher = python(
      key,
      `with Publisher(key, message_type="${POINT}") as publisher:
    for n in range(3):
        publisher.publish(struct.pack("<i4xdd", n, n / 2, n * 3), tag=4294967295)`,
    );
    await assertEnds(publisher, 0);
    for (let n = 0; n < 3; n++) {
      const message = await subscriber.receive();
      const { id, x, y } = message.value;
      assert.deepEqual([id, x, y, message.tag, message.lane, message.missed], [
        n,
        n / 2,
        n * 3,
        0xffffffff,
        0,
        0,
      ]);
    }
  }
  assertNothingAt(key);
});

for (const readOnly of ["False", "True"]) {
  testWith(
    NEEDS,
    `Publisher: a Python subscriber (read-only: ${readOnly}) gets its structs`,
    async () => {
      const key = freshKey();
      {
        using topic = Topic.of(Point, { key, lanes: 3, laneCapacity: 1024 });
        using one = topic.publisher();
        using two = topic.publisher();
        await using subscriber = python(
          key,
          `with Subscriber(key, message_type="${POINT}", read_only=${readOnly}) as subscriber:
    step("there")
    for _ in range(2):
        got = subscriber.receive()
        print(got.lane, got.number, got.tag, got.missed, *struct.unpack("<i4xdd", got.payload))`,
        );
        assert.equal(await subscriber.line(), "there");
        one.publish({ id: 1, x: 0.5, y: -1 }, { tag: 7 });
        two.publish({ id: 2, x: 1e300, y: 0 });
        await subscriber.write("\n");
        assert.equal(
          await assertEnds(subscriber, 0),
          "there\n0 1 7 0 1 0.5 -1.0\n1 1 0 0 2 1e+300 0.0\n",
        );
      }
      assertNothingAt(key);
    },
  );
}

testWith(NEEDS, "Topic: a history of bytes, both ways, around the end of the ring", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
    const all: string[] = [];
    for (let n = 1; n <= 30; n++) {
      all.push(numbered(n).slice(0, 40));
      if (n % 3 === 0) {
        await using publish = shmPeer("publish", key, ...all.slice(-3));
        await assertEnds(publish, 0);
      } else if (n % 3 === 1 && n > 1) {
        using publisher = topic.publisher();
        publisher.publish(text("between"));
      }
    }
    const seen: string[] = [];
    using subscriber = topic.subscriber({ history: 1000 });
    subscriber.drain((bytes) => void seen.push(new TextDecoder().decode(bytes)));
    assert(seen.length > 2 && seen.length < 30);
    assert.deepEqual(seen.slice(-3), all.slice(-3));
    for (const count of [2, seen.length]) {
      const many = ["--count", `${count}`, "--history", count === 2 ? "2" : "1000"];
      await using subscribe = shmPeer("subscribe", key, ...many, "--timeout", "20");
      assert.equal(
        await assertEnds(subscribe, 0),
        seen.slice(-count).map((line) => `${line}\n`).join(""),
      );
    }
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Publisher: the subscribers of both languages miss the same messages", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 1024 });
    using publisher = topic.publisher();
    using here = topic.subscriber();
    await using there = python(
      key,
      `with Subscriber(key) as subscriber:
    step("there")
    while True:
        got = subscriber.receive(0)
        if not got:
            step("end")
        else:
            print(got.number, got.missed, got.payload.decode(), flush=True)`,
    );
    assert.equal(await there.line(), "there");
    let number = 0;
    for (const burst of [5, 1, 500, 0, 33, 77, 20]) {
      for (let i = 0; i < burst; i++) publisher.publish(text(numbered(++number)));
      const expected: string[] = [];
      let next = number - burst + 1;
      here.drain((bytes, _tag, _lane, missed) => {
        next += missed;
        expected.push(`${next++} ${missed} ${new TextDecoder().decode(bytes)}`);
      });
      assert.equal(next, number + 1);
      await there.write("\n");
      for (const line of [...expected, "end"]) assert.equal(await there.line(), line);
    }
    assert(here.missed > 400);
    await destroy(there);
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Subscriber: counts what it missed of a Python publisher exactly", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 512 });
    using subscriber = topic.subscriber();
    await using publisher = python(
      key,
      `with Publisher(key) as publisher:
    for burst in (3, 1000, 1, 60):
        for _ in range(burst):
            n = publisher.count + 1
            publisher.publish(b"%d %s" % (n, b"x" * (n * 7 % 45)))
        step(publisher.count)`,
    );
    let next = 1;
    for (const count of ["3", "1003", "1004", "1064"]) {
      assert.equal(await publisher.line(), count);
      subscriber.drain((bytes, _tag, _lane, missed) => {
        next += missed;
        assert.equal(new TextDecoder().decode(bytes), numbered(next++));
      });
      assert.equal(next, Number(count) + 1);
      await publisher.write("\n");
    }
    await assertEnds(publisher, 0);
    assert(subscriber.missed > 900);
  }
  assertNothingAt(key);
});

for (const [published, expected] of [[7, "1 0 message 1"], [8, "3 2 message 3"]] as const) {
  const what = `a Python subscriber that ${published} of 8 messages overtake`;
  testWith(NEEDS, `Publisher: ${what} gets ${expected}`, async () => {
    const key = freshKey();
    {
      using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
      using publisher = topic.publisher();
      await using subscriber = python(
        key,
        `with Subscriber(key) as subscriber:
    step("there")
    copy_in_halves(subscriber.memory)
    got = subscriber.receive()
    print(got.number, got.missed, got.payload.decode())`,
      );
      assert.equal(await subscriber.line(), "there");
      publisher.publish(text("message 1"));
      await subscriber.write("\n");
      assert.equal(await subscriber.line(), "half");
      for (let n = 2; n <= published + 1; n++) publisher.publish(text(`message ${n}`));
      await subscriber.write("\n");
      assert.equal(await assertEnds(subscriber, 0), `there\nhalf\n${expected}\n`);
    }
    assertNothingAt(key);
  });
}

testWith(NEEDS, "Subscriber: sees no torn message of a fast Python publisher", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 512 });
    using subscriber = topic.subscriber();
    await using publisher = python(
      key,
      `with Publisher(key) as publisher:
    while True:
        n = publisher.count + 1
        publisher.publish(b"%d %s" % (n, b"x" * (n * 7 % 45)))`,
    );
    let next = 1;
    for (let i = 0; i < 1000; i++) {
      const { text, missed } = subscriber.receiveSync({ timeout: 20_000 });
      next += missed;
      assert.equal(text, numbered(next++));
    }
    await destroy(publisher);
  }
  assertNothingAt(key);
});

testWith(
  NEEDS,
  "Subscriber: a Python publisher wakes it, and clears the bit that asks",
  async () => {
    const key = freshKey();
    {
      using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
      using segment = Segment.open(key);
      const waiting = () => segment.read(128, 4)[0]!;
      using subscriber = topic.subscriber();
      await using publisher = python(
        key,
        `with Publisher(key) as publisher:
    step("there")
    publisher.publish(b"woken")
    stand("published")`,
      );
      assert.equal(await publisher.line(), "there");
      const message = subscriber.receive();
      await until("the subscriber asks to be woken", () => waiting() % 2 === 1);
      await publisher.write("\n");
      assert.equal(await publisher.line(), "published");
      assert.equal((await message).text, "woken");
      assert.equal(waiting(), 2);
      await publisher.endInput();
      await assertEnds(publisher, 0);
    }
    assertNothingAt(key);
  },
);

testWith(NEEDS, "Topic: goes on where a Python publisher was killed within a message", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
    using subscriber = topic.subscriber();
    await using there = python(
      key,
      `with Subscriber(key) as subscriber:
    step("there")
    for _ in range(3):
        got = subscriber.receive()
        print(got.number, got.missed, got.payload.decode(), flush=True)`,
    );
    assert.equal(await there.line(), "there");
    await using killed = python(
      key,
      `publisher = Publisher(key)
publisher.publish(b"first")
publisher.publish(b"second")
store = publisher.memory.store32
publisher.memory.store32 = lambda at, value: \\
    stand("all but published") if at == publisher.at + TOPIC_TAIL else store(at, value)
publisher.publish(b"never" * 8)`,
    );
    assert.equal(await killed.line(), "all but published");
    assert.throws(() => topic.publisher(), { code: "EBUSY" });
    await destroy(killed);
    using publisher = topic.publisher();
    assert.equal(publisher.publish(text("third")), 3);
    const seen: string[] = [];
    subscriber.drain((bytes) => void seen.push(new TextDecoder().decode(bytes)));
    assert.deepEqual(seen, ["first", "second", "third"]);
    assert.equal(subscriber.missed, 0);
    await there.write("\n");
    assert.equal(await assertEnds(there, 0), "there\n1 0 first\n2 0 second\n3 0 third\n");
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Topic: refuses another struct by name, whichever side created it", async () => {
  const key = freshKey();
  {
    using _topic = Topic.of(Point, { key, laneCapacity: 1024 });
    for (const role of ["publish", "subscribe"]) {
      await using other = shmPeer(role, key, "--type", OTHER);
      await assertEnds(other, 1);
      assert.match(other.printed.stderr, REFUSED);
    }
  }
  assertNothingAt(key);
  await using creator = shmPeer("subscribe", key, "--type", POINT, "--count", "1");
  await creator.stderr(/^ready/m);
  assert.throws(() => Topic.of(Other, { key }), { code: "EFORMAT", message: REFUSED });
  {
    using topic = Topic.of(Point, { key });
    using publisher = topic.publisher();
    publisher.publish({ id: 0x78787878, x: 0, y: 0 });
    assert.match(await assertEnds(creator, 0), /^xxxx/);
  }
  assertNothingAt(key);
});

testWith(
  NEEDS,
  "Subscriber: reports a bad record once, as Python does, and misses it",
  async () => {
    const key = freshKey();
    {
      using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
      using here = topic.subscriber();
      await using there = python(
        key,
        `with Subscriber(key) as subscriber:
    step("there")
    try:
        subscriber.receive(0)
    except LaneError as error:
        print("error")
    step(subscriber.receive(0))
    got = subscriber.receive()
    print(got.number, got.missed, got.payload.decode())`,
      );
      assert.equal(await there.line(), "there");
      using publisher = topic.publisher();
      using segment = Segment.open(key);
      publisher.publish(text("bad"));
      segment.write(Uint8Array.of(0xf0, 0xff, 0, 0), 256 + 128);
      assert.throws(() => here.tryReceive(), { code: "ECORRUPT" });
      assert.equal(here.tryReceive(), undefined);
      await there.write("\n");
      assert.equal(await there.line(), "error");
      assert.equal(await there.line(), "None");
      publisher.publish(text("good"));
      assert.equal(here.tryReceive()?.missed, 1);
      await there.write("\n");
      assert.equal(await there.line(), "2 1 good");
      await assertEnds(there, 0);
    }
    assertNothingAt(key);
  },
);

testWith(NEEDS, "pub, sub: exchange messages with the Python peer", async () => {
  const key = freshKey();
  await using there = shmPeer("subscribe", key, "--count", "2");
  await there.stderr(/^ready/m);
  await using here = Peer.cli("sub", "--key", `${key}`, "--count", "2");
  await here.stderr(/./);
  await using pub = Peer.cli("pub", "--key", `${key}`, "from the command");
  await assertEnds(pub, 0);
  await using publish = shmPeer("publish", key, "from Python");
  await assertEnds(publish, 0);
  const both = "from the command\nfrom Python\n";
  assert.equal(await assertEnds(there, 0), both);
  assert.equal(await assertEnds(here, 0), both);
  assertNothingAt(key);
});
