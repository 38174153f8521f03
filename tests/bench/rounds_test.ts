/** `bench/rounds.ts` */

import assert from "node:assert/strict";
import type { Case, Round } from "../../bench/cases.ts";
import type { Latency } from "../../bench/latency.ts";
import { runRounds } from "../../bench/rounds.ts";

/** Keeps what was added, where the real one makes a histogram. */
class Times {
  readonly #all: number[] = [];

  add(times: Float64Array): void {
    this.#all.push(...times);
  }

  percentiles(): unknown {
    return this.#all;
  }
}

function makeCase(name: string, runs: (() => Readonly<Record<string, Round | string>>)[]): Case {
  const [measure, peer, variants] = name.split("/") as [Case["measure"], string, string];
  return {
    measure,
    peer,
    variants: variants.split(","),
    run: () => {
      const next = runs.shift();
      if (next === undefined) throw new Error("one run too many");
      return Promise.resolve(next());
    },
  };
}

function plain(figure: number): () => Record<string, Round> {
  return () => ({ "64": { figure, beside: { cpu: figure / 10 } } });
}

const QUIET = {
  newLatency: () => new Times() as unknown as Latency,
  turn: () => {},
  failed: () => {},
};

Deno.test("all cases take turns, and the rehearsal does not count", async () => {
  const turns: string[] = [];
  const cases = [
    makeCase("throughput/a/64", [plain(1), plain(2), plain(3)]),
    makeCase("throughput/b/64", [plain(10), plain(20), plain(30)]),
  ];
  const results = await runRounds({
    ...QUIET,
    cases,
    rounds: 2,
    rehearse: true,
    turn: (done, all, now) => turns.push(`${done}/${all} ${now}`),
  });
  assert.deepEqual(turns, [
    "0/6 rehearsal: throughput/a/64",
    "1/6 rehearsal: throughput/b/64",
    "2/6 round 1 of 2: throughput/a/64",
    "3/6 round 1 of 2: throughput/b/64",
    "4/6 round 2 of 2: throughput/a/64",
    "5/6 round 2 of 2: throughput/b/64",
  ]);
  assert.deepEqual(results.map(({ peer, figures, beside }) => [peer, figures, beside]), [
    ["a", [2, 3], { cpu: [0.2, 0.3] }],
    ["b", [20, 30], { cpu: [2, 3] }],
  ]);
});

Deno.test("a round that fails is noted, and the run goes on", async () => {
  const told: string[] = [];
  const results = await runRounds({
    ...QUIET,
    cases: [
      makeCase("wake/a/64", [plain(1), () => {
        throw new Error("it died");
      }, plain(3)]),
      makeCase("wake/b/64", [plain(1), plain(1), plain(1)]),
    ],
    rounds: 3,
    rehearse: false,
    failed: (text) => told.push(text),
  });
  assert.deepEqual(results[0]!.figures, [1, 3]);
  assert.deepEqual(results[0]!.failures, ["it died"]);
  assert.equal(results[1]!.figures.length, 3);
  assert.deepEqual(told, ["failed, round 2 of 3: wake/a/64: it died"]);
});

Deno.test("a case of several variants has a result for each, and misses none silently", async () => {
  const round = { figure: 7, beside: {} };
  const results = await runRounds({
    ...QUIET,
    cases: [makeCase("fields/f/x,y,z", [() => ({ x: round, z: "no such package" })])],
    rounds: 1,
    rehearse: false,
  });
  assert.deepEqual(results.map(({ variant, figures, failures }) => [variant, figures, failures]), [
    ["x", [7], []],
    ["y", [], ["it gave no figure"]],
    ["z", [], ["no such package"]],
  ]);
});

Deno.test("times of all rounds go into one set of percentiles", async () => {
  const timed = (...times: number[]) => (): Record<string, Round> => ({
    "64": { figure: times[0]!, beside: {}, times: Float64Array.from(times) },
  });
  const [one] = await runRounds({
    ...QUIET,
    cases: [makeCase("roundTrip/a/64", [timed(9), timed(1, 2), timed(3)])],
    rounds: 2,
    rehearse: true,
  });
  assert.deepEqual(one!.percentiles, [1, 2, 3]);
});
