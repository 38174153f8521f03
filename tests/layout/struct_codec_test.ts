/** What makes the bytes of messages that are structs. */

import assert from "node:assert/strict";
import { cString } from "../../src/layout/c_string.ts";
import { i32, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";
import { StructCodec } from "../../src/layout/struct_codec.ts";

const Pair = struct({ a: i32, b: i32 });

Deno.test("StructCodec.encode: a value whose getter has another one encoded is not mixed with it", () => {
  const codec = new StructCodec(Pair);
  const inside: Uint8Array[] = [];
  const value = {
    a: 1,
    get b(): number {
      inside.push(codec.encode({ a: 3, b: 4 }).slice());
      assert.throws(() => codec.encode({ a: 5, b: "no number" as never }), TypeError);
      return 2;
    },
  };
  assert.deepEqual(Pair.read(codec.encode(value).slice().buffer), { a: 1, b: 2 });
  assert.deepEqual(inside.map(({ buffer }) => Pair.read(buffer)), [{ a: 3, b: 4 }]);
});

Deno.test("StructCodec.encode: nothing is left of the message before, also of one that was refused", () => {
  const Gaps = struct({ n: u8, wide: i32, name: cString(4) });
  const codec = new StructCodec(Gaps);
  codec.encode(Gaps.view(new Uint8Array(Gaps.size).fill(0x7f).buffer));
  assert.throws(() => codec.encode({ n: 1, wide: 2, name: "four" }), RangeError);
  const { length } = codec.encode({ n: 1, wide: 2, name: "x" });
  assert.deepEqual([...codec.encode({ n: 1, wide: 2, name: "x" })], [
    ...[1, 0, 0, 0],
    ...[2, 0, 0, 0],
    ...[120, 0, 0, 0],
  ]);
  assert.equal(length, Gaps.size);
});

Deno.test("StructCodec.encode: a field may have the name constructor", () => {
  const Odd = struct({ constructor: i32 });
  const codec = new StructCodec(Odd);
  for (const value of [{ constructor: 7 }, Odd.view(Int32Array.of(7).buffer)]) {
    assert.deepEqual([...codec.encode(value)], [7, 0, 0, 0]);
  }
});
