/** `bench/run.ts`: what it says to a mistake on its command line. Measuring it is not for a test. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT, TestFolder } from "../support/peer.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

guardAgainstLeaks();

const needs = { tools: ["deno"], files: true } as const;

async function bench(...args: readonly string[]): Promise<[number, string, string]> {
  await using peer = Peer.start(Deno.execPath(), ["run", "-A", `${PROJECT}bench/run.ts`, ...args]);
  const { code, stdout, stderr } = await peer.ended();
  return [code, stdout, stderr];
}

for (
  const [args, reason] of [
    [["--fast"], /Unknown option '--fast'/],
    [["throughput"], /what is throughput\?/],
    [["--compare", "one.json"], /--compare takes two result files/],
    [["--rounds", "many"], /--rounds many is no number/],
    [["--rounds", "0"], /--rounds 0 is no number/],
  ] as const
) {
  testWith(needs, `run: wrong usage: ${args.join(" ")}`, async () => {
    const [code, stdout, stderr] = await bench(...args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, reason);
    assert.match(stderr, /\nusage: deno task bench /);
  });
}

testWith(needs, "run: a file that is no result is refused in one line", async () => {
  using folder = new TestFolder();
  const [code, , stderr] = await bench("--report", folder.file("a.json", '{"cases":1}'));
  assert.equal(code, 1);
  assert.equal(stderr, "this is no result of the bench\n");
});

testWith(needs, "run: two results are compared", async () => {
  using folder = new TestFolder();
  const paths = [1, 2].map((figure) => {
    const result = madeUpResult([madeUpCase("wake/deno-unix/64", [figure, figure, figure])]);
    return folder.file(`${figure}.json`, JSON.stringify(result));
  });
  const [code, stdout] = await bench("--compare", ...paths);
  assert.equal(code, 0);
  assert.match(stdout, /\| wake\/deno-unix\/64 \| 1\.00 \| 2\.00 \| ns \| 0\.500x \|/);
});
