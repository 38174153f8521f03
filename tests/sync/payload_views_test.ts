/** Views of payloads: the right bytes, and the same object where that is promised. */

import assert from "node:assert/strict";
import { RingViews, SMALL, SmallPayload } from "../../src/sync/payload_views.ts";

Deno.test("SmallPayload: payloads are copied through private memory, to the byte", () => {
  const small = new SmallPayload();
  assert(!small.has(new Uint8Array(8), 8), "it has no view yet");
  const ring = new BigUint64Array(SMALL / 8 + 2);
  const bytes = new Uint8Array(ring.buffer);
  bytes.forEach((_, i) => bytes[i] = i);
  for (let length = 0; length <= SMALL; length++) {
    const expected = Array.from({ length }, (_, i) => (8 + i) & 0xff);
    const view = small.load(ring, 1, length);
    assert.deepEqual([...view], expected);
    assert.equal(view, small.view(length), "one view for a length");
    assert(small.has(view, length) && !small.has(new Uint8Array(length), length));
    small.view(length).fill(0xaa);
    const target = new BigUint64Array(ring.length);
    small.store(target, 1, length);
    assert(new Uint8Array(target.buffer, 8, length).every((value) => value === 0xaa));
    const behind = 8 + Math.ceil(length / 8) * 8;
    assert(new Uint8Array(target.buffer, behind).every((value) => value === 0));
    assert.deepEqual([...new Uint8Array(target.buffer, 0, 8)], [0, 0, 0, 0, 0, 0, 0, 0]);
    // An array made beforehand is used once, and not if it is of another length
    small.copy(ring, 1, length);
    small.prepare();
    const copies = [length, length, 5].map((length) => small.copy(ring, 1, length));
    small.prepare();
    copies.push(small.copy(ring, 1, length), small.copy(ring, 1, 5));
    const five = [8, 9, 10, 11, 12];
    assert.deepEqual(copies.map((copy) => [...copy]), [expected, expected, five, expected, five]);
    assert.equal(new Set([view, ...copies]).size, 6, "each copy is an array of its own");
  }
});

Deno.test("SmallPayload: every bit arrives, also where the bytes would be a NaN", () => {
  const small = new SmallPayload();
  const words = BigUint64Array.of(
    0x7ff0000000000001n,
    0xfff4000000000000n,
    0x7ff8dead0000beefn,
    0xffffffffffffffffn,
    0x8000000000000000n,
    1n,
    0n,
    0x7fffffff80000000n,
  );
  // Until it is compiled, and then
  for (let i = 0; i < 20_000; i++) {
    for (const length of [64, 56]) {
      const copy = small.copy(words, 0, length);
      if (i % 1000 > 0) continue;
      assert.deepEqual(copy, new Uint8Array(words.buffer, 0, length));
    }
  }
});

Deno.test("RingViews: a view is over its place, and kept until another one replaces it", () => {
  const ring = new Uint8Array(new ArrayBuffer(8 + 1024), 8);
  const views = new RingViews(ring);
  for (const [offset, length] of [[8, 100], [16, 100], [8, 101], [8, 100], [512, 500]] as const) {
    const view = views.at(offset, length);
    assert.deepEqual([view.byteOffset, view.length, view.buffer], [
      8 + offset,
      length,
      ring.buffer,
    ]);
    assert.equal(views.at(offset, length), view);
  }
});
