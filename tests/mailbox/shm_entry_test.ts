/** The classic struct: its bytes, and what hostile bytes do to it. */

import assert from "node:assert/strict";
import { Segment, ShmEntry } from "../../mod.ts";
import {
  LAYOUT,
  MAX_TEXT_BYTES,
  SEGMENT_SIZE,
  SEMAPHORE,
  SEMAPHORE_COUNT,
} from "../../src/mailbox/descriptor.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** A new entry that goes at the end of the block. */
function scratch(): ShmEntry {
  const entry = ShmEntry.open(freshKey());
  entry.segment.remove();
  return entry;
}

Deno.test("SEGMENT_SIZE: that of the layout", () => {
  assert.equal(SEGMENT_SIZE, LAYOUT.size);
});

Deno.test("ShmEntry.layout is the classic one", () => {
  const { size, alignment, fields } = ShmEntry.layout;
  assert.deepEqual([size, alignment, fields.can_read.offset, fields.msg.offset], [2049, 1, 0, 1]);
  assert.deepEqual([fields.can_read.size, fields.msg.size, MAX_TEXT_BYTES], [1, 2048, 2047]);
  assert.deepEqual(Object.values(SEMAPHORE), [0, 1, 2, 3, 4, 5]);
  assert.equal(SEMAPHORE_COUNT, 6);
});

Deno.test("ShmEntry: flag and text are at the offsets of C", () => {
  using entry = scratch();
  entry.msg = "é!";
  entry.canRead = true;
  const bytes = entry.segment.read();
  assert.deepEqual([...bytes.subarray(0, 6)], [1, 0xc3, 0xa9, 0x21, 0, 0]);
  assert.equal(bytes.subarray(6).some((byte) => byte !== 0), false);
  entry.canRead = false;
  assert.equal(entry.segment.read(0, 1)[0], 0);
});

Deno.test("ShmEntry.msg: a shorter text leaves nothing of a longer one", () => {
  using entry = scratch();
  entry.msg = "secret ".repeat(292);
  entry.msg = "x";
  assert.equal(entry.segment.read(2).some((byte) => byte !== 0), false);
});

Deno.test("ShmEntry.msg: 2047 bytes fit, 2048 bytes or a NUL are refused, and then nothing is written", () => {
  using entry = scratch();
  const full = "é".repeat(1023) + "x";
  entry.msg = full;
  assert.equal(entry.msg, full);
  assert.throws(() => entry.msg = full + "y", { name: "RangeError", message: /2048.*2049: 2048/ });
  assert.throws(() => entry.msg = "é".repeat(1024), RangeError);
  assert.throws(() => entry.msg = "a\0b", { name: "RangeError", message: /NUL.*position 1/ });
  assert.equal(entry.msg, full);
});

Deno.test("ShmEntry.msg: any bytes are read as text", () => {
  using entry = scratch();
  entry.segment.write(new Uint8Array(2049).fill(0xff));
  assert.equal(entry.canRead, true);
  assert.equal(entry.msg, "\ufffd".repeat(2048));
  entry.segment.write(new Uint8Array(2048).fill(0x41), 1);
  assert.equal(entry.msg, "A".repeat(2048));
  entry.segment.write(new Uint8Array([0xe2, 0x82]), 2047);
  assert.equal(entry.msg, "A".repeat(2046) + "\ufffd");
});

Deno.test("ShmEntry.tryClear succeeds once, for any value that is not 0", () => {
  using entry = scratch();
  assert.equal(entry.tryClear(), false);
  for (const flag of [1, 0xff]) {
    entry.segment.write(Uint8Array.of(flag));
    assert.equal(entry.tryClear(), true);
    assert.equal(entry.tryClear(), false);
  }
});

Deno.test("ShmEntry.open keeps an existing struct, and creates a missing one", () => {
  const key = freshKey();
  using first = ShmEntry.open(key);
  try {
    first.msg = "unread";
    first.canRead = true;
    using second = ShmEntry.open(key);
    assert.deepEqual([first.segment.created, second.segment.created], [true, false]);
    assert.deepEqual([second.canRead, second.msg], [true, "unread"]);
  } finally {
    first.segment.remove();
  }
});

Deno.test("ShmEntry.open: a segment of another size is refused", () => {
  for (const size of [2048, 2050, 4096]) {
    const key = freshKey();
    using segment = Segment.create({ key, size });
    try {
      assert.throws(() => ShmEntry.open(key), {
        name: "ShmError",
        code: "EINVAL",
        message: new RegExp(`${size} bytes`),
      });
      assert.equal(segment.stat().nattch, 1);
    } finally {
      segment.remove();
    }
  }
});
