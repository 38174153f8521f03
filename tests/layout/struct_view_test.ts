/** Live views: bounds, read-only, memory that is gone. */

import loose from "node:assert";
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { Field, ViewOf } from "../../src/layout/layout.ts";
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

const GONE =
  "the memory under this view is gone: its segment was detached (attach again), or its buffer was " +
  "transferred or made smaller; take a new view";

const Inner = struct({ id: u16, label: cString(4) });
const All = struct({
  flag: bool,
  letter: char,
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  f32,
  f64,
  text: cString(8),
  numbers: array(i16, 3),
  bigs: array(u64, 2),
  flags: array(bool, 2),
  letters: array(char, 2),
  names: array(cString(4), 2),
  grid: array(array(f32, 2), 2),
  inner: Inner,
  many: array(Inner, 2),
});
/** Everything in `All` set, by writing each byte: 1, 2, 3, ... */
function filled(): ArrayBuffer {
  return Uint8Array.from({ length: All.size }, (_, i) => i + 1).buffer;
}

Deno.test("StructView: a view is the memory, both ways, at every offset", () => {
  for (let offset = 0; offset < 9; offset++) {
    const buffer = new ArrayBuffer(All.size + 8);
    const data = new DataView(buffer);
    const view = All.view(buffer, offset);
    const at = (name: keyof typeof All.fields): number => offset + All.fields[name].offset;

    view.i32 = -7;
    assert.equal(data.getInt32(at("i32"), true), -7);
    data.setFloat64(at("f64"), 0.5, true);
    assert.equal(view.f64, 0.5);
    view.numbers[2] = -3;
    assert.equal(data.getInt16(at("numbers") + 4, true), -3);
    data.setBigUint64(at("bigs") + 8, 5n, true);
    assert.equal(view.bigs[1], 5n);
    view.inner.id = 0x0102;
    assert.equal(data.getUint8(at("inner")), 2);
    view.many[1]!.label = "z";
    assert.equal(data.getUint8(at("many") + Inner.size + 2), 0x7a);
    view.grid[1]![0] = 1.5;
    assert.equal(data.getFloat32(at("grid") + 8, true), 1.5);
    assert.equal(All.read(buffer, offset).i32, -7);
  }
});

Deno.test("StructView: the parts of a view are made once", () => {
  const view = All.view(new ArrayBuffer(All.size));
  for (const name of ["numbers", "flags", "grid", "inner", "many"] as const) {
    assert.equal(view[name], view[name]);
  }
  assert.equal(view.many[1], view.many.at(1));
  assert.equal(view.grid[0], view.grid[0]);
});

Deno.test("StructView: a name that is not a field cannot be set", () => {
  const view: Record<string, unknown> = All.view(new ArrayBuffer(All.size));
  assert.throws(() => view["i33"] = 1, TypeError);
  assert.throws(() => (view["inner"] as Record<string, unknown>)["idd"] = 1, TypeError);
});

Deno.test("StructView: for...in goes over the fields", () => {
  const names: string[] = [];
  // deno-lint-ignore guard-for-in -- fields are on the prototype
  for (const name in All.view(new ArrayBuffer(All.size))) names.push(name);
  assert.deepEqual(names, Object.keys(All.fields));
});

Deno.test("fields may be called like what every object has", () => {
  const Odd = struct({
    constructor: u8,
    toString: u8,
    hasOwnProperty: u8,
    valueOf: u8,
    length: u8,
  });
  const buffer = Uint8Array.of(1, 2, 3, 4, 5).buffer;
  const view = Odd.view(buffer);
  assert.deepEqual([view.constructor, view.toString, view.length], [1, 2, 5]);
  view.valueOf = 9;
  assert.equal(Odd.read(buffer).valueOf, 9);
  assert.match(Odd.declare("Odd"), /uint8_t constructor;/);
});

const NOT_OURS: object[] = [Object, Function, Array, Iterator].map(({ prototype }) => prototype);

