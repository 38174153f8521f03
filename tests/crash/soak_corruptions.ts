/**
 * The long run of corruptions: 100 000 of them, most within one process, in TypeScript and in C, some
 * between several processes.
 *
 * ```sh
 * deno run -A tests/crash/soak_corruptions.ts [--corruptions 100000] [--seed N]
 * ```
 *
 * Exit code 0, or 1 with the seed of what failed.
 */

import { parseArgs } from "node:util";
import { TestFolder } from "../support/peer.ts";
import { fuzzChannels, summary } from "./channel_hostile_fuzz.ts";
import { hostileProgram, PAIRINGS, runC, runPairing } from "./channel_hostile_peers.ts";

/** The parts of all corruptions. */
const SHARES = { typescript: 0.5, c: 0.3, workers: 0.1, pairings: 0.1 } as const;
const PROGRESS = 10_000;

const { values } = parseArgs({
  options: {
    corruptions: { type: "string", default: "100000" },
    seed: { type: "string", default: `${crypto.getRandomValues(new Uint32Array(1))[0]}` },
  },
});
const corruptions = Number(values.corruptions);
const seed = Number(values.seed);
const share = (part: keyof typeof SHARES): number => Math.ceil(corruptions * SHARES[part]);
const began = performance.now();

function tell(line: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`);
}

function words(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures).map(([name, count]) => `${name} ${count}`).join(", ");
}

console.log(`corruptions ${corruptions}, seed ${seed}`);
let total = 0;
let told = 0;
const inProcess = await fuzzChannels({
  corruptions: share("typescript"),
  seed,
  progress: (done) => {
    if (done < told + PROGRESS) return;
    told = done;
    tell(`TypeScript: ${done}`);
  },
});
total += inProcess.sum("corruption ");
tell("TypeScript, one process, done");
console.log(summary(inProcess).replaceAll(/^/gm, "  "));

using folder = new TestFolder();
const { path, sanitized } = hostileProgram(folder);
for (const mode of ["fuzz", "workers"] as const) {
  const part = share(mode === "fuzz" ? "c" : "workers");
  const figures = await runC(path, { mode, corruptions: part, seed });
  total += figures.corruptions!;
  const where = mode === "fuzz" ? "one process" : "four processes";
  tell(`C, ${where}, ${sanitized ? "with" : "without"} sanitizers: ${words(figures)}`);
}
for (const pairing of PAIRINGS) {
  const part = Math.ceil(share("pairings") / PAIRINGS.length);
  const counts = await runPairing(path, pairing, { corruptions: part, seed });
  total += counts.sum("corruption ");
  const figures = Object.fromEntries(counts.entries(""));
  tell(`${pairing.producer} to ${pairing.consumer}, under another process: ${words(figures)}`);
}
tell(`${total} corruptions, each of which ended in a result or a clear error (seed ${seed})`);
