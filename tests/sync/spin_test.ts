/** Looking for a short while. */

import assert from "node:assert/strict";
import { checkSpin, spin } from "../../src/sync/spin.ts";

Deno.test("what is ready is seen at the first look, with no time to spin too", () => {
  for (const time of [0, 50]) {
    let looks = 0;
    assert(spin(time, () => ++looks > 0));
    assert.equal(looks, 1);
  }
});

Deno.test("without time it looks once, with time again until it is over or ready", () => {
  let looks = 0;
  assert.equal(spin(0, () => ++looks > 1), false);
  assert.equal(looks, 1);
  looks = 0;
  assert.equal(spin(1, () => ++looks < 0), false);
  assert(looks > 1);
  looks = 0;
  assert(spin(1, () => ++looks === 5));
  assert.equal(looks, 5);
});

Deno.test("the time to spin is from 0 to a second", () => {
  assert.deepEqual([0, 0.5, 1_000_000].map(checkSpin), [0, 0.5, 1_000_000]);
  for (const time of [-1, 1_000_001, NaN, Infinity]) {
    assert.throws(() => checkSpin(time), {
      name: "RangeError",
      message: `spin ${time} is not from 0 to 1000000 microseconds`,
    });
  }
});