/** Every object that can be reached from `root`, and every setter met on the way. */
function reachable(root: object): { objects: Set<object>; setters: (() => void)[] } {
  const objects = new Set<object>();
  const setters: (() => void)[] = [];
  const known = new Set<unknown>(NOT_OURS);
  const visit = (value: unknown): void => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
    if (known.has(value)) return;
    known.add(value);
    objects.add(value);
    const isPrototype = Object.hasOwn(value, "constructor");
    let holder: object | null = value;
    while (holder !== null && !NOT_OURS.includes(holder)) {
      for (const key of Reflect.ownKeys(holder)) {
        const { get, set, value: constant } = Object.getOwnPropertyDescriptor(holder, key)!;
        visit(constant);
        if (isPrototype) continue; // its accessors need an instance
        const current: unknown = get?.call(value);
        visit(current);
        // An index past the end of an array is refused for that reason, which is tested elsewhere.
        if (set !== undefined && current !== undefined) {
          setters.push(() => set.call(value, current));
        }
      }
      holder = Object.getPrototypeOf(holder);
      visit(holder);
    }
    if (Symbol.iterator in value && !("next" in value) && !isPrototype) {
      for (const element of value as Iterable<unknown>) visit(element);
    }
    if ("toJSON" in value && typeof value.toJSON === "function" && !isPrototype) {
      visit(value.toJSON());
    }
  };
  visit(root);
  return { objects, setters };
}

function isMemory(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ||
    value instanceof SharedArrayBuffer;
}

Deno.test("StructView: a read-only view: no setter writes, and no buffer can be reached", () => {
  const buffer = filled();
  const before = new Uint8Array(buffer.slice());
  const view = All.view(buffer, 0, { readOnly: true });
  const { objects, setters } = reachable(view);
  // The fields of the struct and the three nested structs, and the elements that are values
  assert.equal(setters.length, 21 + 3 * 2 + 3 + 2 + 2 + 2 + 2 + 2 * 2);
  for (const set of setters) assert.throws(set, { name: "TypeError", message: / is read-only: / });
  assert.deepEqual([...objects].filter(isMemory), []);
  for (const list of [view.numbers, view.bigs, view.flags, view.names, view.grid, view.many]) {
    assert.throws(() => (list as unknown as { set(values: unknown[]): void }).set([]), {
      name: "TypeError",
      message: / is read-only: /,
    });
  }
  assert.deepEqual(new Uint8Array(buffer), before);
});

Deno.test("StructView: the search above finds the typed arrays of a writable view", () => {
  const { objects, setters } = reachable(All.view(filled()));
  assert.ok([...objects].some(isMemory));
  assert.ok(setters.length > 30);
});

Deno.test("StructView: a read-only view shows what others write", () => {
  const buffer = new ArrayBuffer(All.size);
  const view = All.view(buffer, 0, { readOnly: true });
  All.view(buffer).inner.label = "new";
  assert.equal(view.inner.label, "new");
  assert.deepEqual([...view.numbers], [0, 0, 0]);
});

Deno.test("memory that is gone: every accessor says so, typed arrays are empty", () => {
  for (const readOnly of [false, true]) {
    const buffer = new ArrayBuffer(All.size);
    const view = All.view(buffer, 0, { readOnly });
    // Both kinds of use: parts taken before the memory went, and parts never asked for.
    const { numbers, bigs, flags, names, grid, inner, many } = view;
    const inside = many[0]!;
    const row = grid[0]!;
    const value = All.read(buffer);
    buffer.transfer();

    const gone = { name: "TypeError", message: GONE };
    for (const name of Object.keys(All.fields) as (keyof typeof value)[]) {
      assert.throws(() => view[name], gone, name);
      if (!readOnly) {
        assert.throws(() => (view as Record<string, unknown>)[name] = value[name], gone, name);
      }
    }
    assert.throws(() => many[0]?.id, gone);
    for (const list of [flags, names]) {
      assert.throws(() => list[0], gone);
      assert.throws(() => list.at(-1), gone);
      assert.throws(() => [...list], gone);
    }
    for (const part of [inner, inside]) {
      assert.throws(() => part.id, gone);
      assert.throws(() => part.label, gone);
    }
    if (readOnly) {
      for (const list of [numbers, bigs, row]) assert.throws(() => list[0], gone);
    } else {
      assert.deepEqual([numbers.length, bigs.length, row.length], [0, 0, 0]);
      assert.throws(() => inner.id = 1, gone);
      assert.throws(() => flags[0] = true, gone);
      assert.throws(() => names.set(["a"]), gone);
    }
    assert.throws(() => JSON.stringify(view), gone);
    assert.equal(Deno.inspect(view), "[view of memory that is gone]");
  }
});

