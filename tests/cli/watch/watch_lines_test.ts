/** What `watch` makes of two copies: a line or a record a change, complete and bounded. */

import assert from "node:assert/strict";
import { parseStruct } from "../../../mod.ts";
import { type Change, changes } from "../../../src/cli/watch/watch_lines.ts";
import { watchLook } from "./watch_fixture.ts";

/** Bytes that begin with this text. */
function bytes(text: string, size = 64): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(size);
  all.set(new TextEncoder().encode(text));
  return all;
}

const texts = (found: Iterable<Change>): string[] => Array.from(found, ({ text }) => text);
const records = (found: Iterable<Change>): object[] => Array.from(found, ({ json }) => json);

const BYTES = { offset: 0x10, layout: undefined };
const time = new Date(2026, 0, 2, 3, 4, 5, 67).toISOString();

Deno.test("changes: a run of bytes is a line, a long one its beginning", () => {
  const look = watchLook(bytes("abc"), bytes("abd\0hello, world"));
  assert.deepEqual(texts(changes(look, BYTES)), [
    "03:04:05.067  00000012  63 -> 64",
    "03:04:05.067  00000014  00 00 00 00 00 00 00 00 .. -> 68 65 6c 6c 6f 2c 20 77 .. (12 bytes)",
  ]);
  assert.deepEqual(texts(changes(watchLook(look.now, look.now), BYTES)), []);
});

Deno.test("changes: the records have all bytes, in pieces of 4096", () => {
  const now = new Uint8Array(10_000).fill(0xab, 1);
  const [first, second, third, ...none] = records(
    changes(watchLook(bytes("", 10_000), now), BYTES),
  );
  assert.deepEqual(first, {
    time,
    offset: 17,
    size: 4096,
    old: "00".repeat(4096),
    new: "ab".repeat(4096),
  });
  assert.deepEqual(second, { ...first, offset: 17 + 4096 });
  assert.deepEqual(third, {
    time,
    offset: 17 + 8192,
    size: 1807,
    old: "00".repeat(1807),
    new: "ab".repeat(1807),
  });
  assert.deepEqual(none, []);
});

const LAYOUT = parseStruct(
  "bool can_read; char msg[20]; double x; struct { int a; char b; } p[10];",
);
const FIELDS = { offset: 0x100, layout: LAYOUT };

/** The struct, all zeros but for what is written. */
function fields(
  write: (view: Record<string, unknown>, data: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(LAYOUT.size);
  write(LAYOUT.view(data.buffer), data);
  return data;
}

Deno.test("changes: fields and their values", () => {
  const before = fields((view) => view.msg = "before");
  const now = fields((view, data) => {
    view.msg = "a\x1b[2J";
    view.x = NaN;
    data[0] = 120;
    (view.p as { a: number }[])[1]!.a = -7;
  });
  const look = watchLook(before, now);
  assert.deepEqual(texts(changes(look, FIELDS)), [
    "03:04:05.067  can_read  false -> true (byte 0x78)",
    '03:04:05.067  msg  "before" -> "a\\x1b[2J"',
    "03:04:05.067  x  0 -> NaN",
    "03:04:05.067  p[1].a  0 -> -7",
  ]);
});

Deno.test("changes: ignores padding, and tells what changed beyond the shown text", () => {
  const before = fields((view) => view.msg = "same");
  const now = fields((view, data) => {
    view.msg = "same";
    data[19] = 1;
    data[22] = 1; // between msg and x
    (view.p as { a: number }[])[9]!.a = 1;
  });
  const look = watchLook(before, now);
  assert.deepEqual(texts(changes(look, FIELDS)), [
    '03:04:05.067  msg  "same" -> "same" (further on)',
    "03:04:05.067  p[8..9]  not shown -> not shown (further on)",
  ]);
  assert.deepEqual(records(changes(look, FIELDS)).at(-1), {
    time,
    path: "p[8..9]",
    offset: 0x100 + 32 + 64,
    size: 16,
    type: "struct[2]",
    old: null,
    new: null,
  });
});

Deno.test("changes: values of any length make a line of bounded length", () => {
  const layout = parseStruct("char text[65536]; int numbers[4096];");
  const now = new Uint8Array(layout.size).fill(0x41);
  for (
    const text of texts(changes(watchLook(new Uint8Array(layout.size), now), { offset: 0, layout }))
  ) {
    assert(text.length < 140, text);
  }
});
