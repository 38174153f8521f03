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

Deno.test("array_view: what is no index of an element reads as undefined, and cannot be written", () => {
  const keys = ["01", " 1", "1 ", "1.0", "1e0", "0x1", "-0", "-1", "+1", "", "NaN", "Infinity"];
  const numbers = [-1, 0.5, NaN, Infinity, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53];
  for (const length of [3, 5000]) {
    const S = struct({ odd: u8, list: array(u16, length), flags: array(bool, length) }, {
      pack: 1,
    });
    const buffer = new ArrayBuffer(S.size);
    const bytes = new Uint8Array(buffer).fill(1);
    const before = [...bytes];
    for (const readOnly of [false, true]) {
      const view = S.view(buffer, 0, { readOnly });
      for (const each of [view.flags, view.list]) {
        const list = each as unknown as Record<PropertyKey, unknown>;
        for (const key of [...keys, ...numbers, length, Symbol("1"), Symbol.toPrimitive]) {
          const says = `${length} ${String(key)}`;
          assert.equal(list[key], undefined, says);
          assert.equal(key in list, false, says);
          assert.throws(() => list[key] = true, TypeError, says);
          assert.throws(() => Object.defineProperty(list, key, { value: true }), TypeError, says);
        }
        assert.equal(list["1"], list[1]);
        assert.equal(Object.keys(list).length, length);
      }
    }
    assert.deepEqual([...bytes], before);
    const { flags } = S.view(buffer);
    buffer.transfer();
    for (const gone of [() => flags[1], () => flags[1] = true, () => flags.at(1)]) {
      assert.throws(gone, { name: "TypeError", message: /the memory under this view is gone/ });
    }
    assert.equal(flags[length], undefined);
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

/** An array of a view, with the methods that its type does not have. */
function asArray(list: unknown): unknown[] {
  return list as unknown[];
}

Deno.test("array_view: sort, reverse, copyWithin and fill move bytes, of short and long arrays", () => {
  for (const length of [4, 5000]) {
    const S = struct({ texts: array(cString(4), length), after: u8 });
    const buffer = new ArrayBuffer(S.size);
    const view = S.view(buffer);
    const texts = asArray(view.texts);
    const start = (): void => {
      const bytes = new Uint8Array(buffer).fill(0);
      // The first has no NUL, and the second is not UTF-8: neither can be written as the text that it reads as
      bytes.set([0x7a, 0x7a, 0x7a, 0x7a, 0xff, 0, 1, 2, 0x62, 0, 0, 0, 0x61]);
      bytes.fill(0xee, 16);
    };
    const rest = Array(length - 4).fill("\ufffd\ufffd\ufffd\ufffd");

    start();
    assert.equal(texts.sort(), texts);
    assert.deepEqual([...texts], ["a", "b", "zzzz", ...["\ufffd", ...rest].sort()]);
    start();
    texts.sort((a, b) => `${a}`.length - `${b}`.length);
    assert.deepEqual([...texts], ["\ufffd", "b", "a", "zzzz", ...rest]);
    assert.deepEqual([...new Uint8Array(buffer, 0, 4)], [0xff, 0, 1, 2]);
    start();
    assert.equal(texts.reverse(), texts);
    assert.deepEqual([...texts], [...rest, "a", "b", "\ufffd", "zzzz"]);
    start();
    assert.equal(texts.copyWithin(2, 0, 2), texts);
    assert.deepEqual([...texts], ["zzzz", "\ufffd", "zzzz", "\ufffd", ...rest]);
    assert.deepEqual([...new Uint8Array(buffer, 12, 4)], [0xff, 0, 1, 2]);
    start();
    assert.equal(texts.fill("q", 1, 3), texts);
    assert.deepEqual([...texts], ["zzzz", "q", "q", "a", ...rest]);
    start();
    texts.fill("new", -length);
    assert.deepEqual([...texts], Array(length).fill("new"));
    assert.equal(view.after, 0xee);

    start();
    const before = [...new Uint8Array(buffer)];
    assert.throws(() => texts.fill("abcd", 1), {
      name: "RangeError",
      message: '"texts[1]" has 4 bytes, got a text that needs 5: 4 and a NUL',
    });
    assert.throws(() => texts.fill(1), /^TypeError: "texts\[0\]" takes a string, got 1$/);
    assert.throws(
      () =>
        texts.sort(() => {
          throw new Error("no order");
        }),
      /no order/,
    );
    texts.fill(1, length);
    assert.deepEqual([...new Uint8Array(buffer)], before);
  }
});

Deno.test("array_view: sort, reverse and fill move structs, and their views stay at their places", () => {
  const Pair = struct({ a: u8, list: array(u8, 2) });
  const S = struct({ pairs: array(Pair, 3), grid: array(array(bool, 2), 2) });
  const buffer = new ArrayBuffer(S.size);
  const { pairs, grid } = S.view(buffer);
  pairs.set([{ a: 2, list: [1, 2] }, { a: 3, list: [3, 4] }, { a: 1, list: [5, 6] }]);
  const first = pairs[0];
  (pairs as unknown as { a: number }[]).sort((one, other) => one.a - other.a);
  assert.equal(pairs[0], first);
  assert.deepEqual(pairs.map(({ a, list }) => [a, ...list]), [[1, 5, 6], [2, 1, 2], [3, 3, 4]]);
  asArray(pairs).reverse();
  assert.deepEqual(pairs.map(({ a }) => a), [3, 2, 1]);
  asArray(pairs).fill(pairs[2], 0, 2);
  assert.deepEqual(pairs.map(({ a, list }) => [a, ...list]), [[1, 5, 6], [1, 5, 6], [1, 5, 6]]);
  asArray(grid).fill([false, true]);
  assert.deepEqual(grid.map((row) => [...row]), [[false, true], [false, true]]);
  asArray(grid[0]).reverse();
  assert.deepEqual(grid.map((row) => [...row]), [[true, false], [false, true]]);
});

Deno.test("array_view: sort without an order sorts numbers as a typed array does", () => {
  const S = struct({ list: array(f64, 6), bigs: array(i64, 3) });
  for (const offset of [0, 1]) {
    const view = S.view(new ArrayBuffer(S.size + 1), offset);
    assert.equal(ArrayBuffer.isView(view.list), offset === 0);
    view.list.set([10, NaN, 0, 9, -0, -1]);
    view.bigs.set([10n, 9n, -1n]);
    assert.deepEqual([...asArray(view.list).sort()], [-1, -0, 0, 9, 10, NaN]);
    assert.deepEqual([...asArray(view.bigs).sort()], [-1n, 9n, 10n]);
  }
});

Deno.test("array_view: fill, copyWithin and sort write only from the first to the last element that changes", () => {
  const S = struct({ flags: array(bool, 4) });
  const buffer = new ArrayBuffer(4);
  const bytes = new Uint8Array(buffer);
  const flags = asArray(S.view(buffer).flags);
  flags.fill(true, 1, 2);
  assert.deepEqual([...bytes], [0, 1, 0, 0]);
  flags.copyWithin(2, 1, 2);
  assert.deepEqual([...bytes], [0, 1, 1, 0]);
  // What a peer writes meanwhile stays where the order changes nothing
  flags.sort((a, b) => {
    bytes[3] = 1;
    return Number(b) - Number(a);
  });
  assert.deepEqual([...bytes], [1, 1, 0, 1]);
});

Deno.test("array_view: methods that change the length throw before anything is changed", () => {
  for (const length of [3, 5000]) {
    const Pair = struct({ a: u8 });
    const S = struct({ in: struct({ flags: array(bool, length), pairs: array(Pair, length) }) });
    const buffer = new ArrayBuffer(S.size);
    const bytes = new Uint8Array(buffer);
    bytes.set([1, 0, 1]);
    bytes.set([1, 2, 3], length);
    const before = [...bytes];
    for (const readOnly of [false, true]) {
      const { flags, pairs } = S.view(buffer, 0, { readOnly }).in;
      for (const [name, list] of Object.entries({ flags, pairs })) {
        const all = asArray(list);
        const changes = {
          push: () => all.push(true),
          pop: () => all.pop(),
          shift: () => all.shift(),
          unshift: () => all.unshift(true),
          splice: () => all.splice(0, 1),
        };
        for (const [method, change] of Object.entries(changes)) {
          assert.throws(change, {
            name: "TypeError",
            message: `"${name}" always has ${length} elements: it has no ${method}()`,
          });
        }
        if (!readOnly) continue;
        for (
          const change of [
            () => all.sort(),
            () => all.reverse(),
            () => all.fill(true),
            () => all.copyWithin(0, 1),
          ]
        ) {
          assert.throws(change, {
            name: "TypeError",
            message: `"${name}" is read-only: it belongs to a read-only view`,
          });
        }
      }
    }
    assert.deepEqual([...bytes], before);
  }
});

Deno.test("array_view: an assignment that a long array refuses is refused with the field's name", () => {
  const S = struct({ flags: array(bool, 5000), pairs: array(struct({ a: u8 }), 5000) });
  const buffer = new ArrayBuffer(S.size);
  const assigned = (list: unknown, key: number | string): () => void => () =>
    Object.assign(list as object, { [key]: true });
  const { flags, pairs } = S.view(buffer);
  for (const key of [5000, "name"]) {
    assert.throws(assigned(flags, key), {
      name: "TypeError",
      message: `"flags" has 5000 elements, there is no index ${key}`,
    });
  }
  assert.throws(assigned(pairs, 7), {
    name: "TypeError",
    message: '"pairs[7]" is a view: assign to its fields or elements, or call set()',
  });
  const readOnly = S.view(buffer, 0, { readOnly: true });
  assert.throws(assigned(readOnly.pairs, 7), {
    name: "TypeError",
    message: '"pairs[7]" is read-only: it belongs to a read-only view',
  });
  assert.ok(new Uint8Array(buffer).every((byte) => byte === 0));
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
