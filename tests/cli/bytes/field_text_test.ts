/** What a field of a struct holds: as text for people, and as a value for JSON. */

import assert from "node:assert/strict";
import {
  fieldText,
  type FieldValue,
  fieldValue,
  type Leaf,
  typeText,
} from "../../../src/cli/bytes/field_text.ts";
import { array } from "../../../src/layout/array.ts";
import { cString } from "../../../src/layout/c_string.ts";
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
} from "../../../src/layout/scalar.ts";
import { struct } from "../../../src/layout/struct.ts";
import { randomStructs } from "../../cparse/random_struct.ts";
import { random } from "../command_line.ts";

function data(bytes: readonly number[] | Uint8Array | string): DataView {
  const copy = typeof bytes === "string" ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes);
  return new DataView(copy.buffer);
}

function little(size: number, set: (view: DataView) => void): number[] {
  const view = new DataView(new ArrayBuffer(size));
  set(view);
  return [...new Uint8Array(view.buffer)];
}

function check(
  layout: Leaf,
  bytes: readonly number[] | string,
  text: string,
  value: FieldValue,
): void {
  assert.equal(fieldText(layout, data(bytes), 0, false), text);
  assert.deepEqual(fieldValue(layout, data(bytes), 0), value);
}

Deno.test("fieldText: integers by their size and sign", () => {
  check(i8, [0x80], "-128", -128);
  check(u8, [0x80], "128", 128);
  check(i16, [0xfe, 0xff], "-2", -2);
  check(u16, [0xfe, 0xff], "65534", 65534);
  check(i32, [0, 0, 0, 0x80], "-2147483648", -2147483648);
  check(u32, [0, 0, 0, 0x80], "2147483648", 2147483648);
});

Deno.test("fieldText: 64 bits, a number in JSON if it is exact, or its digits", () => {
  const is = (value: bigint): number[] => little(8, (view) => view.setBigInt64(0, value, true));
  check(i64, is(-1n), "-1", -1);
  check(u64, is(-1n), "18446744073709551615", "18446744073709551615");
  check(i64, is(2n ** 53n - 1n), "9007199254740991", 9007199254740991);
  check(i64, is(2n ** 53n), "9007199254740992", "9007199254740992");
  check(i64, is(-(2n ** 53n)), "-9007199254740992", "-9007199254740992");
  check(i64, is(-(2n ** 53n) + 1n), "-9007199254740991", -9007199254740991);
});

Deno.test("fieldText: bool, 0 and 1, and what is neither", () => {
  check(bool, [0], "false", false);
  check(bool, [1], "true", true);
  check(bool, [2], "true (byte 0x02)", 2);
  check(bool, [0xff], "true (byte 0xff)", 255);
});

Deno.test("fieldText: floats in the shortest digits; exactly in JSON, or by name", () => {
  const f = (value: number): number[] => little(4, (view) => view.setFloat32(0, value, true));
  const d = (value: number): number[] => little(8, (view) => view.setFloat64(0, value, true));
  check(f32, f(0.1), "0.1", Math.fround(0.1));
  check(f32, f(16777217), "16777216", 16777216);
  check(f32, f(1 / 3), "0.33333334", Math.fround(1 / 3));
  check(f64, d(0.1), "0.1", 0.1);
  check(f64, d(-0), "-0", "-0");
  check(f32, f(-0), "-0", "-0");
  for (const [layout, of] of [[f32, f], [f64, d]] as const) {
    for (const value of [NaN, Infinity, -Infinity]) {
      check(layout, of(value), String(value), String(value));
    }
  }
});

Deno.test("fieldText: a float's text is that float and no other", () => {
  const pick = random(21);
  for (let round = 0; round < 2000; round++) {
    const bytes = data(Array.from({ length: 4 }, () => pick(256)));
    const value = bytes.getFloat32(0, true);
    assert(Object.is(Math.fround(Number(fieldText(f32, bytes, 0, false))), value), `${value}`);
  }
});

Deno.test("fieldText: char in C's quotes, or its number", () => {
  check(char, "A", "'A'", "A");
  check(char, "'", "'\\''", "'");
  check(char, '"', "'\"'", '"');
  check(char, "\\", "'\\\\'", "\\");
  check(char, [0], "'\\x00'", "\0");
  check(char, [10], "'\\n'", "\n");
  check(char, [0x1b], "'\\x1b'", "\x1b");
  check(char, [0xe9], "'\\xe9'", "\xe9");
});

Deno.test("fieldText: char[] up to its NUL, and whether there is one", () => {
  check(cString(6), "hello\0", '"hello"', "hello");
  check(cString(6), "hi\0xyz", '"hi"', "hi");
  check(cString(6), "\0bcdef", '""', "");
  check(cString(5), "hello", '"hello" (no NUL)', "hello");
});

