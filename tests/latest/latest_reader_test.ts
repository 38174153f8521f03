/** Readers of a latest value: reading, viewing and waiting. */

import assert from "node:assert/strict";
import { array, cString, f64, struct, u32 } from "../../mod.ts";
import { Latest } from "../../src/latest/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** A safety net only. */
const SOON = { timeout: 60_000 };

const Small = struct({ n: u32, name: cString(8) });
const Large = struct({ n: u32, all: array(f64, 100) });

Deno.test("LatestReader.read: what it returned does not change later", () => {
  using latest = Latest.of(Small, { key: freshKey() });
  using writer = latest.writer();
  const reader = latest.reader();
  assert.equal(reader.read(), undefined);
  assert.equal(reader.version, 0);
  writer.write({ n: 1, name: "one" });
  const first = reader.read();
  writer.write({ n: 2, name: "two" });
  assert.deepEqual(first, { value: { n: 1, name: "one" }, version: 1 });
  assert.deepEqual([reader.version, reader.read()?.value.name], [2, "two"]);
  using bytes = Latest.open(latest.key);
  const copy = bytes.reader().read()!.value;
  writer.write({ n: 3, name: "three" });
  assert.deepEqual(Small.read(copy.buffer).name, "two");
});

Deno.test("LatestReader.view: shows a view that is read-only, and gives its function's result", () => {
  for (const layout of [Small, Large]) {
    using latest = Latest.of(layout as typeof Small, { key: freshKey() });
    using writer = latest.writer();
    using reader = latest.reader();
    assert.equal(reader.view(() => 1), undefined);
    writer.update((value) => {
      value.n = 7;
    });
    assert.deepEqual(reader.view(({ n }, version) => [n, version]), [7, 1]);
    assert.throws(
      () =>
        reader.view((value) => {
          (value as { n: number }).n = 8;
        }),
      TypeError,
    );
    assert.throws(
      () =>
        reader.view(() => {
          throw new RangeError("mine");
        }),
      /mine/,
    );
    assert.throws(() => reader.view(() => Promise.resolve()), /returned a promise/);
    assert.throws(() => reader.view(() => reader.read()), { code: "EBUSY" });
    if (layout === Small) assert.equal(reader.view(() => latest.close()), "removed");
    else assert.throws(() => reader.view(() => latest.close()), { code: "EDETACHED" });
  }
});

Deno.test("LatestReader.view: a large value that is overtaken is shown again, the last time as a copy", () => {
  using latest = Latest.of(Large, { key: freshKey(), cells: 4 });
  using writer = latest.writer();
  using reader = latest.reader();
  const write = (): unknown =>
    writer.update((value) => {
      value.n++;
      for (let i = 0; i < 100; i++) value.all[i] = value.n;
    });
  write();
  const seen: number[] = [];
  const result = reader.view(({ n, all }, version) => {
    seen.push(version);
    for (let i = 0; i < 3; i++) write();
    // What is thrown at a value that is not whole is dropped, too
    if (all[99] !== n) throw new Error("torn");
    return n;
  });
  assert.deepEqual([seen, result], [[1, 4, 7, 10], 10]);
  let calls = 0;
  assert.equal(reader.view(({ n }) => calls++ === 0 ? (write(), n) : -1), 13);
  assert.equal(calls, 1);
});

Deno.test("LatestReader.view: bytes are a copy that the reader owns", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 600 });
  using writer = latest.writer();
  using reader = latest.reader();
  for (const length of [5, 300, 300, 0, 600]) {
    writer.write(new Uint8Array(length).fill(length));
    reader.view((bytes) => {
      assert.deepEqual(bytes, new Uint8Array(length).fill(length));
      bytes.fill(0);
    });
    assert.deepEqual(reader.read()?.value, new Uint8Array(length).fill(length));
    // Transferred away: the next one is new memory
    if (length > 0) reader.view((bytes) => structuredClone(bytes, { transfer: [bytes.buffer] }));
    assert.equal(reader.view((bytes) => bytes.length), length);
  }
});

