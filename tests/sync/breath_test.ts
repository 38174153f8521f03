/** Breathing: the event loop gets its turn now and then. */

import assert from "node:assert/strict";
import { Deadline } from "../../mod.ts";
import { Breath } from "../../src/sync/breath.ts";

/** Asks until a breath is due. Only a safety net ends it otherwise. */
function untilDue(breath: Breath): void {
  const limit = Deadline.after(30_000);
  while (!breath.due) assert(!limit.passed, "a breath was never due");
}

Deno.test("a breath becomes due, and lets timers run", async () => {
  const breath = new Breath();
  assert.equal(breath.due, false);
  let ticked = false;
  setTimeout(() => ticked = true, 1);
  const limit = Deadline.after(30_000);
  while (!ticked && !limit.passed) {
    untilDue(breath);
    await breath.take();
  }
  assert(ticked);
});

Deno.test("after one that was taken it is not due at once", async () => {
  const breath = new Breath();
  untilDue(breath);
  await breath.take();
  assert.equal(breath.due, false);
  untilDue(breath);
  breath.taken();
  assert.equal(breath.due, false);
});