Deno.test("fieldText: char[] as UTF-8, quotes escaped, everything else by its bytes", () => {
  const text = (bytes: readonly number[] | string): string =>
    fieldText(cString(data(bytes).byteLength), data(bytes), 0, false);
  assert.equal(text("wörld 漢字 😀\0"), '"wörld 漢字 😀"');
  assert.equal(text("say \"hi\" \\n 'x'\0"), '"say \\"hi\\" \\\\n \'x\'"');
  assert.equal(text("\x1b[2J\x07\r\n\t\x7f\0"), '"\\x1b[2J\\x07\\r\\n\\t\\x7f"');
  assert.equal(
    text("\x9b31m\u202e\u2028\u200b\ufeff\ue000\0"),
    '"\\x9b31m\\u{202e}\\u{2028}\\u{200b}\\u{feff}\\u{e000}"',
  );
  // Cut short, overlong, a surrogate, beyond Unicode, a lone continuation
  assert.equal(text([0xc3, 0]), '"\\xc3"');
  assert.equal(text([0xc3, 0x41, 0]), '"\\xc3A"');
  assert.equal(text([0xe6, 0xbc, 0]), '"\\xe6\\xbc"');
  assert.equal(text([0xc0, 0x80, 0]), '"\\xc0\\x80"');
  assert.equal(text([0xe0, 0x80, 0x80, 0]), '"\\xe0\\x80\\x80"');
  assert.equal(text([0xed, 0xa0, 0x80, 0]), '"\\xed\\xa0\\x80"');
  assert.equal(text([0xf5, 0x80, 0x80, 0x80, 0]), '"\\xf5\\x80\\x80\\x80"');
  assert.equal(text([0xff, 0xfe, 0x80, 0]), '"\\xff\\xfe\\x80"');
});

Deno.test("fieldValue: char[] that is no UTF-8 has U+FFFD; a byte order mark stays", () => {
  assert.equal(fieldValue(cString(4), data([0x61, 0xff, 0x62, 0]), 0), "a\ufffdb");
  assert.equal(fieldValue(cString(4), data([0xef, 0xbb, 0xbf, 0]), 0), "\ufeff");
});

Deno.test("fieldText: the beginning of long strings and arrays, or all of it", () => {
  const long = data(`${"ö".repeat(100)}\0`);
  assert.equal(
    fieldText(cString(300), data([...new Uint8Array(long.buffer), ...Array(99).fill(0)]), 0, false),
    `"${"ö".repeat(64)}"... (200 bytes)`,
  );
  assert.equal(fieldText(cString(201), long, 0, true), `"${"ö".repeat(100)}"`);
  assert.equal(
    fieldText(cString(70), data("a".repeat(70)), 0, false),
    `"${"a".repeat(64)}"... (70 bytes, no NUL)`,
  );
  assert.equal(
    fieldText(cString(65), data(`${"a".repeat(64)}\0`), 0, false),
    `"${"a".repeat(64)}"`,
  );

  const ten = data([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(fieldText(array(u8, 10), ten, 0, false), "{1, 2, 3, 4, 5, 6, 7, 8, ... 2 more}");
  assert.equal(fieldText(array(u8, 8), ten, 0, false), "{1, 2, 3, 4, 5, 6, 7, 8}");
  assert.equal(fieldText(array(u8, 10), ten, 0, true), "{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}");
  assert.deepEqual(fieldValue(array(u8, 10), ten, 0), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  check(array(array(i8, 2), 2), [1, 255, 3, 4], "{{1, -1}, {3, 4}}", [[1, -1], [3, 4]]);
  check(array(cString(3), 2), "a\0xbcd", '{"a", "bcd" (no NUL)}', ["a", "bcd"]);
});

Deno.test("typeText: as C writes it", () => {
  assert.equal(typeText(u64), "uint64_t");
  assert.equal(typeText(cString(2048)), "char[2048]");
  assert.equal(typeText(array(array(f64, 4), 3)), "double[3][4]");
  assert.equal(typeText(array(cString(5), 2)), "char[2][5]");
  assert.equal(typeText(array(struct({ x: i32 }), 7)), "struct[7]");
});

Deno.test("fieldText, fieldValue: one printable line and JSON, for any bytes", () => {
  const pick = random(22);
  for (const layout of randomStructs(23, 300)) {
    const bytes = data(Array.from({ length: layout.size }, () => pick(256)));
    for (const field of Object.values(layout.fields)) {
      const leaf = field.layout;
      if (leaf.kind === "struct" || typeText(leaf).startsWith("struct")) continue;
      for (const full of [false, true]) {
        assert.match(
          fieldText(leaf as Leaf, bytes, field.offset, full),
          /^[^\p{C}\p{Zl}\p{Zp}]+$/u,
        );
      }
      JSON.stringify(fieldValue(leaf as Leaf, bytes, field.offset), (_, value) => {
        assert(
          typeof value === "string" || typeof value === "boolean" || Array.isArray(value) ||
            Number.isFinite(value),
          `JSON has no ${value}`,
        );
        return value;
      });
    }
  }
});
