/** The slices that waits are cut into. */

import assert from "node:assert/strict";
import { Deadline } from "../../src/sync/deadline.ts";
import { MAX_SLICE_MS, timedOut, WaitSchedule } from "../../src/sync/wait_schedule.ts";

Deno.test("WaitSchedule.next: slices begin short, double, and never exceed the longest one or the deadline", () => {
  const expired = () => timedOut("wait", "futex", {});
  const schedule = new WaitSchedule(Deadline.never, expired);
  const given = Array.from({ length: 12 }, () => schedule.next());
  assert.deepEqual(given.slice(0, 4), [1, 2, 4, 8]);
  assert.equal(Math.max(...given), MAX_SLICE_MS);
  assert.equal(schedule.waited, given.reduce((sum, ms) => sum + ms, 0));
  // A deadline by the clock may pass before this line
  const soon = { remaining: 0.5 } as unknown as Deadline;
  assert.equal(new WaitSchedule(soon, expired).next(), 0.5);
  assert.throws(() => new WaitSchedule(Deadline.after(0), expired).next(), { code: "ETIMEDOUT" });
});

Deno.test("WaitSchedule.next: slices of a wait that checks the memory itself become longer, up to a second", () => {
  const slices = (woken: boolean): number[] => {
    const schedule = new WaitSchedule(Deadline.never, () => timedOut("wait", "futex", {}));
    return Array.from({ length: 12 }, () => schedule.next({ woken, checked: true }));
  };
  assert.deepEqual(slices(true).slice(0, 3), [MAX_SLICE_MS, 1000, 1000]);
  assert.deepEqual(slices(false), [1, 2, 4, 8, 16, 32, 64, MAX_SLICE_MS, 200, 400, 800, 1000]);
});
