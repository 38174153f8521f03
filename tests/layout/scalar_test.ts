/** Scalars: every type to its bounds, against bytes written by hand. */

import assert from "node:assert/strict";
import type { Fields, Scalar, ScalarLayout, StructLayout } from "../../src/layout/layout.ts";
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

interface Case {
  layout: ScalarLayout;
  /** What to write, and the bytes that must then lie in memory. */
  good: [value: Scalar, bytes: number[]][];
  outOfRange: Scalar[];
  mistyped: unknown[];
}

const NOT_NUMBERS = ["1", 1n, true, null, undefined, {}, [1], Symbol("1"), new Number(1)];
const NOT_BIGINTS = ["1", 1, true, null, undefined, {}, Object(1n)];
const NO_INTEGERS = [0.5, NaN, Infinity, -Infinity];

const CASES: Case[] = [
  {
    layout: bool,
    good: [[false, [0]], [true, [1]]],
    outOfRange: [],
    mistyped: [0, 1, "true", null, undefined, {}],
  },
  {
    layout: char,
    good: [["\0", [0]], ["A", [0x41]], ["é", [0xe9]], ["ÿ", [0xff]]],
    outOfRange: ["", "AB", "Ā", "€", "😀"],
    mistyped: [65, null, undefined, {}, ["A"]],
  },
  {
    layout: i8,
    good: [[-128, [0x80]], [-1, [0xff]], [0, [0]], [127, [0x7f]]],
    outOfRange: [-129, 128, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: u8,
    good: [[0, [0]], [255, [0xff]]],
    outOfRange: [-1, 256, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: i16,
    good: [[-32768, [0, 0x80]], [-2, [0xfe, 0xff]], [32767, [0xff, 0x7f]]],
    outOfRange: [-32769, 32768, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: u16,
    good: [[0x0102, [2, 1]], [65535, [0xff, 0xff]]],
    outOfRange: [-1, 65536, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: i32,
    good: [[-(2 ** 31), [0, 0, 0, 0x80]], [2 ** 31 - 1, [0xff, 0xff, 0xff, 0x7f]]],
    outOfRange: [-(2 ** 31) - 1, 2 ** 31, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: u32,
    good: [[0x01020304, [4, 3, 2, 1]], [2 ** 32 - 1, [0xff, 0xff, 0xff, 0xff]]],
    outOfRange: [-1, 2 ** 32, ...NO_INTEGERS],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: i64,
    good: [
      [-(2n ** 63n), [0, 0, 0, 0, 0, 0, 0, 0x80]],
      [2n ** 63n - 1n, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ],
    outOfRange: [-(2n ** 63n) - 1n, 2n ** 63n],
    mistyped: NOT_BIGINTS,
  },
  {
    layout: u64,
    good: [
      [0x0102030405060708n, [8, 7, 6, 5, 4, 3, 2, 1]],
      [2n ** 64n - 1n, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
    ],
    outOfRange: [-1n, 2n ** 64n],
    mistyped: NOT_BIGINTS,
  },
  {
    layout: f32,
    good: [[1.5, [0, 0, 0xc0, 0x3f]], [-0, [0, 0, 0, 0x80]], [Infinity, [0, 0, 0x80, 0x7f]]],
    outOfRange: [],
    mistyped: NOT_NUMBERS,
  },
  {
    layout: f64,
    good: [
      [1.5, [0, 0, 0, 0, 0, 0, 0xf8, 0x3f]],
      [5e-324, [1, 0, 0, 0, 0, 0, 0, 0]],
      [NaN, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
    ],
    outOfRange: [],
    mistyped: NOT_NUMBERS,
  },
];

for (const { layout, good, outOfRange, mistyped } of CASES) {
  Deno.test(`${layout.name}: its bytes, at aligned and unaligned offsets`, () => {
    const S: StructLayout<Fields> = struct({ field: layout });
    for (const offset of [0, 3]) {
      const buffer = new ArrayBuffer(16);
      const view = S.view(buffer, offset);
      for (const [value, bytes] of good) {
        view.field = value;
        assert.deepEqual([...new Uint8Array(buffer, offset, layout.size)], bytes);
        assert.ok(Object.is(view.field, value), `${String(view.field)} is not ${String(value)}`);
        assert.ok(Object.is(S.read(buffer, offset).field, value));
        new Uint8Array(buffer).fill(0x5a);
        S.write(buffer, { field: value }, offset);
        assert.deepEqual([...new Uint8Array(buffer, offset, layout.size)], bytes);
      }
    }
  });

  Deno.test(`${layout.name}: refuses what it cannot hold and writes nothing`, () => {
    const buffer = new ArrayBuffer(8);
    const bytes = new Uint8Array(buffer).fill(0x5a);
    const S = struct({ field: layout });
    const view: { field: unknown } = S.view(buffer);
    const refused = [
      ...outOfRange.map((value) => ["RangeError", value]),
      ...mistyped.map((value) => ["TypeError", value]),
    ];
    for (const [name, value] of refused) {
      const error = { name, message: /^"field" takes / };
      assert.throws(() => view.field = value, error);
      assert.throws(() => S.write(buffer, { field: value as never }), error);
    }
    assert.ok(bytes.every((byte) => byte === 0x5a));
  });
}

Deno.test("bool: every byte but 0 is true", () => {
  const buffer = Uint8Array.of(0, 1, 2, 0xff).buffer;
  const Flag = struct({ on: bool });
  assert.deepEqual([0, 1, 2, 3].map((at) => Flag.view(buffer, at).on), [false, true, true, true]);
});

Deno.test("f32: rounds to the nearest float", () => {
  const view = struct({ x: f32 }).view(new ArrayBuffer(4));
  view.x = 0.1;
  assert.equal(view.x, Math.fround(0.1));
});

Deno.test("i32 and others: an error names the field, the value and the range", () => {
  const view = struct({ count: i8 }).view(new ArrayBuffer(1));
  assert.throws(() => view.count = 300, {
    message: '"count" takes an integer from -128 to 127 (i8), got 300',
  });
  const wide = struct({ count: u64 }).view(new ArrayBuffer(8));
  assert.throws(() => wide.count = -1n, {
    message: '"count" takes a bigint from 0 to 18446744073709551615 (u64), got -1n',
  });
});
