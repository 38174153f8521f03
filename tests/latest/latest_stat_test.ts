/** Latest values seen from outside, without joining them. */

import assert from "node:assert/strict";
import { Channel, Latest, Segment, struct, u32 } from "../../mod.ts";
import { CONTROL_WORD } from "../../src/latest/cell_memory.ts";
import { listLatests, statLatest } from "../../src/latest/mod.ts";
import { messageType } from "../../src/layout/message_type.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

const Pair = struct({ a: u32, b: u32 });

Deno.test("statLatest: shows the shape, the newest version, the writer and the users", () => {
  using latest = Latest.of(Pair, { key: freshKey(), cells: 4, persistent: true });
  const before = statLatest(latest.id);
  assert.deepEqual({ ...before, segment: before.segment.id, setId: 0 }, {
    segment: latest.id,
    setId: 0,
    size: 8,
    cells: 4,
    length: 0,
    version: 0,
    opened: 0,
    writerPid: undefined,
    users: 1,
    persistent: true,
    typeHash: messageType(Pair).hash,
  });
  using other = Latest.open(latest.key);
  using readOnly = Latest.open(latest.key, { readOnly: true });
  using writer = other.writer();
  writer.write(new Uint8Array(8));
  writer.write(new Uint8Array(8));
  const { length, version, opened, writerPid, users } = statLatest(readOnly.id);
  assert.deepEqual([length, version, opened, writerPid, users], [8, 2, 1, Deno.pid, 2]);
  latest.remove();
});

Deno.test("statLatest: other objects are EFORMAT", () => {
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 4096 });
  using segment = Segment.create({ size: 640 });
  segment.remove();
  for (const id of [channel.id, segment.id]) {
    assert.throws(() => statLatest(id), { code: "EFORMAT" });
  }
});

Deno.test("listLatests: has all of them, also one whose words make no sense", () => {
  using latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  using other = Latest.openOrCreate({ key: freshKey(), size: 100_000 });
  using segment = Segment.attach(other.id);
  new Int32Array(segment.buffer)[CONTROL_WORD.PUBLISHED] = -5;
  const found = listLatests().filter(({ segment: { id } }) => [latest.id, other.id].includes(id));
  assert.deepEqual(found.map(({ size }) => size).sort(), [100_000, 8]);
});
