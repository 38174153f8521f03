/** `bench/rounds.ts` and `bench/latency.ts` */

import assert from "node:assert/strict";
import type { Case, Round } from "../../bench/cases.ts";
import { runRounds } from "../../bench/rounds.ts";

type Figures = Readonly<Record<string, Round | string>>;

/** A case that gives these figures, one after the other. */
function makeCase(names: readonly string[], runs: (() => Figures)[], most?: number): Case {
  return {
    names,
    ...(most === undefined ? {} : { most }),
    run: () => {
      const next = runs.shift();
      if (next === undefined) throw new Error("one run too many");
      return Promise.resolve(next());
    },
  };
}

/** A case with one name and these figures. */
function plain(name: string, ...figures: readonly number[]): Case {
  return makeCase(
    [name],
    figures.map((figure) => () => ({ [name]: { figure, beside: { cpu: figure / 10 } } })),
  );
}

const QUIET = { turn: () => {}, failed: () => {} };

Deno.test("rounds: all cases take turns, and the rehearsal does not count", async () => {
  const turns: string[] = [];
  const results = await runRounds({
    ...QUIET,
    cases: [plain("throughput/a/64", 1, 2, 3), plain("throughput/b/64", 10, 20, 30)],
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

Deno.test("rounds: a case of few rounds has no rehearsal, and has had its turns then", async () => {
  const names = ["idle/a/-", "idle/b/-"];
  const run = (): Figures => ({ [names[0]!]: { figure: 1 }, [names[1]!]: { figure: 2 } });
  const results = await runRounds({
    ...QUIET,
    cases: [makeCase(names, [run, run], 2)],
    rounds: 3,
    rehearse: true,
  });
  assert.deepEqual(results.map(({ peer, figures }) => [peer, figures]), [["a", [1, 1]], [
    "b",
    [2, 2],
  ]]);
});

Deno.test("rounds: a round that fails is noted, and the run goes on", async () => {
  const told: string[] = [];
  const name = "wake/a/unpinned";
  const figure = (figure: number) => (): Figures => ({ [name]: { figure } });
  const dies = (): Figures => {
    throw new Error("it died");
  };
  const [one, other] = await runRounds({
    ...QUIET,
    cases: [
      makeCase([name], [figure(1), dies, figure(3)]),
      plain("wake/b/unpinned", 1, 1, 1),
    ],
    rounds: 3,
    rehearse: false,
    failed: (text) => told.push(text),
  });
  assert.deepEqual(one!.figures, [1, 3]);
  assert.deepEqual(one!.failures, ["it died"]);
  assert.equal(other!.figures.length, 3);
  assert.equal(other!.failures, undefined);
  assert.deepEqual(told, [`failed, round 2 of 3: ${name}: it died`]);
});

Deno.test("rounds: a case of several names has a result for each, and misses none silently", async () => {
  const names = ["x", "y", "z/w"].map((variant) => `fields/f/${variant}`);
  const run = (): Figures => ({ [names[0]!]: { figure: 7 }, [names[2]!]: "no such package" });
  const results = await runRounds({
    ...QUIET,
    cases: [makeCase(names, [run])],
    rounds: 1,
    rehearse: false,
  });
  assert.deepEqual(results, [
    { measure: "fields", peer: "f", variant: "x", figures: [7] },
    {
      measure: "fields",
      peer: "f",
      variant: "y",
      figures: [],
      failures: ["it gave no figure"],
    },
    {
      measure: "fields",
      peer: "f",
      variant: "z/w",
      figures: [],
      failures: ["no such package"],
    },
  ]);
});

Deno.test("rounds: a figure keeps five digits", async () => {
  const [one] = await runRounds({
    ...QUIET,
    cases: [plain("throughput/a/64", 123_456_789)],
    rounds: 1,
    rehearse: false,
  });
  assert.deepEqual([one!.figures, one!.beside], [[123_460_000], { cpu: [12_346_000] }]);
});

Deno.test("rounds: times of all rounds go into one set of percentiles, in three digits", async () => {
  const name = "roundTrip/a/pinned";
  const timed = (...times: number[]) => (): Figures => ({
    [name]: { figure: times[0]!, times: Float64Array.from(times) },
  });
  const [one] = await runRounds({
    ...QUIET,
    cases: [makeCase([name], [timed(9e9), timed(100, 200, 0), timed(300, 70e9)])],
    rounds: 2,
    rehearse: true,
  });
  const { p50, max, samples } = one!.percentiles!;
  assert.equal(p50, 200);
  assert.equal(samples, 5);
  assert(Math.abs(max / 60e9 - 1) < 0.001, `${max}`);
});
