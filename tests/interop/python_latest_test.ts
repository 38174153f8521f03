/**
 * Latest of the peer in Python, which was written from `docs/wire_format.md` alone, with the library and
 * the command: values of bytes and of structs in both directions, waits, torn values, a killed writer.
 */

import assert from "node:assert/strict";
import { f32, f64, i32, Latest, Segment, struct } from "../../mod.ts";
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

testWith(NEEDS, "Latest.of: reads the struct that a Python writer wrote", async () => {
  const key = freshKey();
  await using writer = python(
    key,
    `with LatestWriter(key, message_type="${POINT}") as writer:
    writer.write(struct.pack("<i4xdd", -7, 1.5, 1e300))
    stand("written")`,
  );
  assert.equal(await writer.line(), "written");
  {
    using latest = Latest.of(Point, { key });
    assert.deepEqual(latest.reader().read(), {
      value: { id: -7, x: 1.5, y: 1e300 },
      version: 1,
    });
    using readOnly = Latest.of(Point, { key, readOnly: true });
    assert.equal(readOnly.reader().read()?.value.id, -7);
    await writer.endInput();
    await assertEnds(writer, 0);
  }
  assertNothingAt(key);
});

testWith(NEEDS, "LatestWriter: a Python reader reads its struct, read-only too", async () => {
  const key = freshKey();
  {
    using latest = Latest.of(Point, { key });
    using writer = latest.writer();
    for (let id = 0; id < 40; id++) writer.write({ id, x: -0.5, y: 3 });
    for (const readOnly of ["True", "False"]) {
      await using reader = python(
        key,
        `with Latest(key, message_type="${POINT}", read_only=${readOnly}) as latest:
    number, data = latest.read()
    print(number, *struct.unpack("<i4xdd", data))`,
      );
      assert.equal(await assertEnds(reader, 0), "40 39 -0.5 3.0\n");
    }
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Latest: bytes of each length go both ways", async () => {
  const key = freshKey();
  {
    using latest = Latest.openOrCreate({ key, size: 200, cells: 2 });
    using reader = latest.reader();
    for (const value of ["", "a", "grüße, 水", "x".repeat(200)]) {
      await using set = shmPeer("latest-set", key, value);
      await assertEnds(set, 0);
      assert.deepEqual(reader.read()?.value, text(value));
      {
        using writer = latest.writer();
        writer.write(text(`${value}`.slice(1)));
      }
      await using get = shmPeer("latest-get", key);
      assert.equal(await assertEnds(get, 0), `${value.slice(1)}\n`);
    }
    await using long = shmPeer("latest-set", key, "x".repeat(201));
    await assertEnds(long, 1);
    assert.match(long.printed.stderr, /201 bytes does not fit/);
    assert.equal(reader.version, 8);
  }
  assertNothingAt(key);
});

for (const options of [[], ["--read-only"]]) {
  const watch = ["latest-watch", ...options].join(" ");
  testWith(NEEDS, `LatestWriter: wakes shm_peer.py ${watch}`, async () => {
    const key = freshKey();
    {
      using latest = Latest.openOrCreate({ key, size: 8 });
      using writer = latest.writer();
      await using watcher = shmPeer("latest-watch", key, "--count", "3", ...options);
      await watcher.stderr(/^ready/m);
      for (const value of ["one", "two", "three"]) {
        writer.write(text(value));
        assert.equal(await watcher.line(), value);
      }
      await assertEnds(watcher, 0);
    }
    assertNothingAt(key);
  });
}

testWith(
  NEEDS,
  "LatestReader: a Python writer wakes it, and clears the bit that asks",
  async () => {
    const key = freshKey();
    {
      using latest = Latest.openOrCreate({ key, size: 8 });
      using segment = Segment.open(key);
      const waiting = () => segment.read(256, 4)[0]!;
      using reader = latest.reader();
      await using writer = python(
        key,
        `with LatestWriter(key, size=8) as writer:
    step("there")
    writer.write(b"woken")
    stand("written")`,
      );
      assert.equal(await writer.line(), "there");
      const change = reader.wait();
      await until("the reader asks to be woken", () => waiting() % 2 === 1);
      await writer.write("\n");
      assert.equal(await writer.line(), "written");
      assert.deepEqual((await change).value, text("woken"));
      assert.equal(waiting(), 2);
      await writer.endInput();
      await assertEnds(writer, 0);
    }
    assertNothingAt(key);
  },
);

for (const [written, expected] of [[2, "1 aaaa"], [3, "4 dddd"], [7, "8 hhhh"]] as const) {
  const what = `a Python reader that ${written} of 4 cells overtake`;
  testWith(NEEDS, `LatestWriter: ${what} reads ${expected}`, async () => {
    const key = freshKey();
    {
      using latest = Latest.openOrCreate({ key, size: 4, cells: 4 });
      using writer = latest.writer();
      writer.write(text("aaaa"));
      await using reader = python(
        key,
        `with Latest(key, read_only=True) as latest:
    copy_in_halves(latest.memory)
    number, data = latest.read()
    print(number, data.decode())`,
      );
      assert.equal(await reader.line(), "half");
      for (const letter of "bcdefgh".slice(0, written)) writer.write(text(letter.repeat(4)));
      await reader.write("\n");
      assert.equal(await assertEnds(reader, 0), `half\n${expected}\n`);
    }
    assertNothingAt(key);
  });
}

testWith(NEEDS, "LatestReader: never sees part of a Python writer's value", async () => {
  const key = freshKey();
  {
    using latest = Latest.openOrCreate({ key, size: 4096, cells: 2 });
    using reader = latest.reader();
    await using writer = python(
      key,
      `with LatestWriter(key, create=False) as writer:
    while True:
        n = writer.number + 1
        writer.write(bytes([n % 251]) * (n % 4096))`,
    );
    for (let i = 0; i < 300; i++) {
      const { value, version } = reader.waitSync();
      assert.equal(value.length, version % 4096);
      assert(value.every((byte) => byte === version % 251));
    }
    await destroy(writer);
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Latest: a Python writer killed within a value leaves the one before", async () => {
  const key = freshKey();
  {
    using latest = Latest.openOrCreate({ key, size: 8, cells: 2 });
    await using killed = python(
      key,
      `writer = LatestWriter(key, size=8)
writer.write(b"first")
writer.write(b"second")
writer.memory.store32 = lambda *_: stand("all but published")
writer.write(b"third")`,
    );
    assert.equal(await killed.line(), "all but published");
    assert.throws(() => latest.writer(), { code: "EBUSY" });
    await destroy(killed);
    using reader = latest.reader();
    assert.deepEqual(reader.read(), { value: text("second"), version: 2 });
    using writer = latest.writer();
    assert.equal(writer.write(text("3rd")), 3);
    assert.deepEqual(reader.read(), { value: text("3rd"), version: 3 });
  }
  assertNothingAt(key);
});

testWith(NEEDS, "Latest: refuses another struct by name, whichever side created it", async () => {
  const key = freshKey();
  {
    using latest = Latest.of(Point, { key });
    for (const role of ["latest-set", "latest-get"]) {
      await using other = shmPeer(
        role,
        key,
        "--type",
        OTHER,
        ...role === "latest-set" ? ["x"] : [],
      );
      await assertEnds(other, 1);
      assert.match(other.printed.stderr, REFUSED);
    }
    assert.equal(latest.reader().read(), undefined);
  }
  assertNothingAt(key);
  await using creator = python(
    key,
    `with LatestWriter(key, message_type="${POINT}"):
    stand("created")`,
  );
  assert.equal(await creator.line(), "created");
  assert.throws(() => Latest.of(Other, { key }), { code: "EFORMAT", message: REFUSED });
  await creator.endInput();
  await assertEnds(creator, 0);
  assertNothingAt(key);
});

testWith(NEEDS, "latest: get, set and watch work with the Python peer", async () => {
  const key = freshKey();
  await using first = shmPeer("latest-set", key, "--size", "64", "--keep", "from Python");
  await assertEnds(first, 0);
  await using get = Peer.cli("latest", "get", `${key}`);
  assert.equal(await assertEnds(get, 0), "from Python\n");
  await using set = Peer.cli("latest", "set", `${key}`, "from the command");
  await assertEnds(set, 0);
  await using read = shmPeer("latest-get", key);
  assert.equal(await assertEnds(read, 0), "from the command\n");
  await using watch = Peer.cli("latest", "watch", `${key}`);
  assert.equal(await watch.line(), "from the command");
  await using second = shmPeer("latest-set", key, "watched");
  await assertEnds(second, 0);
  assert.equal(await watch.line(), "watched");
  await destroy(watch);
  await using remove = Peer.cli("latest", "rm", "--yes", `${key}`);
  await assertEnds(remove, 0);
  assertNothingAt(key);
});
