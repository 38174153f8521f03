/** The hash that protocols and message types are recognised by. */

import assert from "node:assert/strict";
import { struct, u32, u64 } from "../../mod.ts";
import { fnv1a, layoutHash, layoutText } from "../../src/layout/layout_hash.ts";

Deno.test("fnv1a: the hashes of draft-eastlake-fnv, also of a text in parts", () => {
  assert.deepEqual(["", "a", "foobar"].map((text) => fnv1a(text)), [
    0x811c9dc5,
    0xe40c292c,
    0xbf9cf968,
  ]);
  assert.equal(fnv1a("bar", fnv1a("foo")), 0xbf9cf968);
});

Deno.test("layoutText: every struct and field with offset and size, and layoutHash is its hash", () => {
  const structs = { PAIR: struct({ a: u32, b: u64 }), ONE: struct({ c: u32 }) };
  assert.equal(layoutText(structs), "PAIR:16{a@0+4,b@8+8};ONE:4{c@0+4}");
  assert.equal(layoutHash(structs), fnv1a("PAIR:16{a@0+4,b@8+8};ONE:4{c@0+4}"));
  assert.equal(layoutHash(structs), layoutHash({ ...structs }));
});
