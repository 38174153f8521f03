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

Deno.test("ArrayView: numbers on a writable, aligned view are a typed array over the memory", () => {
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

Deno.test("ArrayView: it does what a typed array does, and throws out of range", () => {
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

Deno.test("ArrayView: it refuses indexes and values, and writes nothing", () => {
  const S = struct({ list: array(u8, 2), after: u8 });
  const buffer = new ArrayBuffer(3);
  const list = struct({ list: array(bool, 2), after: u8 }).view(buffer).list;
  assert.throws(() => list[2] = true, TypeError);
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
  view.pairs.set([{ a: 9, b: 9 }]);
  assert.deepEqual(Pair.read(buffer, S.fields.pairs.offset), { a: 9, b: 9 });
  assert.throws(() => view.pairs.set([{ a: 1 } as never]), /"pairs\[0\]\.b" is missing/);
  assert.throws(() => (view.pairs as ArrayView<unknown>)[0] = { a: 1, b: 1 }, TypeError);
  assert.throws(() => view.names.set(["ok", "long"]), /"names\[1\]" has 4 bytes/);
  assert.deepEqual([...view.names], ["one", "two"]);
});

Deno.test("JSON of an array view is a plain array", () => {
  const S = struct({ flags: array(bool, 2), list: array(u8, 2) });
  const view = S.view(Uint8Array.of(1, 0, 3, 4).buffer, 0, { readOnly: true });
  assert.equal(JSON.stringify([view.flags, view.list]), "[[true,false],[3,4]]");
});

Deno.test("array_view: short and long arrays are arrays of fixed length", () => {
  for (const length of [3, 5000]) {
    const Pair = struct({ a: u8, b: u8 });
    const S = struct({
      odd: u8,
      list: array(u16, length),
      flags: array(bool, length),
      pairs: array(Pair, length),
    }, { pack: 1 });
    const buffer = new ArrayBuffer(S.size);
    const view = S.view(buffer);
    const last = length - 1;
    view.flags[last] = true;
    view.list[last] = 9;
    view.pairs[last]!.b = 7;
    const { flags, pairs, list } = view;
    assert.deepEqual([flags.length, flags[last], flags.at(-1), flags[length]], [
      length,
      true,
      true,
      undefined,
    ]);
    for (const each of [flags, pairs, list]) {
      assert.ok(Array.isArray(each));
      assert.deepEqual([0 in each, last in each, length in each, "0x1" in each, (-1) in each], [
        true,
        true,
        false,
        false,
        false,
      ]);
      assert.equal(Object.keys(each).length, length);
      assert.equal([...each].length, length);
      assert.deepEqual(Object.getOwnPropertyDescriptor(each, last)?.enumerable, true);
      assert.equal(Object.getOwnPropertyDescriptor(each, length), undefined);
      for (
        const change of [
          (list: unknown[]) => list[length] = true,
          (list: unknown[]) => Object.assign(list, { name: 1 }),
          (list: unknown[]) => list.push(true),
          (list: unknown[]) => list.length = 0,
          (list: unknown[]) => delete list[0],
          (list: unknown[]) => Object.defineProperty(list, 0, { value: 1 }),
          (list: unknown[]) => Object.setPrototypeOf(list, null),
        ]
      ) assert.throws(() => change(each as unknown as unknown[]), TypeError);
    }
    assert.throws(() => (pairs as ArrayView<unknown>)[0] = { a: 1, b: 2 }, TypeError);
    assert.throws(() => flags[0] = 1 as never, /"flags\[0\]" takes a boolean/);
    assert.equal(pairs[last], pairs.at(-1));
    assert.deepEqual(S.read(buffer).flags.indexOf(true), last);
    const copy = JSON.parse(JSON.stringify({ flags, pairs, list }));
    assert.deepEqual([copy.flags[last], copy.pairs[last], copy.list[last]], [true, {
      a: 0,
      b: 7,
    }, 9]);
    const readOnly = S.view(buffer, 0, { readOnly: true }) as typeof view;
    assert.throws(() => readOnly.flags[0] = true, TypeError);
    assert.throws(() => readOnly.flags.set([true]), /read-only/);
  }
});

Deno.test("array_view: the methods that read work as those of arrays, and copies are plain", () => {
  const Pair = struct({ a: u8, b: u8 });
  const S = struct({ flags: array(bool, 3), names: array(cString(2), 2), pairs: array(Pair, 2) });
  const { flags, names, pairs } = S.view(
    Uint8Array.of(0, 1, 0, 0x61, 0, 0x62, 0, 1, 2, 3, 4).buffer,
  );
  const mapped = flags.map((flag, index) => [index, flag]);
  assert.deepStrictEqual(mapped, [[0, false], [1, true], [2, false]]);
  assert.equal(Object.getPrototypeOf(mapped), Array.prototype);
  assert.deepStrictEqual(names.filter((name) => name === "b"), ["b"]);
  assert.deepStrictEqual(names.slice(0, 1), ["a"]);
  assert.equal(flags.indexOf(true), 1);
  assert.equal(flags.lastIndexOf(false), 2);
  assert.ok(names.includes("a") && names.some((name) => name === "b"));
  assert.ok(!flags.every(Boolean));
  assert.equal(names.join(), "a,b");
  assert.deepEqual([...names.entries()], [[0, "a"], [1, "b"]]);
  assert.deepEqual([[...names.keys()], [...names.values()]], [[0, 1], ["a", "b"]]);
  assert.equal(pairs.find(({ a }) => a === 3), pairs[1]);
  assert.deepEqual([pairs.findIndex(({ b }) => b === 4), flags.findLastIndex(Boolean)], [1, 1]);
  assert.equal(pairs.findLast(() => true), pairs[1]);
  assert.equal(pairs.reduce((sum, { a, b }) => sum + a + b, 0), 10);
  const seen: string[] = [];
  names.forEach((name) => seen.push(name));
  assert.deepEqual(seen, ["a", "b"]);
});

Deno.test("array_view: typed arrays take no expandos, and are arrays in JSON", () => {
  const S = struct({ list: array(i64, 3), bytes: array(u8, 2) });
  const { list, bytes } = S.view(new ArrayBuffer(32));
  list.set([1n, -(2n ** 60n), 3n]);
  assert.equal(
    JSON.stringify({ list, bytes }),
    '{"list":[1,"-1152921504606846976",3],"bytes":[0,0]}',
  );
  assert.throws(() => Object.assign(list, { name: 1 }), TypeError);
  const part = (bytes as unknown as Uint8Array).subarray(1);
  assert.throws(() => Object.assign(part, { name: 1 }), TypeError);
  assert.equal(JSON.stringify(part), "[0]");
  const resizable = new ArrayBuffer(32, { maxByteLength: 64 });
  assert.equal(S.view(resizable).list.length, 3);
});

Deno.test("array_view: an array longer than a JavaScript array says what to do", () => {
  const S = struct({ flags: array(bool, 2 ** 32) });
  const view = S.view(new ArrayBuffer(S.size));
  assert.throws(() => view.flags, {
    name: "RangeError",
    message:
      '"flags" has 4294967296 elements, more than the 4294967295 of an array: take a copy with read()',
  });
});

Deno.test("array_view: set on an array of memory that is gone says so", () => {
  const S = struct({ list: array(i32, 2), flags: array(bool, 2) });
  const buffer = new ArrayBuffer(S.size);
  const { list, flags } = S.view(buffer);
  buffer.transfer();
  for (
    const set of [() => list.set([1]), () => list.set(Int32Array.of(1), 1), () => flags.set([true])]
  ) {
    assert.throws(set, { name: "TypeError", message: /the memory under this view is gone/ });
  }
});

Deno.test("ArrayView: one function takes both kinds", () => {
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
