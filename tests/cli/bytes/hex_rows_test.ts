/** Bytes on a screen: as hexdump has them where that fits, and on less where it does not. */

import assert from "node:assert/strict";
import { hexLine } from "../../../src/cli/bytes/hex_dump.ts";
import { hexRow, hexShape } from "../../../src/cli/bytes/hex_rows.ts";
import { type Line, lineWidth } from "../../../src/cli/terminal/spans.ts";

const BYTES = new TextEncoder().encode("hello, world\0\x1b[31m\x7f\xff!").slice(0, 19);
const text = (line: Line): string => line.map((span) => span.text).join("");

Deno.test("hexRow: in 78 columns the lines of hexdump -C", () => {
  const shape = hexShape(78, BYTES.length);
  for (const [at, count] of [[0, 16], [16, 16], [0, 8], [0, 9], [0, 1]] as const) {
    const bytes = BYTES.subarray(at, at + count);
    assert.equal(text(hexRow(bytes, at, shape)), hexLine(bytes, at));
  }
});

Deno.test("hexRow: fewer bytes where it is narrower, and never wider than that", () => {
  const rowIn = (columns: number): string => text(hexRow(BYTES, 0, hexShape(columns, 4096)));
  assert.equal(rowIn(77), "0000 68 65 6c 6c 6f 2c 20 77 hello, w");
  assert.equal(rowIn(40), "0000 68 65 6c 6c 6f 2c 20 77 hello, w");
  assert.equal(rowIn(30), "0000 68 65 6c 6c hell");
  assert.equal(rowIn(20), "0000 68 65 he");
  assert.equal(rowIn(1), "0000 68 h");
  assert.equal(
    text(hexRow(BYTES, 16, hexShape(40, 0x123456))),
    "000010 68 65 6c 6c 6f 2c 20 77 hello, w",
  );
  for (let columns = 9; columns < 100; columns++) {
    assert(lineWidth(hexRow(BYTES, 0, hexShape(columns, 4096))) <= columns);
  }
});

Deno.test("hexRow: offsets beyond 8 digits move nothing out of the line", () => {
  const shape = hexShape(80, 2 ** 35 + 16);
  assert.equal(text(hexRow(BYTES, 2 ** 35, shape)), hexLine(BYTES, 2 ** 35));
  assert.match(text(hexRow(BYTES, 0, shape)), /^000000000 {2}68 /);
});

Deno.test("hexRow: a byte that stands out does so on both sides, neighbours as one", () => {
  const row = hexRow(
    BYTES,
    0x10,
    hexShape(40, 64),
    (at) => at >= 0x11 && at < 0x13 ? "red" : undefined,
  );
  assert.deepEqual(row, [
    { text: "0010 68 " },
    { text: "65", format: "red" },
    { text: " " },
    { text: "6c", format: "red" },
    { text: " 6c 6f 2c 20 77 h" },
    { text: "el", format: "red" },
    { text: "lo, w" },
  ]);
});
