/** Structs: where the fields lie, and that nothing leaves the buffer. */

import assert from "node:assert/strict";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { FieldLayout, Fields, Layout, Pack } from "../../src/layout/layout.ts";
import { f64, i16, i32, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

const Point = struct({ x: i32, y: f64, name: cString(16), tag: array(u8, 4) });

Deno.test("struct: sizes and offsets as in C", () => {
  assert.deepEqual(
    Object.entries(Point.fields).map(([name, { offset, size }]) => [name, offset, size]),
    [["x", 0, 4], ["y", 8, 8], ["name", 16, 16], ["tag", 32, 4]],
  );
  assert.deepEqual([Point.size, Point.alignment], [40, 8]);
  assert.equal(Point.fields.y.layout, f64);
});

Deno.test("struct: pack bounds the alignment of fields, not of a struct that asks for its own", () => {
  const fields = { a: u8, b: f64 };
  const shape = (pack?: Pack, align?: number): number[] => {
    const options = {
      ...(pack === undefined ? {} : { pack }),
      ...(align === undefined ? {} : { align }),
    };
    const S = struct(fields, options);
    return [S.fields.b.offset, S.size, S.alignment];
  };
  assert.deepEqual(shape(), [8, 16, 8]);
  assert.deepEqual(shape(1), [1, 9, 1]);
  assert.deepEqual(shape(4), [4, 12, 4]);
  assert.deepEqual(shape(16), [8, 16, 8]);
  assert.deepEqual(shape(undefined, 32), [8, 32, 32]);
  assert.deepEqual(shape(1, 32), [1, 32, 32]);
  assert.deepEqual(shape(undefined, 2), [8, 16, 8]);
});

Deno.test("struct: a nested struct keeps its inside, its alignment is bounded", () => {
  const Inner = struct({ a: u8, b: f64 });
  const S = struct({ a: u8, inner: Inner, b: u8 }, { pack: 2 });
  assert.deepEqual([S.fields.inner.offset, S.fields.b.offset, S.size], [2, 18, 20]);
});

Deno.test("struct: sizes beyond 32 bits", () => {
  const S = struct({ a: array(u8, 2 ** 33 + 1), b: f64 });
  assert.deepEqual([S.fields.b.offset, S.size], [2 ** 33 + 8, 2 ** 33 + 16]);
  assert.throws(() => struct({ a: array(u8, 2 ** 53 - 8), b: f64 }), {
    name: "RangeError",
    message: /field "b"/,
  });
});

Deno.test("struct: errors name the field", () => {
  const bad = (fields: unknown, message: RegExp): void =>
    assert.throws(() => struct(fields as Fields), { name: "TypeError", message });
  bad(null, /takes an object, got null/);
  bad({ x: undefined }, /field "x" takes a layout, got undefined/);
  bad({ x: "i32" }, /field "x" takes a layout, got "i32"/);
  bad({ "a-b": u8 }, /identifier, got "a-b"/);
  bad({ 1: u8 }, /identifier, got "1"/);
  bad({ é: u8 }, /identifier/);
  bad({ "": u8 }, /identifier/);
  bad({ a: u8, struct: u8 }, /"struct"/);
  bad({ int: u8 }, /"int"/);
  bad({ uint8_t: u8 }, /"uint8_t"/);
  bad({ ["__proto__"]: u8 }, /"__proto__"/);
  bad({ a: u8, __proto__: u8 }, /"__proto__"/);
});

Deno.test("struct: pack and align are what C takes", () => {
  for (const pack of [0, 3, 32, 1.5, NaN, "1"]) {
    assert.throws(() => struct({ a: u8 }, { pack: pack as Pack }), RangeError);
  }
  for (const align of [0, 3, -4, NaN, 2 ** 29]) {
    assert.throws(() => struct({ a: u8 }, { align }), RangeError);
  }
});

Deno.test("struct: the layout cannot be changed", () => {
  for (const part of [Point, Point.fields, Point.fields.x, i32, Point.fields.tag.layout]) {
    assert.ok(Object.isFrozen(part));
  }
});

Deno.test("struct: a view, read and write stay inside the buffer, to the byte", () => {
  const S = struct({ a: i32 });
  const buffer = new ArrayBuffer(10);
  S.view(buffer, 6).a = 1;
  S.write(buffer, { a: 2 }, 6);
  assert.deepEqual(S.read(buffer, 6), { a: 2 });
  for (const offset of [7, 10, 11, -1, 0.5, NaN, Infinity, 2 ** 53]) {
    const error = { name: "RangeError", message: new RegExp(`offset ${offset} .* 10 bytes$`) };
    assert.throws(() => S.view(buffer, offset), error);
    assert.throws(() => S.read(buffer, offset), error);
    assert.throws(() => S.write(buffer, { a: 0 }, offset), error);
  }
  assert.deepEqual(S.read(buffer, 6), { a: 2 });
});

Deno.test("struct: takes a buffer, not a view of one", () => {
  const S = struct({ a: i32 });
  for (const buffer of [new Uint8Array(8), new DataView(new ArrayBuffer(8)), null, undefined, {}]) {
    const error = { name: "TypeError", message: /^a struct lies in an ArrayBuffer/ };
    assert.throws(() => S.view(buffer as ArrayBuffer), error);
    assert.throws(() => S.read(buffer as ArrayBuffer), error);
    assert.throws(() => S.write(buffer as ArrayBuffer, { a: 0 }), error);
  }
});

Deno.test("struct: works beyond 4 GiB", () => {
  const S = struct({ a: i16, text: cString(6), list: array(i32, 2) });
  const offset = 2 ** 32 + 8;
  const buffer = new ArrayBuffer(offset + S.size);
  const view = S.view(buffer, offset);
  view.a = -2;
  view.text = "far";
  view.list[1] = 7;
  assert.deepEqual(S.read(buffer, offset), { a: -2, text: "far", list: [0, 7] });
  assert.deepEqual([...new Uint8Array(buffer, offset, 3)], [0xfe, 0xff, 0x66]);
  assert.deepEqual([...new Uint8Array(buffer, 8, 3)], [0, 0, 0]);
});

Deno.test("struct: its methods need no this", () => {
  const { view, read, write, declare } = struct({ a: u8 });
  const buffer = new ArrayBuffer(1);
  write(buffer, { a: 3 });
  assert.equal(view(buffer).a, 3);
  assert.deepEqual(read(buffer), { a: 3 });
  assert.match(declare("S"), /struct S/);
});

Deno.test("struct and array refuse what only looks like a layout: it would be given the memory", () => {
  const Inner = struct({ a: i32 });
  const forged = { ...Inner, view: (memory: ArrayBufferLike) => new Uint8Array(memory) };
  const refused = { name: "TypeError", message: /takes a layout, got an object/ };
  for (const layout of [forged, { ...i32 }, { ...array(i32, 2) }] as FieldLayout[]) {
    assert.throws(() => struct({ a: layout }), refused);
    assert.throws(
      () => struct({ a: { kind: "aligned", layout: layout as Layout, align: 8 } }),
      refused,
    );
    assert.throws(() => array(layout as Layout, 2), refused);
  }
});
