/** The bytes of a latest value are those that docs/wire_format.md gives. */

import assert from "node:assert/strict";
import {
  cellSize,
  defaultCells,
  isCells,
  isLatestSize,
  isValueSize,
} from "../../src/latest/cells.ts";
import {
  CELL,
  CELLS,
  CELLS_OFFSET,
  CONTROL,
  HEADER,
  LARGE_CELL,
  LINE,
  MAGIC,
  SEMAPHORE,
  SEMAPHORE_COUNT,
  STRUCTS,
  VALUE_OFFSET,
  VALUE_SIZE,
  VERSION,
  WAITING,
  WRITER,
} from "../../src/latest/descriptor.ts";
import { fnv1a, layoutHash, layoutText } from "../../src/layout/layout_hash.ts";
import { MESSAGE_TYPE } from "../../src/layout/message_type.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

function offsets(layout: { readonly fields: object }): Record<string, number> {
  return Object.fromEntries(
    Object.entries(layout.fields).map(([name, { offset }]) => [name, offset]),
  );
}

Deno.test("HEADER and CELL: fields are at the offsets of the wire format", () => {
  assert.deepEqual(offsets(HEADER), {
    magic: 0,
    version: 4,
    layout_hash: 8,
    cells: 12,
    value_size: 16,
    reserved: 20,
    segment_size: 24,
    type: 32,
  });
  assert.deepEqual(offsets(CONTROL), { header: 0, writer: 128, waiting: 256 });
  assert.deepEqual(offsets(WRITER), { published: 0, opened: 4 });
  assert.deepEqual(offsets(WAITING), { waiting: 0 });
  assert.deepEqual(offsets(CELL), { number_low: 0, number_high: 4, length: 8, reserved: 12 });
  assert.deepEqual([CONTROL.size, CELL.size, LINE], [CELLS_OFFSET, VALUE_OFFSET, 128]);
  assert.deepEqual([CELLS_OFFSET, VALUE_OFFSET, MESSAGE_TYPE.size, VERSION], [384, 16, 96, 1]);
  assert.deepEqual(SEMAPHORE, { WRITER: 0, LOCK: 1, USERS: 2, DISPOSABLE: 3 });
  assert.equal(SEMAPHORE_COUNT, 4);
});

Deno.test("MAGIC: reads SHML", () => {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, MAGIC, true);
  assert.equal(new TextDecoder().decode(bytes), "SHML");
});

Deno.test("layoutHash: the hash of the structs is that of their text", () => {
  assert.equal(layoutHash(STRUCTS), fnv1a(layoutText(STRUCTS)));
  assert.match(layoutText(STRUCTS), /^HEADER:128\{magic@0\+4,.*\};WRITER:128\{.*CELL:16\{.*\}$/);
});

Deno.test("cellSize and defaultCells: a cell is a multiple of 128, and large ones are fewer", () => {
  assert.deepEqual([1, 112, 113, 1 << 30].map(cellSize), [128, 128, 256, (1 << 30) + 128]);
  const largest = LARGE_CELL - VALUE_OFFSET;
  assert.deepEqual([1, largest, largest + 1].map(defaultCells), [16, 16, 4]);
});

Deno.test("isCells and isValueSize: accept what the wire format allows, and nothing else", () => {
  assert.deepEqual([2, 4, 16, 4096].map(isCells), [true, true, true, true]);
  assert.deepEqual([0, 1, 3, 2.5, 8192, -2, NaN].map(isCells), new Array(7).fill(false));
  assert.deepEqual([1, 3, 1 << 30].map(isValueSize), [true, true, true]);
  assert.deepEqual([0, -1, 1.5, (1 << 30) + 1, NaN].map(isValueSize), new Array(5).fill(false));
  assert.deepEqual([CELLS.MIN, CELLS.MAX, VALUE_SIZE.MAX], [2, 4096, 2 ** 30]);
});

Deno.test("isLatestSize: accepts the size of every latest value, and no other number of semaphores", () => {
  for (const cells of [2, 16, 4096]) {
    for (const valueSize of [1, 112, 113, 1000]) {
      const size = CELLS_OFFSET + cells * cellSize(valueSize);
      assert(isLatestSize(size, SEMAPHORE_COUNT));
      assert(!isLatestSize(size, SEMAPHORE_COUNT + 1));
      assert(!isLatestSize(size + 1, SEMAPHORE_COUNT));
    }
  }
  const largest = CELLS_OFFSET + CELLS.MAX * cellSize(VALUE_SIZE.MAX);
  assert(isLatestSize(largest, SEMAPHORE_COUNT));
  for (const size of [0, 128, CELLS_OFFSET, CELLS_OFFSET + LINE, 2 * largest - CELLS_OFFSET]) {
    assert(!isLatestSize(size, SEMAPHORE_COUNT), String(size));
  }
});

testWith({ files: true }, "layoutHash: the page has the hash and its text", () => {
  const page = Deno.readTextFileSync(`${PROJECT}docs/wire_format.md`).split("\n## Latest\n")[1]!;
  const hash = `0x${layoutHash(STRUCTS).toString(16)}`;
  assert.equal(/`layout_hash` .* `(0x\w+)`; see below/.exec(page)?.[1], hash);
  const text = /```text\n(HEADER:.*?)```/s.exec(page)?.[1]?.replaceAll("\n", "");
  assert.equal(text, layoutText(STRUCTS));
});
