/** Deadlines. */

import assert from "node:assert/strict";
import { Deadline } from "../../src/sync/deadline.ts";

Deno.test("a deadline of no time has passed, a far one has not, never never does", () => {
  assert.equal(Deadline.after(0).passed, true);
  assert.equal(Deadline.after(0).remaining, 0);
  assert.equal(Deadline.after(3_600_000).passed, false);
  assert(Deadline.after(3_600_000).remaining <= 3_600_000);
  assert.equal(Deadline.never.passed, false);
  assert.equal(Deadline.never.remaining, Infinity);
  assert.equal(Deadline.after(Infinity).remaining, Infinity);
});

Deno.test("a timeout that is none is refused", () => {
  for (const ms of [-1, NaN]) assert.throws(() => Deadline.after(ms), RangeError);
});
