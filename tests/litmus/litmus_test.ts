/** The short form of `deno task litmus`. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { type Needs, testWith } from "../support/needs.ts";
import { meet, type Meeting, type Outcome, PAIRS, SHAPES } from "./litmus.ts";
import { reordered, STREAMS } from "./shapes.ts";

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

/** Meets again until a meeting shows what is looked for: a test that cannot fail shows nothing. */
async function meetUntil(
  meeting: Omit<Meeting, "rounds">,
  shows: (outcome: Outcome) => boolean,
): Promise<void> {
  for (let i = 0; i < AT_MOST; i++) {
    if (shows(await meet({ ...meeting, rounds: ROUNDS }))) return;
  }
  assert.fail(`none in ${AT_MOST * ROUNDS} rounds`);
}

for (const sides of PAIRS) {
  const both = sides.join(" and ");
  testWith(NEEDS, `litmus: SB without atomics shows a reordering, ${both}`, async () => {
    await meetUntil({ shape: "SB", sides, plain: true }, ({ reordered }) => reordered > 0);
  });
  testWith(NEEDS, `litmus: cells are overwritten while they are copied, ${both}`, async () => {
    const refused = STREAMS.cells!.indexOf("refused");
    await meetUntil(
      { shape: "cells", sides, plain: false },
      ({ outcomes }) => outcomes[refused]! > 0,
    );
  });
}

Deno.test("litmus: reordered counts the outcomes that no order of accesses explains", () => {
  const each = Array.from({ length: 16 }, (_, i) => 10 ** i);
  // Flag new, payload old; whatever the first side saw
  assert.equal(reordered("MP", each), 10 ** 1 + 10 ** 5 + 10 ** 9 + 10 ** 13);
  assert.equal(reordered("SB", each), 1);
  assert.equal(reordered("LB", each), 10 ** 5);
  assert.equal(reordered("2+2W", each), 1 + 10 ** 4 + 10 ** 8 + 10 ** 12);
  // New word, old announcement
  assert.equal(reordered("OW", each), 10 ** 1 + 10 ** 5 + 10 ** 9 + 10 ** 13);
  assert.equal(reordered("ring", [5, 3, 2]), 5);
  assert.equal(reordered("cells", [5, 3, 2]), 2);
});
