/** Finding, creating, opening and leaving a latest value, and the role of its writer. */

import assert from "node:assert/strict";
import { Channel, f32, f64, Segment, ShmError, struct, u32 } from "../../mod.ts";
import { Latest } from "../../src/latest/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

const Pose = struct({ x: f64, y: f64, at: struct({ seconds: u32, nanos: u32 }) });
const POSE = { x: 1, y: 2, at: { seconds: 3, nanos: 4 } };

/** What `action` throws. */
function failure(action: () => unknown): ShmError {
  try {
    action();
  } catch (error) {
    assert(error instanceof ShmError, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

Deno.test("Latest.of: the first creates it, others find the same value", () => {
  const key = freshKey();
  using one = Latest.of(Pose, { key });
  using two = Latest.of(Pose, { key, cells: 16 });
  assert.deepEqual([one.created, two.created, one.id], [true, false, two.id]);
  assert.deepEqual([one.key, one.size, one.cells, one.readOnly], [key, 24, 16, false]);
  using writer = two.writer();
  assert.equal(writer.write(POSE), 1);
  assert.deepEqual(one.reader().read(), { value: POSE, version: 1 });
});

Deno.test("Latest.openOrCreate: memory that is missing is an error with advice that a Latest can follow", () => {
  const { code, message, option } = failure(() =>
    Latest.openOrCreate({ key: freshKey(), size: 2 ** 30, cells: 4096 })
  );
  assert.deepEqual([code, option], ["ENOMEM", undefined]);
  assert.match(
    message,
    /create the Latest: .*4398047035776 bytes; make it smaller: fewer lanes or cells/,
  );
});

Deno.test("Latest.of: the types of values, views and functions are those of the struct", () => {
  using latest = Latest.of(Pose, { key: freshKey() });
  using writer = latest.writer();
  writer.write(POSE);
  const reader = latest.reader();
  const seconds: number | undefined = reader.read()?.value.at.seconds;
  const x: number | undefined = reader.view((pose, version) => pose.x + version);
  assert.deepEqual([seconds, x], [3, 2]);
  // @ts-expect-error a field is missing
  assert.throws(() => writer.write({ x: 1, y: 2 }), TypeError);
  // @ts-expect-error it is read-only
  assert.throws(() => reader.view((pose) => pose.x = 1), TypeError);
  // @ts-expect-error the size is that of the struct
  assert.throws(() => Latest.of(Pose, { key: latest.key, size: 24 }), TypeError);
});

Deno.test("Latest.openOrCreate: bytes of any length up to size", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 3, cells: 2 });
  using writer = latest.writer();
  const reader = latest.reader();
  for (const length of [3, 0, 1]) {
    writer.write(new Uint8Array(length).fill(length));
    assert.deepEqual(reader.read()?.value, new Uint8Array(length).fill(length));
  }
  assert.throws(() => writer.write(new Uint8Array(4)), RangeError);
  assert.equal(writer.version, 3);
});

Deno.test("Latest.openOrCreate: a large value has fewer cells, and every size fits", () => {
  for (const [size, cells] of [[1, 16], [65536 - 16, 16], [65536, 4]] as const) {
    using latest = Latest.openOrCreate({ key: freshKey(), size });
    assert.equal(latest.cells, cells);
    using writer = latest.writer();
    const value = crypto.getRandomValues(new Uint8Array(size));
    writer.write(value);
    assert.deepEqual(latest.reader().read()?.value, value);
    assert.deepEqual(latest.reader().view((bytes) => bytes.slice()), value);
  }
});

Deno.test("Latest.of: another struct is refused by the name of its first field that differs", () => {
  const key = freshKey();
  using latest = Latest.of(Pose, { key });
  const Other = struct({ x: f64, y: f64, at: struct({ seconds: u32, nanos: f32 }) });
  const { code, message } = failure(() => Latest.of(Other, { key }));
  assert.equal(code, "EFORMAT");
  assert.match(message, /at\.nanos:f32@20/);
  // Bytes are accepted, because their program knows what they are
  using bytes = Latest.open(key);
  using again = Latest.openOrCreate({ key, size: 24 });
  latest.writer().write(POSE);
  assert.deepEqual(bytes.reader().read()?.value, again.reader().read()?.value);
  assert.deepEqual(Pose.read(bytes.reader().read()!.value.buffer), POSE);
  // What they write is a struct, or no reader of structs could read it
  latest.close();
  using writer = bytes.writer();
  assert.throws(() => writer.write(new Uint8Array(23)), /24 bytes, those of its struct, got 23/);
  assert.equal(writer.write(new Uint8Array(24)), 2);
});

