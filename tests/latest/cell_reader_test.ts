/** Readers of cells get whole values or notice it, however the steps of a writer lie between their own. */

import assert from "node:assert/strict";
import { ShmError } from "../../mod.ts";
import { HEADER } from "../../src/latest/descriptor.ts";
import { beforeLoads, ScratchCells, valueOf } from "./scratch_cells.ts";

const MOST = 2 ** 32;

Deno.test("CellReader: a value that is whole is the one that was published, with the writer anywhere", () => {
  for (const cells of [2, 4, 8]) {
    for (const first of [0, 3, MOST - 2]) {
      for (let published = 0; published <= 2 * cells; published++) {
        for (const half of [false, true]) {
          const scratch = new ScratchCells(cells);
          scratch.startAt(first);
          const writer = scratch.writer();
          writer.write(valueOf(1), 24);
          const reader = scratch.reader();
          const length = reader.begin();
          const { offset, number } = reader;
          for (let n = 0; n < published; n++) writer.write(valueOf(2 + n), 24);
          if (half) scratch.beginNext();
          const copy = scratch.memory.bytes.slice(offset, offset + length);
          const where = `${cells} cells, ${published} publications${half ? " and a half" : ""}`;
          const whole = reader.isWhole();
          // Progress: an attempt fails only if the writer has begun `cells` - 1 publications
          assert.equal(whole, published <= cells - 2, where);
          if (whole) assert.deepEqual([copy, number], [valueOf(1), first + 1], where);
        }
      }
    }
  }
});

Deno.test("CellReader.load: returns a whole value, wherever between its loads the writer acts", () => {
  for (const cells of [2, 4]) {
    for (let at = 0; at < 10; at++) {
      for (let published = 0; published <= 2 * cells; published++) {
        const scratch = new ScratchCells(cells);
        const writer = scratch.writer();
        const write = (): number => writer.write(valueOf(writer.number + 1), 24);
        write();
        const reader = scratch.reader();
        const act = (load: number): void => {
          if (load !== at) return;
          for (let n = 0; n < published; n++) write();
          scratch.beginNext();
        };
        beforeLoads(act, () => reader.load());
        assert.deepEqual(reader.own.slice(0, 24), valueOf(reader.number), `load ${at}`);
      }
    }
  }
});

Deno.test("CellReader.load: returns the newest value and its number", () => {
  const scratch = new ScratchCells(4);
  const reader = scratch.reader();
  reader.load();
  assert.equal(reader.number, 0);
  const writer = scratch.writer();
  for (let n = 1; n <= 9; n++) {
    const length = n % 3 === 0 ? 0 : n + 10;
    writer.write(valueOf(n, length), length);
    assert.deepEqual([reader.load(), reader.number], [length, n]);
    assert.deepEqual(reader.own.slice(0, length), valueOf(n, length));
    assert.deepEqual(reader.copy(), valueOf(n, length));
    assert.deepEqual([reader.look(), reader.isAt(n), reader.isAt(n - 1)], [n, true, false]);
  }
});

Deno.test("CellReader.copy: copies again while it is overtaken, and gives the newest then", () => {
  const scratch = new ScratchCells(4, 1000);
  const writer = scratch.writer();
  const write = (): number => writer.write(valueOf(writer.number + 1, 1000), 1000);
  write();
  let times = 2;
  const reader = scratch.reader(
    0,
    scratch.hooked(() => {
      for (let n = 0; times > 0 && n < 3; n++) write();
      times--;
    }),
  );
  assert.deepEqual(reader.copy(), valueOf(7, 1000));
  assert.deepEqual([reader.number, times], [7, -1]);
});

Deno.test("CellReader: 1000 overtaken copies are an error, and the next read works", () => {
  const scratch = new ScratchCells(2, 1000);
  const writer = scratch.writer();
  writer.write(valueOf(1, 1000), 1000);
  let times = 0;
  const reader = scratch.reader(
    0,
    scratch.hooked(() => {
      if (times++ < 2000) writer.write(valueOf(2, 1000), 1000);
    }),
  );
  assert.throws(() => reader.copy(), { code: "EAGAIN" });
  assert.throws(() => reader.load(), { code: "EAGAIN" });
  assert.equal(times, 2000);
  assert.deepEqual(reader.copy(), valueOf(2, 1000));
});

Deno.test("CellReader: numbers go on beyond 2^32", () => {
  const scratch = new ScratchCells(2);
  scratch.startAt(MOST - 2);
  const writer = scratch.writer();
  const reader = scratch.reader();
  for (let number = MOST - 1; number <= MOST + 3; number++) {
    writer.write(valueOf(number), 24);
    assert.deepEqual([reader.load(), reader.number, writer.number], [24, number, number]);
    assert.deepEqual(reader.own.slice(0, 24), valueOf(number));
  }
  assert.equal(scratch.writer().number, MOST + 3);
});

