/** Copies: all of a value or nothing of it. */

import assert from "node:assert/strict";
import { array } from "../../src/layout/array.ts";
import { u16be, u32be, u64be } from "../../src/layout/big_endian.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { Fields, InputOf, Layout, StructLayout } from "../../src/layout/layout.ts";
import {
  bool,
  char,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  u16,
  u32,
  u64,
  u8,
} from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

const Inner = struct({ id: u16, label: cString(4) });
const All = struct({
  flag: bool,
  count: i64,
  letters: array(char, 3),
  bytes: array(u8, 4),
  grid: array(array(i32, 2), 2),
  inner: Inner,
  many: array(Inner, 2),
  names: array(cString(4), 2),
  last: f64,
});

const VALUE = {
  flag: true,
  count: -5n,
  letters: ["a", "b", "é"],
  bytes: [1, 2, 3, 4],
  grid: [[1, -2], [3, -4]],
  inner: { id: 7, label: "in" },
  many: [{ id: 8, label: "m0" }, { id: 9, label: "m1" }],
  names: ["x", "yz"],
  last: 0.25,
};

Deno.test("write and read: a round trip of everything, as plain values", () => {
  const buffer = new ArrayBuffer(All.size + 3);
  All.write(buffer, VALUE, 3);
  assert.deepEqual(All.read(buffer, 3), VALUE);
});

Deno.test("read: each scalar, alone and in an array, is what its get reads", () => {
  const scalars = [bool, char, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64, u16be, u32be, u64be];
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + 201) & 0xff);
  const data = new DataView(bytes.buffer);
  for (const scalar of scalars) {
    const S = struct({ one: scalar, list: array<Layout>(scalar, 3) });
    for (let at = 0; at <= 64 - S.size; at++) {
      const get = (index: number): unknown => scalar.get(data, at + index * scalar.size);
      assert.deepEqual(S.read(bytes.buffer, at), { one: get(0), list: [get(1), get(2), get(3)] });
    }
  }
});

Deno.test("write: keys in any order, and each value is read once however deep it is", () => {
  let layout: StructLayout<Fields> = struct({ inner: u8, last: u8 });
  let reads = 0;
  let value: object = { last: 1, inner: 2 };
  for (let depth = 0; depth < 12; depth++) {
    layout = struct<Fields>({ inner: layout, last: u8, other: u8 });
    const inner = value;
    value = {
      get inner(): object {
        reads += 1;
        return inner;
      },
      other: depth,
      last: 7,
    };
  }
  const buffer = new ArrayBuffer(layout.size);
  layout.write(buffer, value as never);
  assert.equal(reads, 12);
  assert.deepEqual([...new Uint8Array(buffer)], [
    2,
    1,
    ...Array.from({ length: 12 }, (_, depth) => [7, depth]).flat(),
  ]);
});

Deno.test("write: what a value inherits is a field if it has that name, and no unknown field", () => {
  const S = struct({ a: u8, b: u8 });
  const value = Object.create({ b: 2, other: 3 }, { a: { value: 1, enumerable: true } });
  const buffer = new ArrayBuffer(S.size);
  S.write(buffer, value);
  assert.deepEqual(S.read(buffer), { a: 1, b: 2 });
  value.other = 3;
  assert.throws(() => S.write(buffer, value), {
    name: "TypeError",
    message: '"other" is not a field of this struct',
  });
});

Deno.test("write: a string is an array of char, and of nothing else", () => {
  const S = struct({
    texts: array(cString(4), 3),
    grid: array(array(char, 1), 3),
    c: array(char, 3),
  });
  const buffer = new ArrayBuffer(S.size);
  const view: Record<string, unknown> & { texts: { set(value: unknown): void } } = S.view(
    buffer,
  ) as never;
  view.c = "xyz";
  for (const name of ["texts", "grid"]) {
    assert.throws(() => view[name] = "abc", {
      name: "TypeError",
      message: `"${name}" takes an array, got "abc"`,
    });
  }
  assert.throws(() => view.texts.set("abc"), /^TypeError: "texts" takes an array, got "abc"$/);
  const value = { texts: "abc", grid: ["x", "y", "z"], c: "xyz" } as never;
  assert.throws(() => S.write(buffer, value), /^TypeError: "texts" takes an array, got "abc"$/);
  assert.deepEqual([...new Uint8Array(buffer)], [...new Uint8Array(15), 0x78, 0x79, 0x7a]);
});

