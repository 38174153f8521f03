/** The bytes behind a view: of all of it, and of one field. */

import assert from "node:assert/strict";
import { array } from "../../src/layout/array.ts";
import { bytesOf } from "../../src/layout/bytes_of.ts";
import { cString } from "../../src/layout/c_string.ts";
import { bool, i16, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

const Inner = struct({ a: u8, b: i16 });
const S = struct({ name: cString(3), inner: Inner, flags: array(bool, 2) });

Deno.test("bytesOf: a copy of a field, of a struct with its padding, and of an array", () => {
  const bytes = Uint8Array.from({ length: S.size + 2 }, (_, i) => i + 1);
  for (const readOnly of [false, true]) {
    const view = S.view(bytes.buffer, 1, { readOnly });
    assert.deepEqual(bytesOf(view), bytes.slice(1, 1 + S.size));
    assert.deepEqual(bytesOf(view, "name"), Uint8Array.of(2, 3, 4));
    assert.deepEqual(bytesOf(view, "inner"), Uint8Array.of(6, 7, 8, 9));
    assert.deepEqual(bytesOf(view.inner), Uint8Array.of(6, 7, 8, 9));
    assert.deepEqual(bytesOf(view.flags), Uint8Array.of(10, 11));
    bytesOf(view).fill(0);
    assert.equal(bytes[1], 2);
  }
});

Deno.test("bytesOf: refuses what is not a view, and memory that is gone", () => {
  const buffer = new ArrayBuffer(S.size);
  const view = S.view(buffer);
  for (const value of [{}, [], null, 5, new Uint8Array(1), Object.create(view)]) {
    assert.throws(() => bytesOf(value), /^TypeError: "view" takes a live view, got /);
  }
  assert.throws(() => bytesOf(view, "other"), {
    name: "TypeError",
    message: '"other" is not a field of this view',
  });
  assert.throws(() => bytesOf(view, "toString"), TypeError);
  assert.throws(() => bytesOf(view.flags, "length"), TypeError);
  buffer.transfer();
  assert.throws(() => bytesOf(view, "name"), /^TypeError: the memory under this view is gone/);
});
