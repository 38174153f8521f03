/**
 * The types. These tests are done once this file compiles: `deno test` and `deno check` fail where
 * inference gives anything else.
 */
import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type {
  AnyStructLayout,
  ArrayOfViews,
  ArrayView,
  Fields,
  InputOf,
  ReadonlyArrayView,
  ReadonlyViewOf,
  StructLayout,
  ValueOf,
  ViewOf,
} from "../../src/layout/layout.ts";
import { bool, char, f64, i32, i64, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

/** `true` if the two types are the same, `any` apart. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

const Inner = struct({ id: i64, on: bool });
const All = struct({
  x: i32,
  y: f64,
  grade: char,
  name: cString(16),
  tag: array(u8, 4),
  inner: Inner,
  far: aligned(i64, 64),
  many: array(Inner, 2),
  grid: array(array(f64, 2), 2),
  texts: array(cString(4), 2),
}, { pack: 8 });

type InnerView = { id: bigint; on: boolean };
type InnerInput = { readonly id: bigint; readonly on: boolean };

Deno.test("types: views", () => {
  const same: [
    Same<ViewOf<typeof All>["x"], number>,
    Same<ViewOf<typeof All>["grade"], string>,
    Same<ViewOf<typeof All>["name"], string>,
    Same<ViewOf<typeof All>["tag"], ArrayView<number, number>>,
    Same<ViewOf<typeof All>["far"], bigint>,
    Same<ViewOf<typeof Inner>, InnerView>,
    Same<ViewOf<typeof All>["inner"], InnerView>,
    Same<ViewOf<typeof All>["many"], ArrayOfViews<InnerView, InnerInput>>,
    Same<ViewOf<typeof All>["grid"], ArrayOfViews<ArrayView<number>, ArrayLike<number>>>,
    Same<ViewOf<typeof All>["texts"], ArrayView<string, string | Uint8Array>>,
    Same<ReturnType<typeof All.view>, ViewOf<typeof All>>,
  ] = [true, true, true, true, true, true, true, true, true, true, true];
  assert.ok(same.every(Boolean));
});

Deno.test("types: read-only views", () => {
  const view = All.view(new ArrayBuffer(All.size), 0, { readOnly: true });
  type ReadonlyInner = { readonly id: bigint; readonly on: boolean };
  const same: [
    Same<typeof view, ReadonlyViewOf<typeof All>>,
    Same<typeof view["tag"], ReadonlyArrayView<number>>,
    Same<typeof view["inner"], ReadonlyInner>,
    Same<typeof view["many"], ReadonlyArrayView<ReadonlyInner>>,
    Same<typeof view["grid"], ReadonlyArrayView<ReadonlyArrayView<number>>>,
  ] = [true, true, true, true, true];
  assert.ok(same.every(Boolean));
  const readable: ReadonlyViewOf<typeof All> = All.view(new ArrayBuffer(All.size));
  assert.equal(readable.x, 0);
  const mistakes: (() => void)[] = [
    // @ts-expect-error it is read-only
    () => view.x = 1,
    // @ts-expect-error so is what is inside
    () => view.inner.on = true,
    // @ts-expect-error and the elements of arrays
    () => view.tag[0] = 1,
    // @ts-expect-error and of arrays of structs
    () => view.many[0]!.on = true,
    // @ts-expect-error and whole arrays
    () => view.tag.set([1]),
  ];
  for (const mistake of mistakes) assert.throws(mistake, TypeError);
});

Deno.test("types: what reads an array is typed as what it returns", () => {
  const view = All.view(new ArrayBuffer(All.size));
  const ids = view.many.map(({ id }) => id);
  const doubled = view.tag.map((byte) => byte * 2);
  const same: [
    Same<typeof ids, bigint[]>,
    Same<typeof doubled, ArrayLike<number> & Iterable<number>>,
  ] = [true, true];
  // @ts-expect-error a typed array cannot hold texts: [...view.tag].map(String) can
  const texts = view.tag.map(String);
  assert.deepEqual([ids, [...doubled], [...texts], same.length], [[0n, 0n], [0, 0, 0, 0], [
    0,
    0,
    0,
    0,
  ], 2]);
});

Deno.test("types: values and inputs", () => {
  const same: [
    Same<ValueOf<typeof Inner>, InnerView>,
    Same<ValueOf<typeof All>["tag"], number[]>,
    Same<ValueOf<typeof All>["many"], InnerView[]>,
    Same<ValueOf<typeof All>["grid"], number[][]>,
    Same<ValueOf<typeof All>["far"], bigint>,
    Same<InputOf<typeof Inner>, InnerInput>,
    Same<InputOf<typeof All>["tag"], ArrayLike<number>>,
    Same<InputOf<typeof All>["many"], ArrayLike<InnerInput>>,
    Same<ReturnType<typeof All.read>, ValueOf<typeof All>>,
  ] = [true, true, true, true, true, true, true, true, true];
  assert.ok(same.every(Boolean));
});

Deno.test("types: typed arrays are array views, views and values are inputs", () => {
  const numbers: ArrayView<number> = new Uint8Array(1);
  const bigs: ArrayView<bigint> = new BigInt64Array(1);
  const buffer = new ArrayBuffer(All.size);
  const fromView: InputOf<typeof All> = All.view(buffer);
  const fromValue: InputOf<typeof All> = All.read(buffer);
  assert.ok([numbers, bigs, fromView, fromValue].every(Boolean));
});

Deno.test("types: a function over any struct needs no cast", () => {
  function viewOf<F extends Fields>(layout: StructLayout<F>): ViewOf<StructLayout<F>> {
    return layout.view(new ArrayBuffer(layout.size));
  }
  const view = viewOf(All);
  const same: [Same<typeof view, ViewOf<typeof All>>] = [true];
  const any: AnyStructLayout = All;
  view.inner.id = 1n;
  assert.deepEqual([view.inner.id, any.size, same], [1n, All.size, [true]]);
});

Deno.test("types: mistakes do not compile", () => {
  const view = All.view(new ArrayBuffer(All.size));
  const mistakes: (() => void)[] = [
    // @ts-expect-error an i32 is a number
    () => view.x = 1n,
    // @ts-expect-error an i64 is a bigint
    () => view.far = 1,
    // @ts-expect-error there is no such field
    () => view.z = 1,
    // @ts-expect-error a number is no text
    () => view.texts[0] = 1,
    // @ts-expect-error an element that is a struct or an array is copied into, with set
    () => view.grid[0] = [1, 2],
    // @ts-expect-error every field is needed
    () => Inner.write(new ArrayBuffer(16), { id: 1n }),
    // @ts-expect-error pack takes 1, 2, 4, 8 or 16
    () => struct({ a: u8 }, { pack: 3 }),
    // @ts-expect-error a struct is made of layouts
    () => struct({ a: "u8" }),
    // @ts-expect-error C has no arrays of aligned elements
    () => array(aligned(u8, 8), 2),
  ];
  for (const mistake of mistakes) assert.throws(mistake);
});
