/** The writer of a latest value: what it publishes, and what it refuses with nothing published. */

import assert from "node:assert/strict";
import { array, cString, f64, i8, struct, u32 } from "../../mod.ts";
import { Latest } from "../../src/latest/mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { valueOf } from "./scratch_cells.ts";

guardAgainstLeaks();

const Small = struct({ n: i8, name: cString(8) });
const Short = struct({ n: u32, all: array(f64, 2) });
const Large = struct({ n: u32, all: array(f64, 100) });

Deno.test("LatestWriter.write: a value that is refused publishes nothing, and leaves nothing behind", () => {
  using latest = Latest.of(Small, { key: freshKey() });
  using writer = latest.writer();
  const reader = latest.reader();
  assert.equal(writer.write({ n: 1, name: "onetwo" }), 1);
  for (
    const wrong of [
      { n: 1000, name: "x" },
      { n: 2 },
      { n: 2, name: 3 },
      { n: 2, name: "longer than its field" },
      { n: 2, name: "x", more: 1 },
      7,
      null,
      new Uint8Array(9),
    ]
  ) {
    assert.throws(() => writer.write(wrong as never), /TypeError|RangeError/);
  }
  assert.deepEqual(reader.read(), { value: { n: 1, name: "onetwo" }, version: 1 });
  // Eight bytes fill the field without a NUL: only what has them already may keep them
  assert.throws(() => writer.write({ n: 3, name: "12345678" }), RangeError);
  assert.equal(writer.write({ n: 3, name: "x" }), 2);
  assert.deepEqual(reader.read()?.value, { n: 3, name: "x" });
  using bytes = Latest.open(latest.key);
  assert.deepEqual(bytes.reader().read()?.value, Uint8Array.of(3, 120, 0, 0, 0, 0, 0, 0, 0));
});

Deno.test("LatestWriter.write: takes every kind of bytes, and a view of the same struct", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 300 });
  using writer = latest.writer();
  const reader = latest.reader();
  const numbers = Uint16Array.of(1, 2, 3);
  for (
    const value of [numbers, numbers.buffer, new DataView(numbers.buffer), new Uint8Array(300)]
  ) {
    writer.write(value);
    assert.equal(reader.read()?.value.length, value.byteLength);
  }
  assert.throws(() => writer.write("text" as never), /new TextEncoder/);
  assert.throws(() => writer.write([1, 2] as never), TypeError);
  assert.equal(writer.version, 4);
  using structs = Latest.of(Small, { key: freshKey() });
  const view = Small.view(new Uint8Array([5, 97, 98, 0, 1, 2, 3, 4, 5]).buffer);
  using typed = structs.writer();
  typed.write(view);
  assert.deepEqual(structs.reader().read()?.value, { n: 5, name: "ab" });
});

Deno.test("LatestWriter.write: the same array again has its present bytes, until it is transferred away", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 300 });
  using writer = latest.writer();
  const reader = latest.reader();
  const memory = new ArrayBuffer(600);
  const arrays = [[0, 64], [8, 64], [4, 64], [0, 13], [0, 256], [0, 264], [0, 0]].map(
    ([offset, length]) => new Uint8Array(memory, offset, length),
  );
  for (const array of [...arrays, ...arrays]) {
    for (let n = 1; n <= 4; n++) {
      array.fill(n);
      writer.write(array);
      assert.deepEqual(reader.read()?.value, valueOf(n, array.length));
    }
  }
  const away = new Uint8Array(64);
  for (let n = 0; n < 3; n++) writer.write(away);
  structuredClone(away, { transfer: [away.buffer] });
  const { version } = writer;
  assert.throws(() => writer.write(away), /transferred away/);
  assert.equal(writer.version, version);
  const elastic = new ArrayBuffer(64, { maxByteLength: 128 });
  const tracking = new Uint8Array(elastic);
  for (const length of [64, 64, 64, 128, 128, 128, 8, 8, 8]) {
    elastic.resize(length);
    writer.write(tracking.fill(length));
    assert.deepEqual(reader.read()?.value, valueOf(length, length));
  }
});

Deno.test("LatestWriter.update: changes a copy of the newest value, and publishes it once", () => {
  for (const layout of [Small, Large]) {
    using latest = Latest.of(layout as typeof Small, { key: freshKey() });
    using writer = latest.writer();
    const reader = latest.reader();
    let kept: { n: number } | undefined;
    const first = writer.update((value) => {
      assert.equal(value.n, 0);
      value.n = 1;
      kept = value;
    });
    kept!.n = 50;
    assert.deepEqual([first, reader.read()?.value.n], [1, 1]);
    writer.update((value) => {
      assert.equal(value.n, 1);
      value.n++;
      assert.equal(reader.read()?.value.n, 1);
    });
    assert.deepEqual([reader.read()?.version, reader.read()?.value.n], [2, 2]);
  }
});

Deno.test("LatestWriter.update: bytes have the length of the newest value", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 10 });
  using writer = latest.writer();
  const reader = latest.reader();
  writer.update((bytes) => {
    assert.deepEqual(bytes, new Uint8Array(10));
    bytes[9] = 1;
  });
  writer.write(Uint8Array.of(1, 2, 3));
  writer.update((bytes) => {
    assert.deepEqual(bytes, Uint8Array.of(1, 2, 3));
    bytes.reverse();
  });
  assert.deepEqual(reader.read(), { value: Uint8Array.of(3, 2, 1), version: 3 });
});

Deno.test("LatestWriter.update: a throw, a promise and memory that is transferred away publish nothing", () => {
  for (const layout of [Short, Large, undefined]) {
    using latest = layout === undefined
      ? Latest.openOrCreate({ key: freshKey(), size: 300 }) as never
      : Latest.of(layout as typeof Large, { key: freshKey() });
    using writer = latest.writer();
    const reader = latest.reader();
    assert.throws(() =>
      writer.update(() => {
        throw new RangeError("mine");
      }), /mine/);
    assert.throws(() => writer.update(async () => {}), /edit returned a promise/);
    assert.throws(() =>
      writer.update((value) => {
        const bytes = (value instanceof Uint8Array ? value : value.all) as Uint8Array<ArrayBuffer>;
        structuredClone(bytes, { transfer: [bytes.buffer] });
      }), TypeError);
    assert.equal(reader.read(), undefined);
    assert.equal(writer.update(() => {}), 1);
  }
});

Deno.test("LatestWriter: what runs in a write or an update cannot mix another value into it", () => {
  using latest = Latest.of(Small, { key: freshKey() });
  using writer = latest.writer();
  const inside = (): number => {
    assert.throws(() => writer.write({ n: 9, name: "nested" }), { code: "EBUSY" });
    assert.throws(() => writer.update(() => {}), { code: "EBUSY" });
    return 1;
  };
  const getter = {
    get n(): number {
      return inside();
    },
    name: "outer",
  };
  assert.equal(writer.write(getter), 1);
  writer.update(() => void inside());
  assert.deepEqual(latest.reader().read(), { value: { n: 1, name: "outer" }, version: 2 });
});

Deno.test("LatestWriter: a value whose getter closes it is not written", () => {
  using latest = Latest.of(Small, { key: freshKey() });
  for (const close of ["writer", "latest"] as const) {
    using writer = latest.writer();
    const value = {
      n: 1,
      get name(): string {
        (close === "writer" ? writer : latest).close();
        return "x";
      },
    };
    assert.throws(() => writer.write(value), { code: "EDETACHED" });
  }
});
