/** A range of bytes in pieces; `read_command_test.ts` checks which ranges are refused. */

import assert from "node:assert/strict";
import { Segment } from "../../../mod.ts";
import { pieces } from "../../../src/cli/bytes/byte_range.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";

guardAgainstLeaks();

Deno.test("pieces: every byte once, in multiples of a hex dump's lines", () => {
  using segment = Segment.create({ size: 3 * 2 ** 20 });
  segment.remove();
  const words = new Uint32Array(segment.buffer);
  words.forEach((_, i) => words[i] = i);
  const range = { offset: 5, length: 2 * 2 ** 20 + 77 };
  const found = [...pieces(segment, range)];
  assert(found.length > 1);
  for (const piece of found.slice(0, -1)) assert.equal(piece.length % 16, 0);
  let at = range.offset;
  for (const piece of found) {
    assert(piece.every((byte, i) => byte === segment.bytes[at + i]));
    at += piece.length;
  }
  assert.equal(at, range.offset + range.length);
  assert.deepEqual([...pieces(segment, { offset: 5, length: 0 })], []);
});
