/** Fields with an alignment of their own. */

import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { i32, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

Deno.test("aligned: raises the alignment of the field and of its struct", () => {
  const S = struct({ a: u8, b: aligned(u8, 32) });
  assert.deepEqual([S.fields.b.offset, S.alignment, S.size], [32, 32, 64]);
  assert.deepEqual({ ...S.fields.b }, { offset: 32, size: 1, layout: u8, align: 32 });
});

Deno.test("aligned: never lowers it", () => {
  const S = struct({ a: u8, b: aligned(i32, 2) });
  assert.deepEqual([S.fields.b.offset, S.alignment], [4, 4]);
});

Deno.test("aligned: bounded by pack, as gcc does", () => {
  const S = struct({ a: u8, b: aligned(i32, 16) }, { pack: 2 });
  assert.deepEqual([S.fields.b.offset, S.alignment, S.size], [2, 2, 6]);
});

Deno.test("aligned: takes a power of two that gcc takes", () => {
  for (const align of [0, -2, 3, 0.5, NaN, Infinity, 2 ** 29, "8" as unknown as number]) {
    const name = typeof align === "number" ? "RangeError" : "TypeError";
    assert.throws(() => aligned(u8, align), { name });
  }
  assert.equal(aligned(u8, 2 ** 28).align, 2 ** 28);
});

Deno.test("aligned: takes a layout that is not aligned yet", () => {
  for (const layout of [undefined, null, "u8", aligned(u8, 2)]) {
    assert.throws(() => aligned(layout as never, 4), TypeError);
  }
});
