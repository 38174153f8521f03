/** Arrays as layouts: what they are, and what is refused. */

import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { Layout } from "../../src/layout/layout.ts";
import { i32, i64, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

Deno.test("array: size and alignment come from the element", () => {
  const cases: [layout: Layout, size: number, alignment: number][] = [
    [array(u8, 3), 3, 1],
    [array(i64, 3), 24, 8],
    [array(array(i32, 2), 3), 24, 4],
    [array(cString(5), 2), 10, 1],
    [array(struct({ a: u8, b: i32 }), 2), 16, 4],
  ];
  for (const [layout, size, alignment] of cases) {
    assert.deepEqual([layout.size, layout.alignment], [size, alignment]);
  }
});

Deno.test("array: the length is a positive integer and the whole can be addressed", () => {
  for (const length of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => array(u8, length), RangeError);
  }
  assert.equal(array(u8, 2 ** 53 - 1).size, 2 ** 53 - 1);
  assert.throws(() => array(i64, 2 ** 51), RangeError);
});

Deno.test("array: the element is a layout, and not an aligned one: C has no such arrays", () => {
  for (const element of [undefined, null, 5, "u8", {}, aligned(u8, 2)]) {
    assert.throws(() => array(element as Layout, 1), {
      name: "TypeError",
      message: /takes a layout/,
    });
  }
});