Deno.test("CellReader: a reader that was stopped for 2^32 publications notices it", () => {
  const scratch = new ScratchCells(4);
  scratch.startAt(5, 7);
  const reader = scratch.reader();
  reader.begin();
  const before = reader.number;
  scratch.startAt(5, 8);
  assert(!reader.isWhole());
  reader.load();
  assert.equal(reader.number, before + MOST);
});

Deno.test("CellReader: one that was stopped between its first loads for 2^32 - 1 publications notices it", () => {
  const scratch = new ScratchCells(4);
  scratch.startAt(5, 7);
  const reader = scratch.reader();
  let length = 0;
  beforeLoads((load) => {
    if (load !== 1) return;
    // The writer has begun to overwrite the cell of 5 with publication 2^32 after it
    scratch.startAt(4, 8);
    scratch.memory.words[scratch.word(5, "HIGH")] = 8;
  }, () => length = reader.begin());
  assert.equal(length, 24);
  scratch.published = 5;
  assert(!reader.isWhole());
});

Deno.test("CellReader: what a killed writer has begun is not seen, and the next writer goes on", () => {
  const scratch = new ScratchCells(2);
  scratch.writer().write(valueOf(1), 24);
  scratch.beginNext();
  const reader = scratch.reader();
  assert.deepEqual([reader.load(), reader.number], [24, 1]);
  assert.deepEqual(reader.copy(), valueOf(1));
  const next = scratch.writer();
  next.write(valueOf(2), 24);
  assert.deepEqual([reader.copy(), reader.number], [valueOf(2), 2]);
});

/** What a faulty process writes: each is an error of the next read, as long as it is there. */
const FAULTS: Readonly<Record<string, (scratch: ScratchCells) => void>> = {
  "a length that is too large": (scratch) => {
    scratch.memory.words[scratch.word(3, "LENGTH")] = 25;
  },
  "a length below 0": (scratch) => {
    scratch.memory.words[scratch.word(3, "LENGTH")] = -1;
  },
  "another number in the cell": (scratch) => {
    scratch.memory.words[scratch.word(3, "LOW")] = 7;
  },
  "a number above 2^53": (scratch) => {
    scratch.memory.words[scratch.word(3, "HIGH")] = 1 << 21;
  },
  "a negative number": (scratch) => {
    scratch.memory.words[scratch.word(3, "HIGH")] = -1;
  },
  "a number that was not published yet": (scratch) => {
    scratch.published = 4;
  },
};

for (const [fault, make] of Object.entries(FAULTS)) {
  Deno.test(`CellReader: ${fault} is ECORRUPT for readers and the next writer, until there is a new value`, () => {
    const scratch = new ScratchCells(4);
    const writer = scratch.writer();
    for (let n = 1; n <= 3; n++) writer.write(valueOf(n), 24);
    make(scratch);
    const reader = scratch.reader();
    for (const read of ["load", "copy", "look"] as const) {
      assert.throws(() => reader[read](), { code: "ECORRUPT" }, read);
    }
    if (!fault.includes("length")) assert.throws(() => scratch.writer(), { code: "ECORRUPT" });
    if (scratch.published !== 3) return;
    writer.write(valueOf(4), 24);
    assert.deepEqual(reader.copy(), valueOf(4));
  });
}

Deno.test("CellReader: where values are structs, every other length is ECORRUPT", () => {
  const scratch = new ScratchCells(4);
  const reader = scratch.reader(24);
  assert.equal(reader.load(), -1);
  assert.equal(reader.number, 0);
  const writer = scratch.writer();
  writer.write(valueOf(1, 23), 23);
  assert.throws(() => reader.load(), { code: "ECORRUPT", message: /length 23, where every value/ });
  writer.write(valueOf(2), 24);
  assert.equal(reader.load(), 24);
});

Deno.test("CellWriter: another number in memory than it published is ECORRUPT, and nothing is written", () => {
  const scratch = new ScratchCells(4);
  const writer = scratch.writer();
  writer.write(valueOf(1), 24);
  scratch.published = 9;
  const before = scratch.memory.bytes.slice();
  assert.throws(() => writer.write(valueOf(2), 24), { code: "ECORRUPT" });
  assert.deepEqual(scratch.memory.bytes, before);
  scratch.published = 1;
  writer.write(valueOf(2), 24);
  assert.deepEqual([scratch.published, writer.number, scratch.wakes], [2, 2, 2]);
});

Deno.test("CellReader: random words are values, or one clear error", () => {
  const scratch = new ScratchCells(4);
  const words = scratch.memory.words;
  const reader = scratch.reader();
  for (let i = 0; i < 20_000; i++) {
    const at = HEADER.size / 4 + i % (words.length - HEADER.size / 4);
    words[at] = i % 3 === 0 ? i % 5 : (Math.random() * MOST) | 0;
    try {
      const length = reader.load();
      assert(reader.number === 0 || (length >= 0 && length <= 24));
    } catch (error) {
      assert(ShmError.is(error, "ECORRUPT"), String(error));
    }
  }
});