Deno.test("Latest.of: a struct of the same size finds bytes, and one of another size does not", () => {
  const key = freshKey();
  using latest = Latest.openOrCreate({ key, size: 24 });
  using typed = Latest.of(Pose, { key });
  typed.writer().write(POSE);
  assert.equal(latest.reader().read()?.value.length, 24);
  const { code, message } = failure(() => Latest.of(struct({ x: f64 }), { key }));
  assert.equal(code, "EFORMAT");
  assert.match(message, /size differs: 24 there, 8 requested/);
});

Deno.test("Latest.openOrCreate: another shape, and other objects of the key, are EFORMAT", () => {
  const key = freshKey();
  {
    using latest = Latest.openOrCreate({ key, size: 8, cells: 4 });
    assert.match(
      failure(() => Latest.openOrCreate({ key, size: 8, cells: 8 })).message,
      /cells differs: 4 there, 8 requested/,
    );
    assert.equal(failure(() => Latest.openOrCreate({ key, size: 7 })).code, "EFORMAT");
    assert.equal(failure(() => Channel.openOrCreate({ key })).code, "EFORMAT");
    assert.equal(latest.cells, 4);
  }
  {
    using channel = Channel.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    assert.equal(failure(() => Latest.open(channel.key)).code, "EFORMAT");
  }
  using segment = Segment.create({ key, size: 100 });
  assert.equal(failure(() => Latest.open(key)).code, "EFORMAT");
  segment.remove();
});

Deno.test("Latest.open: what does not exist is ENOENT, also for reading only", () => {
  const key = freshKey();
  for (const readOnly of [false, true]) {
    assert.equal(failure(() => Latest.open(key, { readOnly })).code, "ENOENT");
  }
  assert.equal(failure(() => Latest.of(Pose, { key, readOnly: true })).code, "ENOENT");
  for (const how of [{ mode: 0o644 }, { persistent: false }]) {
    assert.throws(
      () => Latest.of(Pose, { key, readOnly: true, ...how }),
      TypeError,
      "created only",
    );
  }
});

Deno.test("Latest.close: the last to leave removes it, unless it is persistent", () => {
  const key = freshKey();
  const one = Latest.openOrCreate({ key, size: 8 });
  const two = Latest.open(key);
  one.writer().write(Uint8Array.of(1));
  assert.deepEqual([one.close(), one.close(), one.isOpen], ["in use", "in use", false]);
  assert.equal(two.close(), "removed");
  const kept = Latest.openOrCreate({ key, size: 8, persistent: true });
  kept.writer().write(Uint8Array.of(2));
  assert.equal(kept.close(), "kept");
  using found = Latest.open(key);
  assert.deepEqual(found.reader().read()?.value, Uint8Array.of(2));
  found.remove();
});

Deno.test("Latest with readOnly: reads, leaves no trace, and keeps nothing alive", async () => {
  const key = freshKey();
  const latest = Latest.of(Pose, { key });
  using watching = Latest.of(Pose, { key, readOnly: true });
  using writer = latest.writer();
  writer.write(POSE);
  using reader = watching.reader();
  assert.deepEqual(reader.read()?.value, POSE);
  assert.deepEqual([watching.readOnly, watching.created], [true, false]);
  assert.equal(watching.writerPid, Deno.pid);
  assert.equal(failure(() => watching.writer()).code, "EREADONLY");
  await assert.rejects(watching.acquireWriter(), { code: "EREADONLY" });
  const waiting = reader.wait({ timeout: 60_000 });
  writer.write({ ...POSE, x: 5 });
  assert.equal((await waiting).value.x, 5);
  assert.equal(latest.close(), "removed");
  assert.equal(reader.read()?.value.x, 5);
  await assert.rejects(reader.wait(), { code: "EIDRM" });
  assert.throws(() => reader.waitSync(), { code: "EIDRM" });
  assert.equal(watching.close(), "kept");
});

