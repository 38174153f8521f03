/** The topic's bytes are those that docs/wire_format.md gives. */

import assert from "node:assert/strict";
import {
  CONTROL,
  HEADER,
  LANE,
  LANE_STATE,
  LINE,
  MAGIC,
  RECORD,
  SEMAPHORES_BESIDE_LANES,
  STRUCTS,
  UNUSED_AT_END,
} from "../../src/topic/descriptor.ts";
import { layoutHash, layoutText } from "../../src/layout/layout_hash.ts";
import { OBJECT_HEADER } from "../../src/sync/header_layout.ts";
import { GEOMETRY, isTopicSize } from "../../src/topic/lanes.ts";
import { maxMessage, ringOffset, segmentSize } from "../../src/topic/shape.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

function offsets(layout: { readonly fields: object }): Record<string, number> {
  return Object.fromEntries(
    Object.entries(layout.fields).map(([name, { offset }]) => [name, offset]),
  );
}

Deno.test("HEADER and LANE: fields are at the offsets of the wire format", () => {
  assert.deepEqual(offsets(HEADER), {
    magic: 0,
    version: 4,
    layout_hash: 8,
    lanes: 12,
    lane_capacity: 16,
    message_size: 20,
    segment_size: 24,
    type: 32,
  });
  assert.deepEqual([HEADER.size, OBJECT_HEADER.size], [128, 128]);
  assert.deepEqual(offsets(CONTROL), { header: 0, waiting: 128, lane: 256 });
  assert.deepEqual(offsets(LANE), { intent: 0, tail: 4, opened: 8, closed: 12, states: 16 });
  assert.deepEqual(offsets(LANE_STATE), {
    tail: 0,
    last: 4,
    count_low: 8,
    count_high: 12,
    tail_high: 16,
  });
  assert.deepEqual(offsets(RECORD), { length: 0, tag: 4, number: 8, back: 12 });
  assert.deepEqual([RECORD.size, LANE_STATE.size, LANE.size, LINE], [16, 20, 128, 128]);
});

Deno.test("MAGIC: reads SHMT", () => {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, MAGIC, true);
  assert.equal(new TextDecoder().decode(bytes), "SHMT");
});

Deno.test("lanesFor and capacityFor: accept the numbers of a topic, and no others", () => {
  for (const lanes of [1, 2, 7, 256]) {
    for (const laneCapacity of [256, 1 << 20, 1 << 30]) {
      const shape = { lanes, laneCapacity, messageSize: 0 };
      const size = segmentSize(shape);
      assert.equal(size, 256 + lanes * (128 + laneCapacity) + UNUSED_AT_END);
      assert.equal(GEOMETRY.capacityFor(lanes, size), laneCapacity);
      assert.equal(GEOMETRY.capacityFor(lanes, size + 1), undefined);
      assert.equal(GEOMETRY.lanesFor(GEOMETRY.semaphoreCount(lanes)), lanes);
      assert.equal(ringOffset(shape, 1) - ringOffset(shape, 0), laneCapacity);
      assert.equal(isTopicSize(size, lanes + SEMAPHORES_BESIDE_LANES), true);
      assert.equal(isTopicSize(size, lanes + SEMAPHORES_BESIDE_LANES + 1), false);
    }
  }
  assert.deepEqual([3, 260, 2, 0].map(GEOMETRY.lanesFor), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(
    [GEOMETRY.laneOffset(0), GEOMETRY.laneOffset(1) - GEOMETRY.laneOffset(0)],
    [CONTROL.fields.lane.offset, LANE.size],
  );
  assert.equal(maxMessage(256), 48);
});

testWith(
  { files: true },
  "STRUCTS: the hash of the layout and its text are those of the page",
  () => {
    const page = Deno.readTextFileSync(`${PROJECT}docs/wire_format.md`);
    const topic = page.slice(page.indexOf("\n## Topic\n"));
    assert.equal(
      /`layout_hash` .* `(0x\w+)`; see below/.exec(topic)?.[1],
      `0x${layoutHash(STRUCTS).toString(16)}`,
    );
    assert.equal(
      /```text\n(HEADER:.*?)```/s.exec(topic)?.[1]?.replaceAll("\n", ""),
      layoutText(STRUCTS),
    );
  },
);
