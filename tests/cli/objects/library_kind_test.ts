/** Objects of this library by their sizes alone: each is recognised, and as one kind only. */

import assert from "node:assert/strict";
import { GEOMETRY as CHANNEL } from "../../../src/channel/lanes.ts";
import { LIBRARY_KINDS, libraryKind } from "../../../src/cli/objects/library_kind.ts";
import { segmentSize as latestSize } from "../../../src/latest/shape.ts";
import { GEOMETRY as TOPIC } from "../../../src/topic/lanes.ts";
import { LAYOUT, SEMAPHORE_COUNT } from "../../../src/mailbox/descriptor.ts";

/** The kinds that sizes match; more than one would be a guess. */
function matching(size: number, semaphores: number): string[] {
  return Object.entries(LIBRARY_KINDS).flatMap(([kind, { is }]) =>
    is(size, semaphores) ? kind : []
  );
}

Deno.test("libraryKind: every shape of each kind is of that kind alone", () => {
  assert.deepEqual(matching(LAYOUT.size, SEMAPHORE_COUNT), ["mailbox"]);
  for (const lanes of [1, 2, 3, 8, 31, 256]) {
    for (let capacity = 64; capacity <= 2 ** 30; capacity *= 2) {
      const channel = CHANNEL.sizeFor(lanes, capacity);
      assert.deepEqual(matching(channel, CHANNEL.semaphoreCount(lanes)), ["channel"]);
      if (capacity < 256) continue;
      const topic = TOPIC.sizeFor(lanes, capacity);
      assert.deepEqual(matching(topic, TOPIC.semaphoreCount(lanes)), ["topic"]);
    }
  }
  for (const size of [1, 100, 112, 113, 4096, 65519, 2 ** 20]) {
    for (let cells = 2; cells <= 4096; cells *= 2) {
      assert.deepEqual(matching(latestSize({ size, cells }), 4), ["latest"]);
    }
  }
});

Deno.test("libraryKind: null where one of the sizes is another", () => {
  assert.equal(libraryKind(LAYOUT.size, SEMAPHORE_COUNT), "mailbox");
  for (
    const [size, semaphores] of [
      [LAYOUT.size + 1, SEMAPHORE_COUNT],
      [LAYOUT.size, SEMAPHORE_COUNT + 1],
      [4096, 1],
      [65536, 4],
      [65536, 12],
      [1, 0],
    ] as const
  ) {
    assert.equal(libraryKind(size, semaphores), null, `${size}, ${semaphores}`);
  }
});
