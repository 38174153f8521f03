/** `bench/comparison.ts` */

import assert from "node:assert/strict";
import { changes, compareResults } from "../../bench/comparison.ts";
import { MEASURES, type Result } from "../../bench/result.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

const before = madeUpResult([
  madeUpCase("throughput/deno-unix/64", [100, 101, 102]),
  madeUpCase("roundTrip/deno-unix/64", [10, 11, 12]),
  madeUpCase("wake/deno-unix/64", [50, 60, 70]),
  madeUpCase("idle/mailbox/-", [1, 1, 1]),
]);
const after = madeUpResult([
  madeUpCase("throughput/deno-unix/64", [200, 202, 204]),
  madeUpCase("roundTrip/deno-unix/64", [20, 22, 24]),
  madeUpCase("wake/deno-unix/64", [55, 66, 77]),
  madeUpCase("startUp/cli/ls", [1, 1, 1]),
]);

function gains(a: Result, b: Result): Record<string, number> {
  return Object.fromEntries(changes(a, b).both.map(({ name, gain }) => [name, gain]));
}

Deno.test("comparison: more messages are better, more nanoseconds are worse", () => {
  const found = gains(before, after);
  assert.equal(found["throughput/deno-unix/64"], 2);
  assert.equal(found["roundTrip/deno-unix/64"], 0.5);
});

Deno.test("comparison: a change is clear only if no rounds of the two overlap", () => {
  const { both } = changes(before, after);
  assert.deepEqual(both.map(({ name, clear }) => [name, clear]), [
    ["throughput/deno-unix/64", true],
    ["roundTrip/deno-unix/64", true],
    ["wake/deno-unix/64", false],
  ]);
});

Deno.test("comparison: with too few rounds nothing is clear", () => {
  const one = madeUpResult([madeUpCase("wake/deno-unix/64", [1])], { rounds: 1 });
  const other = madeUpResult([madeUpCase("wake/deno-unix/64", [9, 9, 9])]);
  assert.equal(changes(one, other).both[0]!.clear, false);
  assert.match(compareResults(one, other), /so few rounds[^]*No case changed beyond/);
});

Deno.test("comparison: cases of only one of the two are named, and so is another machine", () => {
  const elsewhere = madeUpResult(after.cases, {
    machine: { ...after.machine, cpu: "Another one" },
  });
  const text = compareResults(before, elsewhere);
  assert.match(text, /Only in A: idle\/mailbox\/-/);
  assert.match(text, /Only in B: startUp\/cli\/ls/);
  assert.match(text, /two machines/);
  assert.doesNotMatch(compareResults(before, after), /two machines/);
});

Deno.test("comparison: a case that failed in one of the two is no change", () => {
  const failed = madeUpResult([madeUpCase("wake/deno-unix/64", [], { failures: ["died"] })]);
  assert.deepEqual(changes(before, failed).both, []);
});

Deno.test("comparison: every measure is judged in its own direction", () => {
  const better = {
    roundTrip: "less",
    wake: "less",
    payload: "more",
    lines: "less",
    clients: "more",
    idle: "less",
    startUp: "less",
    lifecycle: "less",
    bridge: "more",
    throughput: "more",
    producers: "more",
    latest: "less",
    fanOut: "more",
    allocation: "less",
    fields: "less",
  };
  assert.deepEqual(Object.keys(better), Object.keys(MEASURES));
  for (const [measure, which] of Object.entries(better)) {
    const name = `${measure}/deno-unix/x`;
    const twice = gains(
      madeUpResult([madeUpCase(name, [1, 1, 1])]),
      madeUpResult([madeUpCase(name, [2, 2, 2])]),
    );
    assert.deepEqual(twice, { [name]: which === "more" ? 2 : 0.5 });
  }
});

Deno.test("comparison: what changed comes in a table of its own, what did not in another one", () => {
  const text = compareResults(before, after);
  const [changed, within] = text.split("\nWithin the spread:\n") as [string, string];
  assert.match(changed, /Changed beyond the spread of the rounds: 2 of 3\n/);
  assert.match(changed, /\n\| throughput\/deno-unix\/64 \| 101 \| 202 \| messages\/s \| 2\.00x \|/);
  assert.match(changed, /\n\| roundTrip\/deno-unix\/64 \| 11\.0 \| 22\.0 \| ns \| 0\.500x \|/);
  assert.doesNotMatch(changed, /\| wake/);
  assert.match(within, /\n\| wake\/deno-unix\/64 \| 60\.0 \| 66\.0 \| ns \| 0\.909x \|/);
  assert.doesNotMatch(within, /\| (throughput|roundTrip)/);
});

Deno.test("comparison: where all spreads overlap nothing changed", () => {
  const one = madeUpResult([madeUpCase("wake/deno-unix/64", [50, 60, 70])]);
  const other = madeUpResult([madeUpCase("wake/deno-unix/64", [70, 80, 90])]);
  const text = compareResults(one, other);
  assert.match(text, /No case changed beyond the spread of its rounds\./);
  assert.doesNotMatch(text, /Changed beyond|so few rounds/);
});
