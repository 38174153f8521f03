/** Queues of equal waits: the first asks the kernel, the others follow in the order of the calls. */

import assert from "node:assert/strict";
import { QueuedWait } from "../../src/sysv/wait_queue.ts";

/** So long that a test which has to wait it out has failed. */
const LONG_MS = 3_600_000;

Deno.test("QueuedWait.leave: the next wait becomes the first, and its turn ends", async () => {
  const [a, b, c] = [new QueuedWait("a line"), new QueuedWait("a line"), new QueuedWait("a line")];
  assert.deepEqual([a, b, c].map(({ first }) => first), [true, false, false]);
  const turns = [b.turn(LONG_MS), c.turn(LONG_MS)];
  a.leave();
  await turns[0];
  assert.deepEqual([b.first, c.first], [true, false]);
  b.leave();
  await turns[1];
  assert(c.first);
  c.leave();
  const again = new QueuedWait("a line");
  assert(again.first);
  again.leave();
});

Deno.test("QueuedWait.leave: from the middle of the queue it changes nothing for the others", async () => {
  const [a, b, c] = [new QueuedWait("a line"), new QueuedWait("a line"), new QueuedWait("a line")];
  const turn = c.turn(LONG_MS);
  b.leave();
  assert.deepEqual([a.first, c.first], [true, false]);
  a.leave();
  await turn;
  assert(c.first);
  c.leave();
});

Deno.test("QueuedWait.turn: ends in time, and when it is interrupted", async () => {
  const [a, b] = [new QueuedWait("a line"), new QueuedWait("a line")];
  await b.turn(1);
  const turn = b.turn(LONG_MS);
  b.interrupt();
  await turn;
  assert.equal(b.first, false);
  // Lines of other names have nothing to do with it
  const other = new QueuedWait("another line");
  assert(other.first);
  for (const place of [a, b, other]) place.leave();
});