Deno.test("write: takes views, typed arrays, and a string for an array of char", () => {
  const from = new ArrayBuffer(All.size);
  All.write(from, VALUE);
  const to = new ArrayBuffer(All.size);
  All.write(to, All.view(from));
  assert.deepEqual(All.read(to), VALUE);
  const other = { ...VALUE, letters: "xyz", bytes: Uint8Array.of(9, 8, 7, 6) };
  All.write(to, other);
  assert.deepEqual(All.read(to).letters, ["x", "y", "z"]);
  assert.deepEqual(All.read(to).bytes, [9, 8, 7, 6]);
});

Deno.test("write: all or nothing, and the error names the place", () => {
  const cases: [change: Record<string, unknown>, error: string, message: string][] = [
    [{ flag: 1 }, "TypeError", '"flag" takes a boolean, got 1'],
    [{ bytes: [1, 2, 3] }, "RangeError", '"bytes" takes 4 elements, got 3'],
    [{ bytes: 5 }, "TypeError", '"bytes" takes an array, got 5'],
    [{ bytes: { length: NaN } }, "TypeError", '"bytes" takes an array, got an object'],
    [
      { bytes: [1, 2, 3, 256] },
      "RangeError",
      '"bytes[3]" takes an integer from 0 to 255 (u8), got 256',
    ],
    [{ grid: [[1, 2], [3]] }, "RangeError", '"grid[1]" takes 2 elements, got 1'],
    [{ inner: null }, "TypeError", '"inner" takes an object with a value for each field, got null'],
    [{ inner: { id: 1 } }, "TypeError", '"inner.label" is missing'],
    [
      { inner: { id: 1, label: "", more: 1 } },
      "TypeError",
      '"inner.more" is not a field of this struct',
    ],
    [
      { many: [VALUE.inner, { id: 1, label: "four" }] },
      "RangeError",
      '"many[1].label" has 4 bytes, got a text that needs 5: 4 and a NUL',
    ],
    [
      { names: ["x", "y\0"] },
      "RangeError",
      '"names[1]" takes text without NUL, got one at position 1',
    ],
    [{ last: "0" }, "TypeError", '"last" takes a number (f64), got "0"'],
    [{ more: 1 }, "TypeError", '"more" is not a field of this struct'],
  ];
  const buffer = new ArrayBuffer(All.size);
  const bytes = new Uint8Array(buffer).fill(0x5a);
  for (const [change, name, message] of cases) {
    const value = { ...VALUE, ...change } as InputOf<typeof All>;
    assert.throws(() => All.write(buffer, value), { name, message });
  }
  for (const value of [null, undefined, 5, "text"]) {
    assert.throws(() => All.write(buffer, value as never), {
      name: "TypeError",
      message: /^"value" takes an object/,
    });
  }
  const { last: _, ...missing } = VALUE;
  assert.throws(() => All.write(buffer, missing as never), /"last" is missing/);
  assert.ok(bytes.every((byte) => byte === 0x5a));
});

Deno.test("write: what the value does while it is looked at is not seen half way", () => {
  const S = struct({ a: u8, b: u8 });
  const buffer = Uint8Array.of(1, 2).buffer;
  let seen: unknown;
  S.write(buffer, {
    a: 3,
    get b(): number {
      seen = S.read(buffer);
      return 4;
    },
  });
  assert.deepEqual(seen, { a: 1, b: 2 });
  assert.deepEqual(S.read(buffer), { a: 3, b: 4 });
});

Deno.test("write: memory that goes away meanwhile is an error, not a crash", () => {
  const S = struct({ a: u8 });
  const buffer = new ArrayBuffer(1);
  const value = {
    get a(): number {
      buffer.transfer();
      return 1;
    },
  };
  assert.throws(() => S.write(buffer, value), TypeError);
});

Deno.test("write: padding becomes zero, bytes around the struct stay", () => {
  const S = struct({ a: u8, b: u16 });
  const bytes = new Uint8Array(8).fill(0xee);
  S.write(bytes.buffer, { a: 1, b: 2 }, 2);
  assert.deepEqual([...bytes], [0xee, 0xee, 1, 0, 2, 0, 0xee, 0xee]);
});

