/** Text in `char[n]`: never cut inside a character, never read past its end. */

import assert from "node:assert/strict";
import { cString } from "../../src/layout/c_string.ts";
import { bytesOf } from "../../src/layout/bytes_of.ts";
import { u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

const encoder = new TextEncoder();

/** A text field of `size` bytes between two guard bytes, all 0xee. */
function field(size: number): { view: { text: string }; bytes: Uint8Array; all: Uint8Array } {
  const S = struct({ before: u8, text: cString(size), after: u8 });
  const all = new Uint8Array(S.size).fill(0xee);
  return { view: S.view(all.buffer), bytes: all.subarray(1, 1 + size), all };
}

Deno.test("cString: every length up to the last byte, whatever the width of the characters", () => {
  for (const character of ["a", "é", "€", "😀"]) {
    for (let before = 0; before < 5; before++) {
      const text = "x".repeat(before) + character;
      const { length } = encoder.encode(text);

      const fits = field(length + 1);
      fits.view.text = text;
      assert.deepEqual([...fits.bytes], [...encoder.encode(text), 0]);
      assert.equal(fits.view.text, text);
      assert.deepEqual([fits.all[0], fits.all.at(-1)], [0xee, 0xee]);

      const short = field(length);
      assert.throws(() => short.view.text = text, {
        name: "RangeError",
        message: `"text" has ${length} bytes, got a text that needs ${
          length + 1
        }: ${length} and a NUL`,
      });
      assert.ok(short.all.every((byte) => byte === 0xee));
    }
  }
});

Deno.test("cString: a text longer than the scratch memory is refused with its true length", () => {
  const { view, all } = field(4);
  assert.throws(() => view.text = "€".repeat(1000), /got a text that needs 3001: 3000 and a NUL$/);
  assert.ok(all.every((byte) => byte === 0xee));
});

Deno.test("cString: a shorter text leaves nothing of the longer one before it", () => {
  const { view, bytes } = field(8);
  view.text = "1234567";
  view.text = "ab";
  assert.deepEqual([...bytes], [0x61, 0x62, 0, 0, 0, 0, 0, 0]);
});

Deno.test("cString: text with a NUL is refused by its position", () => {
  const { view, all } = field(8);
  for (const [text, position] of [["\0", 0], ["ab\0", 2], ["é\0c", 1]] as const) {
    assert.throws(() => view.text = text, {
      name: "RangeError",
      message: `"text" takes text without NUL, got one at position ${position}`,
    });
  }
  assert.ok(all.every((byte) => byte === 0xee));
});

Deno.test("cString: anything but a string is refused", () => {
  const { view, all } = field(8);
  for (const value of [1, null, undefined, {}, ["a"], new String("a")]) {
    assert.throws(() => (view as { text: unknown }).text = value, {
      name: "TypeError",
      message: /^"text" takes a string, got /,
    });
  }
  assert.ok(all.every((byte) => byte === 0xee));
});

Deno.test("cString: reads to the first NUL, or to the end where there is none", () => {
  const { view, bytes } = field(4);
  bytes.set([0x61, 0, 0x62, 0]);
  assert.equal(view.text, "a");
  bytes.set([0, 0x61, 0x61, 0x61]);
  assert.equal(view.text, "");
  bytes.fill(0x61);
  assert.equal(view.text, "aaaa");
});

Deno.test("cString: no NUL in a field as long as the scratch memory, and longer", () => {
  for (const size of [255, 256, 257, 5000]) {
    const { view, bytes } = field(size);
    bytes.fill(0x61);
    assert.equal(view.text, "a".repeat(size));
    view.text = "b".repeat(size - 1);
    assert.equal(view.text, "b".repeat(size - 1));
  }
});

Deno.test("cString: what another field left in the scratch memory is not seen", () => {
  field(300).view.text = "z".repeat(299);
  const { view, bytes } = field(3);
  bytes.fill(0x61);
  assert.equal(view.text, "aaa");
});

Deno.test("cString: invalid UTF-8 reads as U+FFFD, a lone surrogate is written as it", () => {
  const { view, bytes } = field(4);
  bytes.set([0x61, 0xff, 0x62, 0]);
  assert.equal(view.text, "a\ufffdb");
  bytes.set([0x61, 0xe2, 0x82, 0]); // the first two bytes of €
  assert.equal(view.text, "a\ufffd");
  view.text = "\ud800";
  assert.equal(view.text, "\ufffd");
});

Deno.test("cString: a byte order mark is text", () => {
  const { view } = field(8);
  view.text = "\ufeffa";
  assert.equal(view.text, "\ufeffa");
});

Deno.test("cString: the empty text, also where only it fits", () => {
  const { view, bytes } = field(1);
  view.text = "";
  assert.deepEqual([...bytes], [0]);
  assert.equal(view.text, "");
  assert.throws(() => view.text = "a", RangeError);
});

Deno.test("cString: works over shared memory of this process", () => {
  const view = struct({ text: cString(8) }).view(new SharedArrayBuffer(8));
  view.text = "é";
  assert.equal(view.text, "é");
});

Deno.test("cString: full text has no NUL, and one byte more is refused", () => {
  const S = struct({
    grid: cString(6, { full: true }),
    one: cString(1, { full: true }),
    after: u8,
  });
  const all = new Uint8Array(S.size).fill(0xee);
  const view = S.view(all.buffer);
  view.grid = "FN42ab";
  view.one = "x";
  assert.deepEqual([...all], [...encoder.encode("FN42abx"), 0xee]);
  assert.deepEqual([view.grid, view.one], ["FN42ab", "x"]);
  view.grid = "ab";
  assert.deepEqual([...all.subarray(0, 6)], [0x61, 0x62, 0, 0, 0, 0]);
  assert.throws(() => view.grid = "FN42abc", {
    name: "RangeError",
    message: '"grid" has 6 bytes, got a text that needs 7',
  });
  assert.throws(() => view.grid = "a\0", RangeError);
  assert.equal(view.grid, "ab");
  assert.equal(S.fields.grid.layout.full, true);
  assert.match(S.declare("S"), /char grid\[6\];/);
  assert.throws(() => cString(4, { fill: true } as never), TypeError);
});

Deno.test("cString: the text that the field has is set without an error and without a change", () => {
  for (const bytes of [[0x61, 0x62, 0x63, 0x64], [0xff, 0xfe, 0xfd, 0xfc], [0xe9, 0, 0x62, 0xff]]) {
    const { view, bytes: field4, all } = field(4);
    field4.set(bytes);
    view.text = `${view.text}`;
    if (bytes[1] !== 0) assert.deepEqual([...all], [0xee, ...bytes, 0xee]);
  }
  const { view, bytes } = field(4);
  bytes.fill(0x61);
  assert.throws(() => view.text = "aaab", RangeError);
  assert.deepEqual([...bytes], [0x61, 0x61, 0x61, 0x61]);
});

Deno.test("cString: bytes are written as they are, with NULs behind them", () => {
  const S = struct({ before: u8, text: cString(4), after: u8 });
  const all = new Uint8Array(S.size).fill(0xee);
  const view = S.view(all.buffer);
  Object.assign(view, { text: Uint8Array.of(0xff, 0, 0xfe) });
  assert.deepEqual([...all], [0xee, 0xff, 0, 0xfe, 0, 0xee]);
  assert.deepEqual(bytesOf(view, "text"), Uint8Array.of(0xff, 0, 0xfe, 0));
  S.write(all.buffer, { before: 1, text: Uint8Array.of(1, 2, 3, 4), after: 2 });
  assert.deepEqual([...all], [1, 1, 2, 3, 4, 2]);
  for (
    const [bytes, error] of [
      [new Uint8Array(5), { name: "RangeError", message: '"text" has 4 bytes, got 5' }],
      [new Uint16Array(1), { name: "TypeError", message: /^"text" takes a string/ }],
      [Object.create(Uint8Array.prototype), { name: "TypeError" }],
    ] as const
  ) assert.throws(() => Object.assign(view, { text: bytes }), error);
  assert.deepEqual([...all], [1, 1, 2, 3, 4, 2]);
});

Deno.test("cString: the size is a positive integer", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => cString(size), RangeError);
  }
  assert.deepEqual({ ...cString(16) }, { kind: "cString", size: 16, alignment: 1 });
});
