/** Which bytes of a segment are meant: within it or refused, whatever the numbers. */

import assert from "node:assert/strict";
import { Segment } from "../../../mod.ts";
import { pieces, rangeIn, rangeWanted } from "../../../src/cli/bytes/byte_range.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { CommandFailure, UsageError } from "../../../src/cli/errors.ts";

guardAgainstLeaks();

const SEGMENT = { id: 7, size: 100 };
const MOST = Number.MAX_SAFE_INTEGER;

Deno.test("rangeIn: up to the end unless a length is said, and its edges", () => {
  const range = (offset: number, length?: number): unknown => rangeIn(SEGMENT, { offset, length });
  assert.deepEqual(range(0), { offset: 0, length: 100 });
  assert.deepEqual(range(99), { offset: 99, length: 1 });
  assert.deepEqual(range(100), { offset: 100, length: 0 });
  assert.deepEqual(range(0, 100), { offset: 0, length: 100 });
  assert.deepEqual(range(40, 60), { offset: 40, length: 60 });
  assert.deepEqual(range(100, 0), { offset: 100, length: 0 });
});

Deno.test("rangeIn: what is beyond the end is refused with both numbers", () => {
  const refused = (offset: number, length: number | undefined, message: string): void =>
    assert.throws(() => rangeIn(SEGMENT, { offset, length }), new CommandFailure(message));
  refused(101, undefined, "segment 7 has 100 bytes: offset 101 is beyond its end");
  refused(101, 0, "segment 7 has 100 bytes: offset 101 is beyond its end");
  refused(0, 101, "segment 7 has 100 bytes: from offset 0 there are 100, not 101");
  refused(100, 1, "segment 7 has 100 bytes: from offset 100 there are 0, not 1");
  refused(MOST, MOST, `segment 7 has 100 bytes: offset ${MOST} is beyond its end`);
  refused(1, MOST, `segment 7 has 100 bytes: from offset 1 there are 99, not ${MOST}`);
});

Deno.test("rangeWanted: sizes as everywhere, and what is none names the option", () => {
  assert.deepEqual(rangeWanted({}), { offset: 0, length: undefined });
  assert.deepEqual(rangeWanted({ offset: "0x10", length: "64K" }), { offset: 16, length: 65536 });
  assert.throws(() => rangeWanted({ offset: "-1" }), {
    constructor: UsageError,
    message: /^option --offset: "-1" is not a size /,
  });
  assert.throws(
    () => rangeWanted({ length: "many" }),
    /^Error: option --length: "many" is not a size /,
  );
});

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