Deno.test("Latest.writer: there is one at a time, and the next goes on where it stopped", () => {
  const key = freshKey();
  using one = Latest.openOrCreate({ key, size: 8 });
  using two = Latest.openOrCreate({ key, size: 8 });
  assert.equal(one.writerPid, undefined);
  const writer = one.writer();
  assert.deepEqual([one.writerPid, two.writerPid], [Deno.pid, Deno.pid]);
  const { code, message } = failure(() => two.writer());
  assert.equal(code, "EBUSY");
  assert.match(message, new RegExp(`process ${Deno.pid} is it already`));
  writer.write(Uint8Array.of(1));
  writer.close();
  writer.close();
  assert.throws(() => writer.write(Uint8Array.of(2)), { code: "EDETACHED" });
  using next = two.writer();
  assert.deepEqual([next.version, next.write(Uint8Array.of(2))], [1, 2]);
});

Deno.test("Latest.acquireWriter: waits for the role, and gives up in every way", async () => {
  const key = freshKey();
  using latest = Latest.openOrCreate({ key, size: 8 });
  using other = Latest.open(key);
  const first = latest.writer();
  await assert.rejects(other.acquireWriter({ timeout: 5 }), { code: "ETIMEDOUT" });
  const reason = new Error("enough");
  await assert.rejects(other.acquireWriter({ signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const aborted = other.acquireWriter({ signal: stop.signal });
  stop.abort(reason);
  await assert.rejects(aborted, reason);
  const closing = Latest.open(key);
  const left = closing.acquireWriter();
  closing.close();
  await assert.rejects(left, { code: "EDETACHED" });
  const waiting = other.acquireWriter({ timeout: 60_000 });
  first.close();
  using writer = await waiting;
  assert.equal(writer.write(Uint8Array.of(1)), 1);
  assert.equal(latest.writerPid, Deno.pid);
});

Deno.test("Latest.remove: frees the key, ends waits, and what is open goes on until then", async () => {
  const key = freshKey();
  using latest = Latest.openOrCreate({ key, size: 8 });
  using writer = latest.writer();
  using reader = latest.reader();
  const waiting = reader.wait({ timeout: 60_000 });
  latest.remove();
  using next = Latest.openOrCreate({ key, size: 8 });
  assert.equal(next.created, true);
  await assert.rejects(waiting, { code: "EIDRM" });
  writer.write(Uint8Array.of(1));
  assert.equal(reader.read()?.version, 1);
  writer.close();
  assert.equal(failure(() => latest.writer()).code, "EIDRM");
  await assert.rejects(latest.acquireWriter(), { code: "EIDRM" });
});

Deno.test("Latest: after close every use is EDETACHED", async () => {
  const latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  const writer = latest.writer();
  const reader = latest.reader();
  const idle = latest.reader();
  const waiting = reader.wait();
  latest.close();
  await assert.rejects(waiting, { code: "EDETACHED" });
  await assert.rejects(reader.wait(), { code: "EDETACHED" });
  await assert.rejects(latest.acquireWriter(), { code: "EDETACHED" });
  await assert.rejects(reader.changes().next(), { code: "EDETACHED" });
  for (
    const use of [
      () => writer.write(new Uint8Array(1)),
      () => writer.update(() => {}),
      () => reader.read(),
      () => idle.read(),
      () => reader.view(() => 1),
      () => reader.version,
      () => reader.waitSync(),
      () => latest.writer(),
      () => latest.reader(),
      () => latest.writerPid,
    ]
  ) {
    const { code, message } = failure(use);
    assert.equal(code, "EDETACHED", String(use));
    assert.match(message, /it was closed: open it again/);
  }
  assert.deepEqual([reader.isOpen, writer.isOpen, latest.isOpen], [false, false, false]);
});
