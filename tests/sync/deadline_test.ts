/** Deadline: what has passed and what has not. */

import assert from "node:assert/strict";
import { Deadline } from "../../src/sync/deadline.ts";

Deno.test("Deadline.after: 0 ms have passed, many have not; Deadline.never never passes", () => {
  assert.equal(Deadline.after(0).passed, true);
  assert.equal(Deadline.after(0).remaining, 0);
  assert.equal(Deadline.after(3_600_000).passed, false);
  assert(Deadline.after(3_600_000).remaining <= 3_600_000);
  assert.equal(Deadline.never.passed, false);
  assert.equal(Deadline.never.remaining, Infinity);
  assert.equal(Deadline.after(Infinity).remaining, Infinity);
});

Deno.test("Deadline.after: an invalid timeout is refused", () => {
  for (const ms of [-1, NaN]) assert.throws(() => Deadline.after(ms), RangeError);
});
