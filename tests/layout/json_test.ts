/** Numbers and values in JSON. */

import assert from "node:assert/strict";
import { jsonNumber, jsonValue } from "../../src/layout/json.ts";

Deno.test("jsonNumber: what JSON or its readers would change is text", () => {
  const exact = 2n ** 53n - 1n;
  const cases: [value: number | bigint, json: number | string][] = [
    [0, 0],
    [-1.5, -1.5],
    [2 ** 60, 2 ** 60],
    [-0, "-0"],
    [NaN, "NaN"],
    [-Infinity, "-Infinity"],
    [5n, 5],
    [exact, Number(exact)],
    [exact + 1n, "9007199254740992"],
    [-exact - 1n, "-9007199254740992"],
  ];
  for (const [value, json] of cases) assert.equal(jsonNumber(value), json);
});

Deno.test("jsonValue: the same inside arrays and objects", () => {
  assert.deepEqual(jsonValue({ a: [1n, { b: NaN }], c: "x", d: true }), {
    a: [1, { b: "NaN" }],
    c: "x",
    d: true,
  });
});
