/** The fields of a struct as rows: all of them, each where it lies, and the rest counted. */

import assert from "node:assert/strict";
import { countFields, type FieldRow, fieldRows } from "../../../src/cli/bytes/struct_fields.ts";
import { parseStruct } from "../../../src/cparse/parse_struct.ts";
import { randomStructs } from "../../cparse/random_struct.ts";
import { random } from "../command_line.ts";

function shown({ path, offset, size, type, text }: FieldRow): readonly unknown[] {
  return [path, offset, size, type, text];
}

Deno.test("fieldRows: nested structs field by field, arrays as one, in memory order", () => {
  const layout = parseStruct(`
    struct Point { int16_t x, y; };
    struct Shape { bool filled; struct Point at; struct Point corners[2]; uint8_t tag[3]; char name[5]; };
  `);
  const bytes = new Uint8Array(layout.size);
  bytes.set([1, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 8, 9, 0x68, 0x69]);
  assert.deepEqual(fieldRows(layout, bytes).map(shown), [
    ["filled", 0, 1, "bool", "true"],
    ["at.x", 2, 2, "int16_t", "1"],
    ["at.y", 4, 2, "int16_t", "2"],
    ["corners[0].x", 6, 2, "int16_t", "3"],
    ["corners[0].y", 8, 2, "int16_t", "4"],
    ["corners[1].x", 10, 2, "int16_t", "5"],
    ["corners[1].y", 12, 2, "int16_t", "6"],
    ["tag", 14, 3, "uint8_t[3]", "{7, 8, 9}"],
    ["name", 17, 5, "char[5]", '"hi"'],
  ]);
  assert.deepEqual(fieldRows(layout, bytes).map(({ value }) => value), [
    ...[true, 1, 2, 3, 4, 5, 6, [7, 8, 9], "hi"],
  ]);
});

Deno.test("fieldRows: the first eight structs of an array, and a row for the rest", () => {
  const of = (length: number, full = false): (readonly unknown[])[] => {
    const layout = parseStruct(`struct { uint16_t x; } p[${length}]; uint16_t end`);
    const bytes = new Uint8Array(layout.size).fill(1);
    return fieldRows(layout, bytes, { full }).map(shown).slice(7, -1);
  };
  const eighth = ["p[7].x", 14, 2, "uint16_t", "257"];
  assert.deepEqual(of(8), [eighth]);
  assert.deepEqual(of(9), [eighth, ["p[8]", 16, 2, "struct[1]", "not shown"]]);
  assert.deepEqual(of(100), [eighth, ["p[8..99]", 16, 184, "struct[92]", "not shown"]]);
  assert.equal(of(100, true).length, 93);
  assert.deepEqual(of(100, true).at(-1), ["p[99].x", 198, 2, "uint16_t", "257"]);

  const grid = parseStruct("struct { uint8_t x; } g[2][10]");
  const rest = fieldRows(grid, new Uint8Array(20)).filter(({ value }) => value === null);
  assert.deepEqual(rest.map(shown), [
    ["g[0][8..9]", 8, 2, "struct[2]", "not shown"],
    ["g[1][8..9]", 18, 2, "struct[2]", "not shown"],
  ]);
});

Deno.test("fieldRows: every byte is in one row at most, and none is outside", () => {
  const pick = random(31);
  for (const layout of randomStructs(32, 300)) {
    const bytes = Uint8Array.from({ length: layout.size }, () => pick(256));
    const base = pick(1000);
    for (const full of [false, true]) {
      const rows = fieldRows(layout, bytes, { base, full });
      let end = base;
      for (const { path, offset, size, text } of rows) {
        assert(offset >= end, `${path} begins before the one before it ends`);
        end = offset + size;
        assert.match(text, /^[^\p{C}\p{Zl}\p{Zp}]+$/u);
      }
      assert(end <= base + layout.size);
      assert.equal(new Set(rows.map(({ path }) => path)).size, rows.length);
      assert.equal(countFields(layout, { full }, Infinity), rows.length);
      assert.equal(countFields(layout, { full }, 2), Math.min(rows.length, 3));
    }
  }
});

Deno.test("countFields: looks no further than the limit", () => {
  const layout = parseStruct("struct { uint8_t x; } p[4503599627370496]");
  assert.equal(countFields(layout, { full: true }, 10), 11);
  assert.equal(countFields(layout, {}, 10), 9);
});
