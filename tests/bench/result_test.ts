/** `bench/result.ts` */

import assert from "node:assert/strict";
import {
  caseName,
  fileName,
  findCase,
  type KeptResult,
  parseResult,
  resultText,
  slug,
  wholeRuns,
} from "../../bench/result.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

Deno.test("result: a result is read as it was written", () => {
  const cases = ["unpinned", "pinned"].map((variant) =>
    madeUpCase(`roundTrip/deno-unix/${variant}`, [1, 2])
  );
  for (const result of [madeUpResult(cases), madeUpResult([])]) {
    assert.deepEqual(parseResult(resultText(result)), result);
  }
});

Deno.test("result: the text of a result has a line for each case, and one for all else", () => {
  const cases = ["64", "61"].map((variant) => madeUpCase(`payload/channel-ts-ts/${variant}`, [1]));
  const lines = resultText(madeUpResult(cases)).split("\n");
  assert.equal(lines.length, 1 + cases.length + 2);
  assert.match(lines[0]!, /^\{"format":2,.*"cases":\[$/);
  assert.equal(lines[1], `${JSON.stringify(cases[0])},`);
});

Deno.test("result: what is no result, or of another format, is refused", () => {
  const refused = (text: string, message: RegExp): void =>
    assert.throws(() => parseResult(text), { name: "TypeError", message });
  refused("null", /no result/);
  refused('{"rounds":[]}', /no result/);
  refused('{"format":2}', /no result/);
  refused('{"format":2,"cases":{}}', /no result/);
  refused(JSON.stringify({ ...madeUpResult([]), format: 1 }), /format 1 is not known/);
  assert.throws(() => parseResult("no JSON"), SyntaxError);
});

Deno.test("result: a case is found by all three parts of its name", () => {
  const one = madeUpCase("throughput/deno-unix/64", [1]);
  const result = madeUpResult([one, madeUpCase("throughput/deno-unix/8", [2])]);
  assert.equal(findCase(result, "throughput/deno-unix/64"), one);
  assert.equal(findCase(result, "roundTrip/deno-unix/64"), undefined);
  assert.equal(caseName(one), "throughput/deno-unix/64");
});

Deno.test("result: a processor's name becomes part of a file's name", () => {
  assert.equal(slug("Intel(R) Xeon(R) CPU E5-2670 @ 2.60GHz"), "intel-xeon-e5-2670");
  assert.equal(slug("AMD EPYC Processor"), "amd-epyc");
  assert.equal(slug("(R)"), "unknown");
});

Deno.test("result: no run takes the place of another one", () => {
  const result = madeUpResult([]);
  const taken = ["2026-01-02-imagined-7.json", "2026-01-02-imagined-7-2.json"];
  assert.equal(fileName(result, () => false), taken[0]);
  assert.equal(fileName(result, (name) => taken.includes(name)), "2026-01-02-imagined-7-3.json");
  assert.equal(
    fileName({ ...result, quick: true, only: "wake" }, () => false),
    "2026-01-02-imagined-7-quick-part.json",
  );
});

Deno.test("result: wholeRuns leaves out other machines and parts of runs, and sorts by date", () => {
  const made = (file: string, more: Parameters<typeof madeUpResult>[1]): KeptResult => ({
    file,
    result: madeUpResult([], more),
  });
  const { machine } = madeUpResult([]);
  const all = [
    made("late", { date: "2026-01-03T00:00:00.000Z" }),
    made("quick", { quick: true }),
    made("part", { only: "wake" }),
    made("elsewhere", { machine: { ...machine, cpu: "Another one" } }),
    made("larger", { machine: { ...machine, cores: 4 } }),
    made("early", { date: "2026-01-01T00:00:00.000Z" }),
  ];
  assert.deepEqual(wholeRuns(all, machine).map(({ file }) => file), ["early", "late"]);
});
