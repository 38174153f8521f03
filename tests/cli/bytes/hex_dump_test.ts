/** Bytes in hex and text: what the real `hexdump -C` prints for the same bytes, and marks beside it. */

import assert from "node:assert/strict";
import {
  hexLine,
  hexLines,
  type HexOptions,
  type Highlight,
} from "../../../src/cli/bytes/hex_dump.ts";
import { output } from "../../support/foreign_objects.ts";
import { testWith } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";
import { random } from "../command_line.ts";

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

testWith(HEXDUMP, "hexLines: offsets of more than eight digits, as hexdump prints them", () => {
  using folder = new TestFolder();
  const path = `${folder.path}/sparse`;
  const pick = random(12);
  // The eight digits end in the middle of it
  for (const base of [2 ** 31 - 40, 2 ** 32 - 40, 2 ** 32, 2 ** 36 + 5]) {
    const bytes = repetitive(pick, 100);
    using file = Deno.openSync(path, { write: true, create: true, truncate: true });
    file.seekSync(base, Deno.SeekMode.Start);
    file.writeSync(bytes);
    assert.equal(dump(bytes, { base }), output("hexdump", "-C", "-s", `${base}`, path));
  }
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

const round: Highlight = (text) => `(${text})`;
const square: Highlight = (text) => `[${text}]`;

Deno.test("hexLine: neighbours marked alike are one piece, on both sides, across the gap too", () => {
  const bytes = new TextEncoder().encode("abcdefghijklmnop");
  const mark = (offset: number): Highlight | undefined =>
    offset < 0x12 ? round : offset < 0x14 ? square : offset < 0x16 ? undefined : round;
  assert.equal(
    hexLine(bytes, 0x10, mark),
    "00000010  (61 62) [63 64] 65 66 (67 68  69 6a 6b 6c 6d 6e 6f 70)  |(ab)[cd]ef(ghijklmnop)|",
  );
});

Deno.test("hexLine: marks take no room", () => {
  const pick = random(14);
  for (let count = 0; count <= 16; count++) {
    const bytes = Uint8Array.from({ length: count }, () => 0x61 + pick(26));
    const marks = Array.from({ length: 16 }, () => [undefined, round, square][pick(3)]);
    const marked = hexLine(bytes, 0, (offset) => marks[offset]);
    assert.equal(marked.replaceAll(/[()[\]]/g, ""), hexLine(bytes, 0));
  }
});

Deno.test("hexLines: a line is squeezed only if it is marked as the one before it", () => {
  const lines = (mark: HexOptions["mark"]): string[] =>
    [...hexLines(new Uint8Array(80), mark === undefined ? {} : { mark })]
      .map((line) => line === "*" ? line : line.slice(0, 8));
  assert.deepEqual(lines(undefined), ["00000000", "*", "00000050"]);
  assert.deepEqual(lines(() => round), ["00000000", "*", "00000050"]);
  // One byte differs from its line before, and then the line after from it
  assert.deepEqual(
    lines((offset) => offset === 0x25 ? round : undefined),
    ["00000000", "*", "00000020", "00000030", "*", "00000050"],
  );
});