Deno.test("StructView: of a buffer that was made smaller, every field says that the memory is gone", () => {
  const S = struct({ n: i32, text: cString(4), flags: array(bool, 2) });
  const buffer = new ArrayBuffer(S.size, { maxByteLength: 64 });
  const view = S.view(buffer);
  const { flags } = view;
  buffer.resize(2);
  for (
    const access of [
      () => view.n,
      () => view.n = 1,
      () => view.text,
      () => view.text = "a",
      () => view.flags,
      () => flags[0],
      () => flags.set([true]),
    ]
  ) assert.throws(access, { name: "TypeError", message: GONE });
});

Deno.test("memory that is gone: parts never asked for before", () => {
  const Large = struct({ numbers: array(i16, 3), inner: Inner, deep: array(Inner, 5000) });
  const buffer = new ArrayBuffer(Large.size);
  const view = Large.view(buffer);
  const { deep } = view;
  buffer.transfer();
  for (const get of [() => view.numbers, () => view.inner, () => deep[4999]]) {
    assert.throws(get, { name: "TypeError", message: GONE });
  }
});

Deno.test("StructView: a refused value is refused for itself, also where the memory is gone", () => {
  const buffer = new ArrayBuffer(1);
  const view = struct({ a: u8 }).view(buffer);
  buffer.transfer();
  assert.throws(() => view.a = 256, RangeError);
});

Deno.test("console.log and inspect show the fields, in Deno and in node:util", () => {
  const S = struct({ x: i32, inner: Inner, list: array(u8, 2), flags: array(bool, 1) });
  const buffer = new ArrayBuffer(S.size);
  S.write(buffer, { x: -1, inner: { id: 1, label: "a" }, list: [1, 2], flags: [true] });
  const plain = S.read(buffer);
  for (const options of [{}, { readOnly: true }]) {
    const view: ViewOf<typeof S> = S.view(buffer, 0, options);
    assert.equal(Deno.inspect(view), Deno.inspect(plain));
    assert.equal(Deno.inspect({ deep: [view] }), Deno.inspect({ deep: [plain] }));
    assert.equal(inspect(view), inspect(plain));
    assert.equal(Deno.inspect(view.flags), "[ true ]");
  }
});

Deno.test("console.log of a long array reads no more than it shows", () => {
  const S = struct({ head: u8, flags: array(bool, 2 ** 31), list: array(u8, 200) });
  const text = Deno.inspect(S.view(new ArrayBuffer(S.size)));
  assert.match(text, /\.\.\. 2147483548 more items/);
  assert.match(text, /\.\.\. 100 more items/);
});

Deno.test("JSON.stringify gives the fields", () => {
  const S = struct({ x: i32, inner: Inner, list: array(u8, 2) });
  const buffer = new ArrayBuffer(S.size);
  S.write(buffer, { x: -1, inner: { id: 1, label: "a" }, list: [1, 2] });
  const view = S.view(buffer);
  assert.equal(JSON.stringify(view), '{"x":-1,"inner":{"id":1,"label":"a"},"list":[1,2]}');
  assert.equal(JSON.stringify(view.inner), '{"id":1,"label":"a"}');
});

Deno.test("StructView: a field called toJSON is the field", () => {
  const view = struct({ toJSON: u8 }).view(Uint8Array.of(7).buffer);
  assert.equal(view.toJSON, 7);
});

Deno.test("StructView: every scalar has its accessor: the view agrees with read", () => {
  const buffer = filled();
  const view = All.view(buffer);
  const copy = All.read(buffer);
  for (const [name, field] of Object.entries(All.fields) as [keyof typeof copy, Field][]) {
    if (field.layout.kind === "scalar") assert.equal(view[name], copy[name]);
  }
});

Deno.test("StructView: a view is used as a plain object: keys, entries, spread, assign, rest", () => {
  const view = All.view(filled());
  const copy = All.read(filled());
  assert.deepEqual(Object.keys(view), Object.keys(All.fields));
  assert.deepEqual(Object.entries(view).map(([name]) => name), Object.keys(All.fields));
  assert.deepEqual({ ...view }.i32, copy.i32);
  const { i32: first, ...rest } = view;
  assert.deepEqual([first, rest.u64, rest.inner.id], [copy.i32, copy.u64, copy.inner.id]);
  assert.deepEqual(Object.assign({}, view.inner), copy.inner);
  assert.ok("i32" in view && Object.hasOwn(view, "i32") && !("i33" in view));
  assert.throws(() => delete (view as Record<string, unknown>)["i32"], TypeError);
  assert.throws(() => Object.defineProperty(view, "i32", { value: 1 }), TypeError);
});