Deno.test("LatestReader.wait: gives the newest value once, and how many were skipped", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  using writer = latest.writer();
  for (let n = 1; n <= 3; n++) writer.write(Uint8Array.of(n));
  using reader = latest.reader();
  assert.deepEqual(await reader.wait(), { value: Uint8Array.of(3), version: 3, skipped: 0 });
  await assert.rejects(reader.wait({ timeout: 2 }), { code: "ETIMEDOUT" });
  assert.throws(() => reader.waitSync({ timeout: 2 }), { code: "ETIMEDOUT" });
  const waiting = reader.wait(SOON);
  writer.write(Uint8Array.of(4));
  assert.deepEqual(await waiting, { value: Uint8Array.of(4), version: 4, skipped: 0 });
  for (let n = 5; n <= 40; n++) writer.write(Uint8Array.of(n));
  assert.deepEqual(reader.waitSync(), { value: Uint8Array.of(40), version: 40, skipped: 35 });
  writer.write(Uint8Array.of(41));
  writer.write(Uint8Array.of(42));
  assert.equal(reader.read()?.version, 42); // counts as returned
  writer.write(Uint8Array.of(43));
  assert.deepEqual(await reader.wait(), { value: Uint8Array.of(43), version: 43, skipped: 0 });
});

Deno.test("LatestReader.wait: calls made together are served in order, each with a newer value", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  using writer = latest.writer();
  using reader = latest.reader();
  const order: number[] = [];
  const waits = [1, 2, 3].map((n) =>
    reader.wait(SOON).then(({ version }) => {
      order.push(n);
      writer.write(Uint8Array.of(n));
      return version;
    })
  );
  writer.write(Uint8Array.of(0));
  assert.deepEqual(await Promise.all(waits), [1, 2, 3]);
  assert.deepEqual(order, [1, 2, 3]);
});

Deno.test("LatestReader.wait: every reader of the process is woken", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  using watching = Latest.open(latest.key, { readOnly: true });
  using writer = latest.writer();
  const readers = [latest, latest, watching, watching].map((of) => of.reader({ spin: 0 }));
  for (let version = 1; version <= 20; version++) {
    const waits = readers.map((reader) => reader.wait(SOON));
    await Promise.resolve();
    writer.write(Uint8Array.of(version));
    for (const wait of waits) assert.equal((await wait).version, version);
  }
  for (const reader of readers) reader.close();
});

Deno.test("LatestReader.wait: ends by its signal, by close, and by a detach", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  using reader = latest.reader();
  const reason = new Error("enough");
  await assert.rejects(reader.wait({ signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const stopped = reader.wait({ signal: stop.signal });
  stop.abort(reason);
  await assert.rejects(stopped, reason);
  using writer = latest.writer();
  writer.write(Uint8Array.of(1));
  assert.equal((await reader.wait(SOON)).version, 1);
  const closed = reader.wait(SOON);
  reader.close();
  await assert.rejects(closed, { code: "EDETACHED" });
  await assert.rejects(reader.wait(), { code: "EDETACHED" });
  const other = Latest.open(latest.key);
  const second = other.reader();
  second.read();
  const ended = second.wait(SOON);
  other.close();
  await assert.rejects(ended, { code: "EDETACHED" });
});

Deno.test("LatestReader.changes: begins with the present value, and conflates", async () => {
  using latest = Latest.of(Small, { key: freshKey() });
  using writer = latest.writer();
  const write = (n: number): unknown => writer.write({ n, name: String(n) });
  write(1);
  using reader = latest.reader();
  assert.equal(reader.read()?.version, 1);
  const seen: [number, number][] = [];
  for await (const { value, skipped } of reader.changes(SOON)) {
    seen.push([value.n, skipped]);
    if (value.n === 1) write(2);
    else if (value.n === 2) { for (let n = 3; n <= 10; n++) write(n); }
    else break;
  }
  assert.deepEqual(seen, [[1, 0], [2, 0], [10, 7]]);
  const changes = reader.changes({ signal: AbortSignal.timeout(1) });
  assert.equal((await changes.next()).value?.version, 10);
  await assert.rejects(changes.next(), { name: "TimeoutError" });
});

Deno.test("LatestReader.changes: versions and skipped ones add up exactly", async () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8, cells: 2 });
  using writer = latest.writer();
  using reader = latest.reader();
  const total = 2000;
  let next = 0;
  const write = (): void => {
    for (let n = next % 7; n >= 0 && next < total; n--) writer.write(Uint8Array.of(next++));
    if (next < total) setTimeout(write, 0);
  };
  write();
  let sum = 0;
  for await (const { value, version, skipped } of reader.changes(SOON)) {
    sum = sum === 0 ? version : sum + 1 + skipped;
    assert.deepEqual([value[0], sum], [(version - 1) % 256, version]);
    if (version === total) break;
  }
});
