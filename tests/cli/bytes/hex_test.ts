/** Bytes in hex and text: what the real `hexdump -C` prints, styles beside it, and narrow screens. */

import assert from "node:assert/strict";
import { output } from "../../support/foreign_objects.ts";
import { testWith } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";
import { random } from "../command_line.ts";
import {
  type ByteMark,
  hexLines,
  type HexOptions,
  hexRow,
  hexShape,
} from "../../../src/cli/bytes/hex.ts";
import type { Line } from "../../../src/cli/terminal/spans.ts";

const HEXDUMP = { tools: ["hexdump"], files: true };

function dump(bytes: Uint8Array | Iterable<Uint8Array>, options: HexOptions = {}): string {
  return Array.from(hexLines(bytes, options), (line) => `${line}\n`).join("");
}

/** Bytes with runs in them, some longer than a line, some that repeat a whole line. */
function repetitive(pick: (below: number) => number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const length = 1 + pick(pick(2) === 0 ? 4 : 70);
    if (at >= 16 && pick(3) === 0) bytes.copyWithin(at, at - 16, at);
    else bytes.fill(pick(2) * pick(256), at, at + length);
    at += length;
  }
  return bytes;
}

testWith(HEXDUMP, "hexLines: byte for byte what hexdump -C prints", () => {
  using folder = new TestFolder();
  const path = `${folder.path}/bytes`;
  const pick = random(11);
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);
  const samples = [
    ...[0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 49].map((size) => new Uint8Array(size)),
    every,
    Uint8Array.from({ length: 300 }, () => pick(256)),
    ...Array.from({ length: 60 }, () => repetitive(pick, pick(600))),
  ];
  let squeezed = 0;
  for (const bytes of samples) {
    Deno.writeFileSync(path, bytes);
    const expected = output("hexdump", "-C", path);
    assert.equal(dump(bytes), expected);
    assert.equal(dump(bytes, { repeat: true }), output("hexdump", "-Cv", path));
    const base = pick(bytes.length + 1);
    if (base > 0) {
      assert.equal(
        dump(bytes.subarray(base), { base }),
        output("hexdump", "-C", "-s", `${base}`, path),
      );
    }
    if (expected.includes("*\n")) squeezed++;
  }
  assert(squeezed > 20, `only ${squeezed} samples had lines to squeeze`);
});

Deno.test("hexLines: bytes that come in pieces are the same lines", () => {
  const pick = random(13);
  for (let round = 0; round < 100; round++) {
    const bytes = repetitive(pick, pick(500));
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = 16 * (1 + pick(4));
      pieces.push(bytes.subarray(at, at + length));
      at += length;
    }
    assert.equal(dump(pieces), dump(bytes));
  }
});

/** A row as text, the pieces of one style in brackets of their own. */
function shown(row: Line): string {
  return row.map(({ text, format }) =>
    format === "red" ? `(${text})` : format === "green" ? `[${text}]` : text
  ).join("");
}

Deno.test("hexRow: neighbours of one style are one piece, on both sides, across the gap too", () => {
  const bytes = new TextEncoder().encode("abcdefghijklmnop");
  const mark: ByteMark = (offset) =>
    offset < 0x12 ? "red" : offset < 0x14 ? "green" : offset < 0x16 ? undefined : "red";
  assert.equal(
    shown(hexRow(bytes, 0x10, undefined, mark)),
    "00000010  (61 62) [63 64] 65 66 (67 68  69 6a 6b 6c 6d 6e 6f 70)  |(ab)[cd]ef(ghijklmnop)|",
  );
  assert.equal(shown(hexRow(bytes, 0x11, hexShape(20, 64), mark)), "0011 (61) [62] (a)[b]");
});

Deno.test("hexRow: styles take no room", () => {
  const pick = random(14);
  for (let count = 0; count <= 16; count++) {
    const bytes = Uint8Array.from({ length: count }, () => 0x61 + pick(26));
    const marks = Array.from({ length: 16 }, () => ([undefined, "red", "green"] as const)[pick(3)]);
    const marked = shown(hexRow(bytes, 0, undefined, (offset) => marks[offset]));
    assert.equal(marked.replaceAll(/[()[\]]/g, ""), shown(hexRow(bytes, 0)));
  }
});

Deno.test("hexLines: a line is squeezed only if its styles are those of the one before it", () => {
  const lines = (mark: ByteMark | undefined): string[] =>
    [...hexLines(new Uint8Array(80), { mark })]
      .map((line) => line === "*" ? line : line.slice(0, 8));
  assert.deepEqual(lines(undefined), ["00000000", "*", "00000050"]);
  assert.deepEqual(lines(() => "red"), ["00000000", "*", "00000050"]);
  // One byte differs from its line before, and then the line after from it
  assert.deepEqual(
    lines((offset) => offset === 0x25 ? "red" : undefined),
    ["00000000", "*", "00000020", "00000030", "*", "00000050"],
  );
});

const BYTES = new TextEncoder().encode("hello, world\0\x1b[31m\x7f\xff!").slice(0, 19);

Deno.test("hexShape: as hexdump -C in 78 columns; on less fewer bytes, and never wider than that", () => {
  const rowIn = (columns: number, end = 4096, at = 0): string =>
    shown(hexRow(BYTES, at, hexShape(columns, end)));
  assert.equal(rowIn(78), shown(hexRow(BYTES, 0)));
  assert.equal(rowIn(77), "0000 68 65 6c 6c 6f 2c 20 77 hello, w");
  assert.equal(rowIn(40), "0000 68 65 6c 6c 6f 2c 20 77 hello, w");
  assert.equal(rowIn(30), "0000 68 65 6c 6c hell");
  assert.equal(rowIn(20), "0000 68 65 he");
  assert.equal(rowIn(1), "0000 68 h");
  assert.equal(rowIn(40, 0x123456, 16), "000010 68 65 6c 6c 6f 2c 20 77 hello, w");
  for (let columns = 9; columns < 100; columns++) assert(rowIn(columns).length <= columns);
  // Offsets of more than 8 digits
  assert.equal(rowIn(80, 2 ** 35 + 16, 2 ** 35), shown(hexRow(BYTES, 2 ** 35)));
  assert.match(rowIn(80, 2 ** 35 + 16), /^000000000 {2}68 /);
});
