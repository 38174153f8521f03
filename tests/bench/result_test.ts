/** `bench/result.ts` */

import assert from "node:assert/strict";
import { caseName, fileName, findCase, parseResult, slug } from "../../bench/result.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

Deno.test("a result is read as it was written", () => {
  const result = madeUpResult([madeUpCase("wake/deno-unix/64", [1, 2])]);
  assert.deepEqual(parseResult(JSON.stringify(result)), result);
});

Deno.test("what is no result, or of another format, is refused", () => {
  const refused = (text: string, message: RegExp): void =>
    assert.throws(() => parseResult(text), { name: "TypeError", message });
  refused("null", /no result/);
  refused('{"rounds":[]}', /no result/);
  refused('{"format":1}', /no result/);
  refused('{"format":1,"cases":{}}', /no result/);
  refused(JSON.stringify({ ...madeUpResult([]), format: 2 }), /format 2 is not known/);
  assert.throws(() => parseResult("no JSON"), SyntaxError);
});

Deno.test("a case is found by all three parts of its name", () => {
  const one = madeUpCase("throughput/deno-unix/64", [1]);
  const result = madeUpResult([one, madeUpCase("throughput/deno-unix/8", [2])]);
  assert.equal(findCase(result, "throughput", "deno-unix", "64"), one);
  assert.equal(findCase(result, "roundTrip", "deno-unix", "64"), undefined);
  assert.equal(caseName(one), "throughput/deno-unix/64");
});

Deno.test("a processor's name becomes part of a file's name", () => {
  assert.equal(slug("Intel(R) Xeon(R) CPU E5-2670 @ 2.60GHz"), "intel-xeon-e5-2670");
  assert.equal(slug("AMD EPYC Processor"), "amd-epyc");
  assert.equal(slug("(R)"), "unknown");
});

Deno.test("no run takes the place of another one", () => {
  const result = madeUpResult([]);
  const taken = ["2026-01-02-imagined-7.json", "2026-01-02-imagined-7-2.json"];
  assert.equal(fileName(result, () => false), taken[0]);
  assert.equal(fileName(result, (name) => taken.includes(name)), "2026-01-02-imagined-7-3.json");
  assert.equal(
    fileName({ ...result, quick: true, only: "wake" }, () => false),
    "2026-01-02-imagined-7-quick-part.json",
  );
});
