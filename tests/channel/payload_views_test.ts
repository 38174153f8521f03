/** Views of payloads: the right bytes, and the same object where that is promised. */

import assert from "node:assert/strict";
import { RingViews, SMALL, SmallPayload } from "../../src/channel/payload_views.ts";

Deno.test("small payloads go through private memory, whole and to the byte", () => {
  const small = new SmallPayload();
  const ring = new Int32Array(64);
  const bytes = new Uint8Array(ring.buffer);
  bytes.forEach((_, i) => bytes[i] = i);
  for (let length = 0; length <= SMALL; length++) {
    const view = small.load(ring, 2, length);
    assert.deepEqual([...view], Array.from({ length }, (_, i) => 8 + i));
    assert.equal(view, small.view(length), "one view for a length");
    small.view(length).fill(0xaa);
    const target = new Int32Array(64);
    small.store(target, 1, length);
    assert(new Uint8Array(target.buffer, 4, length).every((value) => value === 0xaa));
    const behind = 4 + Math.ceil(length / 4) * 4;
    assert(new Uint8Array(target.buffer, behind).every((value) => value === 0));
    assert.deepEqual([...new Uint8Array(target.buffer, 0, 4)], [0, 0, 0, 0]);
  }
});

Deno.test("views over a ring are at their place, and kept while the place has no other", () => {
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