Deno.test("StructView: a view is cloned as a plain object, also by postMessage", async () => {
  const buffer = filled();
  const clone = structuredClone(All.view(buffer, 0, { readOnly: true })) as unknown;
  assert.deepEqual(clone, All.read(buffer));
  const { port1, port2 } = new MessageChannel();
  const received = new Promise((resolve) => port2.onmessage = ({ data }) => resolve(data));
  port1.postMessage(All.view(buffer, 0, { readOnly: true }));
  assert.deepEqual(await received, All.read(buffer));
  port1.close();
  port2.close();
  const typed = structuredClone(All.view(buffer)) as unknown as { bigs: BigUint64Array };
  assert.deepEqual([...typed.bigs], All.read(buffer).bigs);
  const long = struct({ flags: array(bool, 5000) }).view(new ArrayBuffer(5000));
  assert.throws(() => structuredClone(long), { name: "DataCloneError" });
  // The fields of structs count, not the structs; a struct may have any number of fields
  const Pairs = (length: number): object => {
    const Some = struct({ pairs: array(struct({ a: i32, b: i32 }), length) });
    return Some.view(new ArrayBuffer(Some.size));
  };
  assert.throws(() => structuredClone(Pairs(2049)), { name: "DataCloneError" });
  assert.equal((structuredClone(Pairs(2048)) as { pairs: object[] }).pairs.length, 2048);
  const Wide = struct(Object.fromEntries(Array.from({ length: 4097 }, (_, i) => [`f${i}`, i32])));
  const wide = structuredClone(Wide.view(new ArrayBuffer(Wide.size))) as object;
  assert.equal(Object.keys(wide).length, 4097);
});

Deno.test("StructView: views are deeply equal if and only if their fields are", () => {
  const S = struct({
    ...Object.fromEntries(Object.entries(All.fields).map(([n, f]) => [n, f.layout])),
    lots: array(bool, 5000),
  });
  const bytes = new Uint8Array(S.size);
  const view = S.view(new ArrayBuffer(S.size));
  for (const readOnly of [false, true]) {
    const other = S.view(bytes.buffer, 0, { readOnly });
    if (!readOnly) assert.deepStrictEqual(view, other);
    for (const { offset, layout } of Object.values(S.fields)) {
      // The lowest byte of the first and of the last value in the field
      const last = layout.kind === "array" ? layout.size - layout.element.size : 0;
      for (const at of [offset, offset + last]) {
        bytes[at] = 1;
        assert.throws(() => assert.deepStrictEqual(view, other), assert.AssertionError);
        assert.throws(() => loose.deepEqual(view, other), assert.AssertionError);
        bytes[at] = 0;
      }
    }
  }
});

Deno.test("StructView: an accessor refuses what is not a view of its struct", () => {
  const One = struct({ a: u8, inner: Inner });
  const Other = struct({ a: u16, inner: Inner, c: u8 });
  const view = One.view(new ArrayBuffer(One.size));
  for (const name of ["a", "inner"]) {
    const { get, set } = Object.getOwnPropertyDescriptor(view, name)!;
    const readOnly = One.view(new ArrayBuffer(One.size), 0, { readOnly: true });
    for (
      const other of [Other.view(new ArrayBuffer(Other.size)), readOnly, {}, Object.create(view)]
    ) {
      const error = {
        name: "TypeError",
        message: `"${name}" is of a view of another struct, or read-only where this one is not`,
      };
      assert.throws(() => get!.call(other), error);
      assert.throws(() => set!.call(other, 1), error);
    }
  }
});

Deno.test("JSON: 64-bit integers and numbers that JSON lacks, as dump prints them", () => {
  const S = struct({
    big: u64,
    small: i64,
    f: f64,
    list: array(u64, 2),
    names: array(cString(2), 1),
  });
  const view = S.view(new ArrayBuffer(S.size));
  view.big = 2n ** 64n - 1n;
  view.small = -5n;
  view.f = NaN;
  view.list[1] = 2n ** 53n;
  assert.equal(
    JSON.stringify(view),
    '{"big":"18446744073709551615","small":-5,"f":"NaN","list":[0,"9007199254740992"],"names":[""]}',
  );
});