Deno.test("StructView: assigning a whole array or struct: exact, or nothing", () => {
  const buffer = new ArrayBuffer(All.size);
  All.write(buffer, VALUE);
  const view: { -readonly [K in keyof typeof VALUE]: unknown } = All.view(buffer);
  view.bytes = [5, 6, 7, 8];
  view.inner = { id: 1, label: "new" };
  view.grid = [[0, 0], [0, 1]];
  view.letters = "abc";
  const changed = {
    ...VALUE,
    bytes: [5, 6, 7, 8],
    inner: { id: 1, label: "new" },
    grid: [[0, 0], [0, 1]],
    letters: ["a", "b", "c"],
  };
  assert.deepEqual(All.read(buffer), changed);
  assert.throws(() => view.bytes = [1, 2, 3, 4, 5], RangeError);
  assert.throws(() => view.bytes = [1, 2, 3, -1], RangeError);
  assert.throws(() => view.inner = { id: 2 }, TypeError);
  assert.throws(() => view.inner = { id: 2, label: "a", other: 0 }, TypeError);
  assert.throws(() => view.grid = [[9, 9], [9]], RangeError);
  assert.deepEqual(All.read(buffer), changed);
});

/** Text that is not UTF-8 and fills its field, garbage behind a NUL, a bool of 2, and padding that is not 0. */
const Raw = struct({
  name: cString(8),
  ok: bool,
  inner: Inner,
  many: array(Inner, 2),
  names: array(cString(2), 2),
  lots: array(bool, 5000),
});

function raw(): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from({ length: Raw.size }, (_, i) => 0x80 + i * 7);
  bytes.set([0x63, 0x61, 0x66, 0xe9, 0, 0x11, 0x22, 0x33, 2]);
  return bytes;
}

Deno.test("write: a view of the same layout is copied as bytes", () => {
  const from = raw();
  for (const readOnly of [false, true]) {
    const to = new Uint8Array(Raw.size);
    Raw.write(to.buffer, Raw.view(from.buffer, 0, { readOnly }));
    assert.deepEqual(to, from);
  }
  const shifted = new Uint8Array(Raw.size + 3);
  shifted.set(from);
  Raw.write(shifted.buffer, Raw.view(shifted.buffer), 3); // the two overlap
  assert.deepEqual(shifted.subarray(3), from);
});

Deno.test("StructView: assigning a view of the same layout copies bytes: fields, arrays, and inside of values", () => {
  const Twice = struct({ one: Raw, other: Raw, names: array(cString(2), 2) });
  const bytes = new Uint8Array(Twice.size);
  bytes.set(raw());
  const view = Twice.view(bytes.buffer) as
    & { -readonly [K in keyof typeof Twice.fields]: unknown }
    & {
      one: Record<"inner" | "many" | "names" | "lots" | "name", unknown> & {
        many: { set(values: unknown[], offset: number): void } & unknown[];
      };
      other: Record<"inner" | "many" | "names" | "lots" | "name", unknown>;
    };
  view.other = view.one;
  assert.deepEqual(bytes.slice(Raw.size, 2 * Raw.size), raw());
  bytes.fill(0, Raw.size);
  for (const name of ["inner", "many", "names", "lots"] as const) {
    view.other[name] = view.one[name];
    const { offset, size } = Raw.fields[name];
    const copied = bytes.slice(Raw.size + offset, Raw.size + offset + size);
    assert.deepEqual(copied, raw().slice(offset, offset + size), name);
  }
  // An array of the same elements, though not of the same array layout
  view.names = view.one.names;
  const { offset, size } = Raw.fields.names;
  assert.deepEqual(
    bytes.slice(Twice.fields.names.offset, Twice.size),
    raw().slice(offset, offset + size),
  );
  const { many } = view.one;
  many.set([many[0]], 1);
  const { offset: at } = Raw.fields.many;
  assert.deepEqual(
    bytes.slice(at + Inner.size, at + 2 * Inner.size),
    raw().slice(at, at + Inner.size),
  );
  const plain = { ...view.one, name: "plain", ok: false } as unknown as InputOf<typeof Raw>;
  const to = new Uint8Array(Raw.size);
  Raw.write(to.buffer, plain);
  assert.deepEqual(to.slice(9 + 1), new Uint8Array(bytes.slice(10, Raw.size)));
});

Deno.test("write: what was read is written back, also where C left no NUL", () => {
  const S = struct({ name: cString(4), n: u8 });
  const bytes = Uint8Array.of(0xff, 0xfe, 0x61, 0x62, 1);
  const value = S.read(bytes.buffer);
  S.write(bytes.buffer, { ...value, n: 2 });
  assert.deepEqual([...bytes], [0xff, 0xfe, 0x61, 0x62, 2]);
  const elsewhere = new ArrayBuffer(5);
  assert.throws(() => S.write(elsewhere, value), RangeError);
  assert.deepEqual([...new Uint8Array(elsewhere)], [0, 0, 0, 0, 0]);
});

