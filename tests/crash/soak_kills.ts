/**
 * The long run of the channel's crash harness: 100 000 kills of C peers and 1 000 of TypeScript ones.
 *
 * ```sh
 * deno run -A tests/crash/soak_kills.ts [--kills-c N] [--kills-ts N] [--seed N] [--stall-ms 200]
 *   [--fault N]
 * ```
 *
 * Ends with a summary, or at the first violation with exit code 1. The same seed makes the same
 * decisions; the scheduling is the machine's.
 */

import { parseArgs } from "node:util";
import { freshKey, TestFolder } from "../support/peer.ts";
import { argumentsOf, compileHarness, describe, summaryOf } from "./channel_harness.ts";
import { seed } from "./random.ts";

const { values } = parseArgs({
  options: {
    "kills-c": { type: "string", default: "100000" },
    "kills-ts": { type: "string", default: "1000" },
    "seed": { type: "string", default: `${seed()}` },
    "stall-ms": { type: "string", default: "200" },
    "fault": { type: "string", default: "0" },
  },
});

/** A whole number of the command line. */
function wholeNumber(name: keyof typeof values): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} ${values[name]} is not a whole number`);
  Deno.exit(2);
}

const wanted = {
  seed: wholeNumber("seed"),
  killsC: wholeNumber("kills-c"),
  killsTs: wholeNumber("kills-ts"),
  stallMs: wholeNumber("stall-ms"),
  fault: wholeNumber("fault"),
  key: freshKey(),
  progress: true,
};
console.log(`seed ${wanted.seed}`);

async function soak(): Promise<number> {
  using folder = new TestFolder();
  const harness = new Deno.Command(compileHarness(folder), {
    args: argumentsOf(wanted),
    stdout: "piped",
  }).spawn();
  let stdout = "";
  for await (const text of harness.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    if (!text.includes("{")) console.log(text.trimEnd());
  }
  const { code } = await harness.status;
  if (code === 0) console.log(describe(summaryOf(stdout)));
  return code;
}

Deno.exit(await soak());
