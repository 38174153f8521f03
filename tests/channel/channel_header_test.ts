/** What an existing channel's header says, and which field differs. */

import assert from "node:assert/strict";
import { Channel, Segment } from "../../mod.ts";
import { HEADER, MAGIC } from "../../src/channel/descriptor.ts";
import { swapped } from "../../src/sync/header_layout.ts";
import { CHANNEL } from "../../src/channel/protocol.ts";
import { isReady, readHeader } from "../../src/sync/object_header.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { scratchChannel } from "./scratch_channel.ts";

guardAgainstLeaks();

type Field = keyof typeof HEADER.fields;

Deno.test("readHeader: every field that differs is named, with the value there and the one expected", () => {
  using channel = scratchChannel();
  using segment = Segment.attach(channel.id);
  const header = segment.read(0, HEADER.size);
  const cases: [Field, number, RegExp][] = [
    ["magic", swapped(MAGIC), /the byte order differs: big-endian there, little-endian here/],
    ["magic", 0x12345678, /not a channel: its first word is 0x12345678, not 0x434d4853; choose/],
    ["version", 2, /version differs: 2 there, 1 here; use the same release of the library/],
    ["layout_hash", 1, /layout_hash differs: 0x00000001 there, 0x[0-9a-f]{8} here; use the same/],
    ["lanes", 2, /lanes differs: 2 there, a set of 5 semaphores here; its header was overwritten/],
    ["lane_capacity", 512, /lane_capacity differs: 512 there, a segment of 768 bytes here/],
    ["segment_size", 769, /segment_size differs: 769 there, a segment of 768 bytes here/],
    ["message_size", 121, /message_size differs: 121 there, at most 120 here/],
  ];
  for (const [field, value, message] of cases) {
    const words = new DataView(new ArrayBuffer(4));
    words.setUint32(0, value, true);
    segment.write(words, HEADER.fields[field].offset);
    assert.throws(() => Channel.open(channel.key), { code: "EFORMAT", message }, field);
    segment.write(header);
  }
  Channel.open(channel.key).close();
  assert.equal(channel.stats().users, 1, "who was refused has left");
});

Deno.test("checkWanted: what is requested must match, and the rest is accepted as it is", () => {
  using channel = scratchChannel({ lanes: 3, messageSize: 8 });
  const { key } = channel;
  const cases: [Parameters<typeof Channel.openOrCreate>[0], RegExp][] = [
    [{ key, lanes: 4 }, /lanes differs: 3 there, 4 requested; leave it out/],
    [{ key, laneCapacity: 512 }, /laneCapacity differs: 256 there, 512 requested/],
    [{ key, messageSize: 16 }, /messageSize differs: 8 there, 16 requested/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => Channel.openOrCreate(options), { code: "EFORMAT", message });
  }
  using same = Channel.openOrCreate({ key });
  assert.deepEqual([same.lanes, same.laneCapacity, same.messageSize, same.created], [
    3,
    256,
    8,
    false,
  ]);
});

Deno.test("readHeader: random bytes are a header or one clear error", () => {
  const place = { key: 1, id: 1, size: 768, semaphores: 5 };
  using channel = scratchChannel();
  using segment = Segment.attach(channel.id);
  const sound = segment.read(0, HEADER.size);
  for (let i = 0; i < 10_000; i++) {
    const bytes = sound.slice();
    crypto.getRandomValues(bytes.subarray(i % 40, i % 40 + 1 + i % 7));
    isReady(bytes.buffer);
    try {
      assert.deepEqual(readHeader(CHANNEL, bytes.buffer, place).shape.lanes, 1);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "EFORMAT");
    }
  }
});
