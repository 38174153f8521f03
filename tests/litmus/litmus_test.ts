/** The short form of `deno task litmus`. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { type Needs, testWith } from "../support/needs.ts";
import { meet, PAIRS, SHAPES } from "./litmus.ts";
import { reordered } from "./shapes.ts";

guardAgainstLeaks();

const NEEDS: Needs = { tools: ["deno", "gcc"], files: true, cores: 2 };
const ROUNDS = 20_000;

for (const shape of SHAPES) {
  for (const sides of PAIRS) {
    testWith(NEEDS, `litmus: ${shape} shows no reordering, ${sides.join(" and ")}`, async () => {
      const outcome = await meet({ shape, sides, plain: false, rounds: ROUNDS });
      assert.equal(outcome.outcomes.reduce((sum, count) => sum + count), ROUNDS);
      assert.equal(outcome.reordered, 0, JSON.stringify(outcome.outcomes));
    });
  }
}

/** Far more than it takes where both processes run: one round in a hundred shows it. */
const AT_MOST = 200;

for (const sides of PAIRS) {
  testWith(
    NEEDS,
    `litmus: SB without atomics shows a reordering, ${sides.join(" and ")}`,
    async () => {
      for (let i = 0; i < AT_MOST; i++) {
        const outcome = await meet({ shape: "SB", sides, plain: true, rounds: ROUNDS });
        if (outcome.reordered > 0) return;
      }
      assert.fail(`none in ${AT_MOST * ROUNDS} rounds: a test that cannot fail shows nothing`);
    },
  );
}

Deno.test("litmus: reordered counts the outcomes that no order of accesses explains", () => {
  const each = Array.from({ length: 16 }, (_, i) => 10 ** i);
  // Flag new, payload old; whatever the first side saw
  assert.equal(reordered("MP", each), 10 ** 1 + 10 ** 5 + 10 ** 9 + 10 ** 13);
  assert.equal(reordered("SB", each), 1);
  assert.equal(reordered("LB", each), 10 ** 5);
  assert.equal(reordered("2+2W", each), 1 + 10 ** 4 + 10 ** 8 + 10 ** 12);
  assert.equal(reordered("ring", [5, 3, 2]), 5);
});
