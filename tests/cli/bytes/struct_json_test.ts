/** Structs in JSON: what the commands print is what they take, and a mistake names its field. */

import assert from "node:assert/strict";
import { parseStruct } from "../../../mod.ts";
import { structFromJson } from "../../../src/cli/bytes/struct_json.ts";
import { bytesOf } from "../../../src/layout/bytes_of.ts";
import { jsonValue } from "../../../src/layout/json.ts";
import type { AnyStructLayout, Fields, StructLayout } from "../../../src/layout/layout.ts";

function structIn(text: string): StructLayout<Fields> {
  return parseStruct(text) as AnyStructLayout as StructLayout<Fields>;
}

const ALL = structIn(`
  struct inner { int8_t a; uint64_t b[2]; };
  struct all {
    bool flag; char letter; char name[8]; float f; double d[2][2]; int64_t big; uint32_t low : 3;
    uint64_t wide : 40; struct inner parts[2];
  };`);

const TEXT =
  '{"flag":true,"letter":"x","name":"äö","f":1.5,"d":[["NaN","-0"],["Infinity",1e+300]],' +
  '"big":"-9223372036854775808","low":5,"wide":1099511627775,' +
  '"parts":[{"a":-128,"b":["18446744073709551615",0]},{"a":0,"b":[9007199254740991,1]}]}';

Deno.test("structFromJson: takes what toJSON gives, of every kind of field", () => {
  const view = structFromJson(ALL, TEXT);
  assert.equal(JSON.stringify(view), TEXT);
  assert.equal(JSON.stringify(jsonValue(ALL.read(bytesOf(view).buffer))), TEXT);
});

const POINT = structIn(
  "struct head { uint64_t at; }; struct point { double x; struct head head; };",
);

Deno.test("structFromJson: refuses everything else, and names the field", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["", /^not JSON: /],
    ["{", /^not JSON: /],
    ["5", /^"value" takes an object/],
    ["null", /^"value" takes an object/],
    ["[]", /^"value" takes an object|is missing/],
    ['{"x":1}', /^"head" is missing$/],
    ['{"x":1,"head":{"at":1},"y":2}', /^"y" is not a field of this struct$/],
    ['{"x":"1","head":{"at":1}}', /^"x" takes a number \(f64\), got "1"$/],
    ['{"x":1,"head":{"at":-1}}', /^"head\.at" takes a bigint from 0 to 18446744073709551615/],
    ['{"x":1,"head":{"at":1.5}}', /^"head\.at" takes a bigint/],
    ['{"x":1,"head":{"at":9007199254740993}}', /^"head\.at": write an integer beyond 2\^53 - 1 as/],
    ['{"x":1,"head":{"at":1},"__proto__":{}}', /^"__proto__" is not a field/],
    ['{"x":1,"head":{"at":1,"constructor":1}}', /^"head\.constructor" is not a field/],
  ];
  for (const [text, message] of rows) {
    assert.throws(() => structFromJson(POINT, text), { message }, text);
  }
});
