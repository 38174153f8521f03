/** Arrays in live views: typed arrays where possible, and the same behaviour elsewhere. */

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { ArrayView, Layout } from "../../src/layout/layout.ts";
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

Deno.test("numbers on a writable, aligned view are a typed array over the memory", () => {
  const kinds = [
    [i8, Int8Array],
    [u8, Uint8Array],
    [i16, Int16Array],
    [u16, Uint16Array],
    [i32, Int32Array],
    [u32, Uint32Array],
    [i64, BigInt64Array],
    [u64, BigUint64Array],
    [f32, Float32Array],
    [f64, Float64Array],
  ] as const;
  for (const [element, TypedArray] of kinds) {
    const S = struct({ list: array<Layout>(element, 3) }, { pack: 1 });
    const buffer = new ArrayBuffer(64);
    const { list } = S.view(buffer, 16);
    assert.ok(list instanceof TypedArray, element.name);
    assert.deepEqual([list.buffer, list.byteOffset, list.length], [buffer, 16, 3]);
    const unaligned = S.view(buffer, 17).list;
    assert.equal(unaligned instanceof TypedArray, element.size === 1, element.name);
    assert.ok(!ArrayBuffer.isView(S.view(buffer, 16, { readOnly: true }).list), element.name);
  }
});

Deno.test("array_view: sort, reverse, copyWithin and subarray work on copies, and copies are plain", () => {
  const S = struct({ list: array(f64, 5), bigs: array(i64, 3) });
  const buffer = new ArrayBuffer(S.size);
  const list = S.view(buffer).list as unknown as Float64Array;
  const engine = Float64Array.prototype;
  for (const name of ["sort", "reverse", "copyWithin", "subarray"] as const) {
    assert.notEqual(list[name], engine[name], name);
  }
  list.set([3, NaN, -0, 10, 1]);
  assert.equal(list.sort(), list);
  assert.deepEqual([...list], [-0, 1, 3, 10, NaN]);
  assert.deepEqual([...list.sort((a, b) => b - a || 0)].slice(0, 3), [10, 3, 1]);
  list.set([1, 2, 3, 4, 5]);
  assert.equal(list.reverse(), list);
  assert.deepEqual([...list], [5, 4, 3, 2, 1]);
  assert.equal(list.copyWithin(0, 3), list);
  assert.deepEqual([...list], [2, 1, 3, 2, 1]);
  const part = list.subarray(1, 4);
  assert.notEqual(part.sort, engine.sort);
  assert.deepEqual([...part.sort()], [1, 2, 3]);
  assert.deepEqual([...new Float64Array(buffer, 0, 5)], [2, 1, 2, 3, 1]);
  for (const copy of [list.slice(), list.map((x) => x), list.toSorted(), list.filter(() => true)]) {
    assert.equal(Object.getPrototypeOf(copy), engine);
    assert.notEqual(copy.buffer, buffer);
  }
  const bigs = S.view(buffer).bigs as unknown as BigInt64Array;
  bigs.set([3n, 1n, 2n]);
  assert.deepEqual([...bigs.sort()], [1n, 2n, 3n]);
  assert.equal(inspect(list.subarray(0, 2)), "Float64Array(2) [ 2, 1 ]");
});

Deno.test("an array view does what a typed array does, and throws out of range", () => {
  const S = struct({ list: array(i16, 4) });
  const buffer = new ArrayBuffer(16);
  const typed = S.view(buffer, 2).list;
  const list = S.view(new ArrayBuffer(16), 1).list;
  assert.ok(ArrayBuffer.isView(typed) && !ArrayBuffer.isView(list));
  for (const each of [typed, list]) {
    assert.equal(each.length, 4);
    each[0] = 5;
    each.set([6, 7], 1);
    each.set([8], 3);
    assert.deepEqual([...each], [5, 6, 7, 8]);
    assert.deepEqual([each[3], each[4], each[100], each[-1]], [8, undefined, undefined, undefined]);
    assert.deepEqual(
      [0, 3, -1, -4, 4, -5, 1.7, -1.2, NaN].map((i) => each.at(i)),
      [5, 8, 8, 5, undefined, undefined, 6, 8, 5],
    );
    assert.throws(() => each.set([1, 2], 3), RangeError);
    assert.throws(() => each.set([1], -1), RangeError);
    assert.deepEqual(Array.from(each), [5, 6, 7, 8]);
  }
});

