/** An event count wakes each of many readers, however their checks, sleeps and wakes interleave. */

import assert from "node:assert/strict";
import { EventCount } from "../../src/sync/event_count.ts";
import { Segment } from "../../src/sysv/segment.ts";
import { type Wait, waitAsync } from "../../src/sysv/wait.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";

guardAgainstLeaks();

/** A safety net only: each wait here ends by itself. */
const LONG_MS = 60_000;
const OFFSET = 8;

function segment(): Segment {
  const made = Segment.create({ size: 64 });
  made.remove();
  return made;
}

function eventCount(of: Segment): EventCount {
  return new EventCount(of, OFFSET);
}

function words(of: Segment): Int32Array<ArrayBuffer> {
  return new Int32Array(of.buffer, OFFSET, 1);
}

function* once(wait: Wait): Generator<Wait, void, void> {
  yield wait;
}

Deno.test("EventCount: a wake between the check of a reader and its sleep is not lost to another reader", async () => {
  using shared = segment();
  const [one, two, writer] = [eventCount(shared), eventCount(shared), eventCount(shared)];
  const count = one.announce(); // and finds nothing
  writer.wake();
  assert.equal(two.announce() & 1, 1);
  one.sleep(count, LONG_MS).block();
  await waitAsync(once(one.sleep(count, LONG_MS)));
  for (const end of [one, two, writer]) end.close();
});

Deno.test("EventCount: a wake changes the word only if a reader has announced itself", () => {
  using shared = segment();
  const [reader, writer] = [eventCount(shared), eventCount(shared)];
  writer.wake();
  assert.equal(words(shared)[0], 0);
  assert.deepEqual([reader.announce(), reader.announce()], [1, 1]);
  writer.wake();
  writer.wake();
  assert.equal(words(shared)[0], 2);
  reader.close();
});

Deno.test("EventCount: the count wraps, and stays even after a wake", () => {
  using shared = segment();
  words(shared)[0] = -2;
  const [reader, writer] = [eventCount(shared), eventCount(shared)];
  assert.equal(reader.announce(), -1);
  writer.wake();
  assert.equal(words(shared)[0], 0);
  reader.close();
});

Deno.test("EventCount: every sleeping reader is woken, also one without write access", async () => {
  using shared = Segment.create({ size: 64 });
  using readOnly = Segment.attach(shared.id, { readOnly: true });
  shared.remove();
  const writer = eventCount(shared);
  const readers = [eventCount(shared), eventCount(shared), eventCount(readOnly)];
  const sleeping = readers.map((reader) =>
    waitAsync(once(reader.sleep(reader.announce(), LONG_MS)))
  );
  writer.wake();
  await Promise.all(sleeping);
  assert.equal(words(shared)[0], 2);
  for (const reader of readers) reader.close();
});

Deno.test("EventCount.close: ends the sleep of its reader", async () => {
  using shared = segment();
  const reader = eventCount(shared);
  const sleeping = waitAsync(once(reader.sleep(reader.announce(), LONG_MS)));
  reader.close();
  await sleeping;
});