Deno.test("StructView: a view keeps the texts that it has, also inside of a value, where C left no NUL", () => {
  const In = struct({ name: cString(4), n: u8 });
  const S = struct({ name: cString(4), names: array(cString(4), 2), in: In });
  const bytes = new Uint8Array(S.size).fill(0xff);
  const view = S.view(bytes.buffer);
  Object.assign(view, { ...view });
  Object.assign(view, { in: { ...view.in, n: 2 } });
  view.names.set([...view.names]);
  view.names[1] = `${view.names[1]}`;
  assert.deepEqual([...bytes], [...Array(S.size - 1).fill(0xff), 2]);
});

Deno.test("write: a typed array of the same numbers is copied as bytes, another one by value", () => {
  const S = struct({ floats: array(f64, 2), bytes: array(u8, 3) });
  const buffer = new ArrayBuffer(S.size);
  const view = S.view(buffer) as { -readonly [K in keyof typeof S.fields]: unknown };
  const nan = new Float64Array(new BigUint64Array([0x7ff8000000000123n, 1n]).buffer);
  view.floats = nan;
  assert.equal(new BigUint64Array(buffer, 0, 2)[0], 0x7ff8000000000123n);
  view.bytes = Uint16Array.of(1, 2, 3);
  assert.deepEqual([...new Uint8Array(buffer, 16, 3)], [1, 2, 3]);
  assert.throws(() => view.bytes = Uint16Array.of(1, 2, 256), RangeError);
  assert.throws(() => view.bytes = new Int8Array([-1, 0, 0]), RangeError);
  assert.throws(() => view.bytes = new Uint8Array(2), /takes 3 elements, got 2/);
  assert.throws(() => view.bytes = Object.create(Uint8Array.prototype), TypeError);
  assert.deepEqual([...new Uint8Array(buffer, 16, 3)], [1, 2, 3]);
  const unaligned = S.view(new ArrayBuffer(S.size + 1), 1);
  unaligned.floats.set(nan);
  assert.ok(Number.isNaN(unaligned.floats[0]));
});

Deno.test("read and write inside a read or write see their own memory", () => {
  const S = struct({ a: u16, b: u16 });
  const other = Uint8Array.of(7, 0, 8, 0).buffer;
  const buffer = new ArrayBuffer(4);
  let seen: unknown;
  S.write(buffer, {
    a: 1,
    get b(): number {
      S.write(other, { a: 5, b: 6 });
      seen = S.read(other);
      return 2;
    },
  });
  assert.deepEqual(seen, { a: 5, b: 6 });
  assert.deepEqual(S.read(buffer), { a: 1, b: 2 });
});

Deno.test("read: the copy is a plain object of the usual class", () => {
  const copy = All.read(new ArrayBuffer(All.size));
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  assert.equal(Object.getPrototypeOf(copy.inner), Object.prototype);
  assert.equal(copy.constructor, Object);
  assert.deepEqual(Object.keys(copy), Object.keys(VALUE));
  assert.deepEqual(Object.getOwnPropertyDescriptor(copy, "flag"), {
    value: false,
    writable: true,
    enumerable: true,
    configurable: true,
  });
});

Deno.test("write: a refused value deep inside of arrays is named, and its getters run a few times at most", () => {
  const Leaf = struct({ bits: array(array(bool, 2), 2), name: cString(3) });
  const S = struct({ rows: array(array(struct({ leaf: Leaf, n: u8 }), 2), 2) });
  const leaf = { bits: [[true, false], [false, true]], name: "ab" };
  const good = { leaf, n: 1 };
  const buffer = new ArrayBuffer(S.size);
  const write = (bad: unknown): void =>
    S.write(buffer, { rows: [[good, good], [good, bad as typeof good]] });
  assert.throws(() => write({ leaf: { ...leaf, bits: [[true, false], [1, true]] }, n: 1 }), {
    message: '"rows[1][1].leaf.bits[1][0]" takes a boolean, got 1',
  });
  assert.throws(() => write({ leaf: { ...leaf, name: "abc" }, n: 1 }), {
    message: '"rows[1][1].leaf.name" has 3 bytes, got a text that needs 4: 3 and a NUL',
  });
  assert.throws(() => write({ leaf, n: 1, m: 2 }), /"rows\[1\]\[1\]\.m" is not a field/);
  assert.throws(() => write({ leaf }), /"rows\[1\]\[1\]\.n" is missing/);
  let calls = 0;
  const failing = {
    leaf,
    get n(): number {
      calls++;
      throw new Error("mine");
    },
  };
  assert.throws(() => write(failing), /^Error: mine$/);
  assert.ok(calls <= 3, `${calls}`);
  assert.ok(new Uint8Array(buffer).every((byte) => byte === 0));
});