Deno.test("an array view refuses indexes and values, and writes nothing", () => {
  const S = struct({ list: array(u8, 2), after: u8 });
  const buffer = new ArrayBuffer(3);
  const list = struct({ list: array(bool, 2), after: u8 }).view(buffer).list;
  assert.throws(() => list[2] = true, {
    name: "RangeError",
    message: '"list" has 2 elements, there is no index 2',
  });
  assert.throws(() => list[1e6] = true, TypeError);
  assert.throws(() => list[-1] = true, TypeError);
  assert.throws(() => list[1] = 1 as unknown as boolean, {
    name: "TypeError",
    message: '"list[1]" takes a boolean, got 1',
  });
  assert.throws(() => list.set([true, true], 1), {
    name: "RangeError",
    message: '"list" has 2 elements, got 2 to write from index 1 on',
  });
  assert.throws(() => list.set([true, "x" as unknown as boolean]), TypeError);
  for (const offset of [-1, 0.5, NaN, 3]) assert.throws(() => list.set([], offset), RangeError);
  for (const values of [null, 5, { length: -1 }, { length: 0.5 }]) {
    assert.throws(() => list.set(values as unknown as boolean[]), /TypeError|RangeError/);
  }
  assert.deepEqual(S.read(buffer), { list: [0, 0], after: 0 });
});

Deno.test("elements of every kind: get, set, at, iterate, whole and in part", () => {
  const Pair = struct({ a: u8, b: i16 });
  const S = struct({
    flags: array(bool, 2),
    letters: array(char, 3),
    names: array(cString(4), 2),
    pairs: array(Pair, 2),
    grid: array(array(i32, 2), 2),
    deep: array(array(array(bool, 2), 2), 2),
  });
  const buffer = new ArrayBuffer(S.size);
  const view = S.view(buffer);
  view.flags[1] = true;
  view.letters.set("xy", 1);
  view.names[0] = "one";
  view.names.set(["two"], 1);
  view.pairs[0]!.b = -1;
  view.pairs.set([{ a: 1, b: 2 }], 1);
  view.grid.set([[1, 2], Int32Array.of(3, 4)]);
  view.deep[1]![0]![1] = true;
  assert.deepEqual(S.read(buffer), {
    flags: [false, true],
    letters: ["\0", "x", "y"],
    names: ["one", "two"],
    pairs: [{ a: 0, b: -1 }, { a: 1, b: 2 }],
    grid: [[1, 2], [3, 4]],
    deep: [[[false, false], [false, false]], [[false, true], [false, false]]],
  });
  assert.deepEqual([...view.names], ["one", "two"]);
  assert.deepEqual([...view.pairs].map(({ a, b }) => [a, b]), [[0, -1], [1, 2]]);
  (view.pairs as ArrayView<unknown>)[0] = { a: 9, b: 9 };
  assert.deepEqual(Pair.read(buffer, S.fields.pairs.offset), { a: 9, b: 9 });
  assert.throws(
    () => (view.pairs as ArrayView<unknown>)[0] = { a: 1 },
    /"pairs\[0\]\.b" is missing/,
  );
  assert.throws(() => view.names.set(["ok", "long"]), /"names\[1\]" has 4 bytes/);
  assert.deepEqual([...view.names], ["one", "two"]);
});

Deno.test("JSON of an array view is a plain array", () => {
  const S = struct({ flags: array(bool, 2), list: array(u8, 2) });
  const view = S.view(Uint8Array.of(1, 0, 3, 4).buffer, 0, { readOnly: true });
  assert.equal(JSON.stringify([view.flags, view.list]), "[[true,false],[3,4]]");
});

Deno.test("an array too long to index says what to use instead", () => {
  const S = struct({ head: u8, list: array(u16, 65537), flags: array(bool, 65537) });
  const buffer = new ArrayBuffer(S.size + 1);
  const numbers = /65537 elements, .* 65536 .* take a copy with read\(\), or a writable view at an/;
  assert.equal(S.view(buffer).list.length, 65537);
  for (const view of [S.view(buffer, 1), S.view(buffer, 0, { readOnly: true })]) {
    assert.throws(() => view.list, { name: "RangeError", message: numbers });
    assert.throws(() => view.flags, { name: "RangeError", message: /take a copy with read\(\)$/ });
    assert.equal(JSON.parse(JSON.stringify(view)).list.length, 65537);
  }
  assert.equal(S.read(buffer, 1).list.length, 65537);
});

Deno.test("an array as long as can be indexed", () => {
  const S = struct({ flags: array(bool, 65536) });
  const buffer = new ArrayBuffer(65536);
  const { flags } = S.view(buffer);
  flags[65535] = true;
  assert.equal(new Uint8Array(buffer)[65535], 1);
  assert.throws(() => flags[65536] = true, RangeError);
  assert.throws(() => flags[65537] = true, TypeError);
});

Deno.test("one function takes both kinds", () => {
  const sum = (list: ArrayView<number>): number => {
    let total = 0;
    for (let i = 0; i < list.length; i++) total += list[i] ?? 0;
    return total;
  };
  const S = struct({ list: array(u16, 3) });
  const buffer = new ArrayBuffer(7);
  S.write(buffer, { list: [1, 2, 3] });
  assert.equal(sum(S.view(buffer).list), 6);
  S.write(buffer, { list: [1, 2, 4] }, 1);
  assert.equal(sum(S.view(buffer, 1).list), 7);
});
