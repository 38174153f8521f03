/**
 * The long run of the crash harnesses: 100 000 kills of C peers and 1 000 of TypeScript ones, of the channel and
 * of Latest and Topic.
 *
 * ```sh
 * deno run -A tests/crash/soak_kills.ts [--kills-c N] [--kills-ts N] [--seed N] [--stall-ms 200]
 *   [--fault N]
 * ```
 *
 * Ends with a summary of each, or at the first violation with exit code 1. The same seed makes the same
 * decisions; the scheduling is the machine's.
 */

import { parseArgs } from "node:util";
import { freshKey, TestFolder } from "../support/peer.ts";
import { argumentsOf, compileHarness, describe, type Harness, summaryOf } from "./harness.ts";
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

/** The parts of all kills. */
const SHARES: Readonly<Record<Harness, number>> = { channel: 0.6, fan_out: 0.4 };

const chosenSeed = wholeNumber("seed");
console.log(`seed ${chosenSeed}`);

async function soak(name: Harness): Promise<number> {
  using folder = new TestFolder();
  const share = (kills: number): number => Math.ceil(kills * SHARES[name]);
  const args = argumentsOf(name, {
    seed: chosenSeed,
    killsC: share(wholeNumber("kills-c")),
    killsTs: share(wholeNumber("kills-ts")),
    stallMs: wholeNumber("stall-ms"),
    fault: wholeNumber("fault"),
    key: freshKey(),
    progress: true,
  });
  const harness = new Deno.Command(compileHarness(folder, name), { args, stdout: "piped" }).spawn();
  let stdout = "";
  for await (const text of harness.stdout.pipeThrough(new TextDecoderStream())) {
    stdout += text;
    if (!text.includes("{")) console.log(text.trimEnd());
  }
  const { code } = await harness.status;
  if (code === 0) console.log(describe(summaryOf(stdout)));
  return code;
}

for (const name of ["channel", "fan_out"] as const) {
  const code = await soak(name);
  if (code !== 0) Deno.exit(code);
}
