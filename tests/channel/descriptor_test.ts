/** The channel's bytes are those that docs/wire_format.md gives. */

import assert from "node:assert/strict";
import {
  CONSUMER,
  CONTROL,
  HEADER,
  LANE,
  LANE_CONSUMER,
  LANE_PRODUCER,
  LINE,
  MAGIC,
  MESSAGE_COUNTER,
  RECORD,
  STRUCTS,
} from "../../src/channel/descriptor.ts";
import { layoutHash, layoutText } from "../../src/layout/layout_hash.ts";
import { maxMessage, ringOffset, segmentSize } from "../../src/channel/shape.ts";
import { OBJECT_HEADER } from "../../src/sync/header_layout.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

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
  assert.equal(HEADER.size, OBJECT_HEADER.size);
  for (const word of ["magic", "version", "layout_hash", "segment_size", "type"] as const) {
    assert.equal(HEADER.fields[word].offset, OBJECT_HEADER.fields[word].offset);
  }
  assert.deepEqual(offsets(CONTROL), { header: 0, consumer: 128, lane: 256 });
  assert.deepEqual(offsets(CONSUMER), { asleep: 0, opened: 4, identity: 8 });
  assert.deepEqual(offsets(LANE), { producer: 0, consumer: 128 });
  assert.deepEqual(offsets(LANE_PRODUCER), {
    tail: 0,
    asleep: 4,
    opened: 8,
    closed: 12,
    full_waits: 16,
    tallies: 20,
  });
  assert.deepEqual(offsets(LANE_CONSUMER), { head: 0, tallies: 4 });
  assert.deepEqual(offsets(MESSAGE_COUNTER), { position: 0, count_low: 4, count_high: 8 });
  assert.deepEqual([RECORD.size, MESSAGE_COUNTER.size, LANE.size, LINE], [8, 12, 256, 128]);
});

Deno.test("MAGIC: reads SHMC", () => {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, MAGIC, true);
  assert.equal(new TextDecoder().decode(bytes), "SHMC");
});

Deno.test("lanesFor and capacityFor: accept the numbers of a channel, and no others", () => {
  for (const lanes of [1, 2, 7, 256]) {
    for (const laneCapacity of [64, 1 << 20]) {
      const shape = { lanes, laneCapacity, messageSize: 0 };
      assert.equal(segmentSize(shape), 256 + lanes * (256 + laneCapacity));
      assert.equal(GEOMETRY.capacityFor(lanes, segmentSize(shape)), laneCapacity);
      assert.equal(GEOMETRY.capacityFor(lanes, segmentSize(shape) + 1), undefined);
      assert.equal(GEOMETRY.lanesFor(GEOMETRY.semaphoreCount(lanes)), lanes);
      assert.equal(ringOffset(shape, 1) - ringOffset(shape, 0), laneCapacity);
    }
  }
  assert.deepEqual([4, 261, 3, 0].map(GEOMETRY.lanesFor), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(
    [GEOMETRY.laneOffset(0), GEOMETRY.laneOffset(1) - GEOMETRY.laneOffset(0)],
    [CONTROL.fields.lane.offset, LANE.size],
  );
  assert.deepEqual([GEOMETRY.laneOffset(0), GEOMETRY.laneOffset(3), maxMessage(64)], [
    256,
    1024,
    24,
  ]);
});

testWith({ files: true }, "layoutHash and its text are those of the page", () => {
  const page = Deno.readTextFileSync(`${PROJECT}docs/wire_format.md`);
  assert.equal(/`layout_hash` .* `(0x\w+)`; see below/.exec(page)?.[1], hex(layoutHash(STRUCTS)));
  assert.equal(
    /```text\n(HEADER:.*?)```/s.exec(page)?.[1]?.replaceAll("\n", ""),
    layoutText(STRUCTS),
  );
});

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
