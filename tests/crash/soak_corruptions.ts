/**
 * The long run of corruptions: 100 000 of them, of the channel, of Latest and of Topic, most within one
 * process, in TypeScript and in C, some between several processes.
 *
 * ```sh
 * deno run -A tests/crash/soak_corruptions.ts [--corruptions 100000] [--seed N]
 * ```
 *
 * Exit code 0, or 1 with the seed of what failed.
 */

import { parseArgs } from "node:util";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";
import { fuzzChannels, summary } from "./channel_hostile_fuzz.ts";
import { PAIRINGS, runC, runPairing } from "./channel_hostile_peers.ts";
import { fuzzFanOut, PAIRINGS as FAN_OUT_PAIRINGS, runFanOutPairing } from "./fan_out_hostile.ts";
import { figures, hostileProgram } from "./hostile_program.ts";

/** The parts of all corruptions: of the channel, and from `fanOut` on of Latest and Topic, half each. */
const SHARES = {
  typescript: 0.3,
  c: 0.2,
  workers: 0.05,
  pairings: 0.05,
  fanOut: 0.2,
  fanOutC: 0.15,
  fanOutPairings: 0.05,
} as const;
const PROTOCOLS = ["latest", "topic"] as const;
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
const { path, sanitized } = hostileProgram(folder, "crash/channel_hostile.c");
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
for (const protocol of PROTOCOLS) {
  const fuzzed = await fuzzFanOut(protocol, { corruptions: share("fanOut") / 2, seed });
  total += fuzzed.sum("corruption ");
  tell(`${protocol}, TypeScript, one process: ${words(Object.fromEntries(fuzzed.entries("")))}`);
  const { path: fuzz } = hostileProgram(folder, `${protocol}/fuzz.c`);
  const part = Math.ceil(share("fanOutC") / 2);
  await using running = Peer.start(fuzz, [freshKey(), seed, part].map(String));
  tell(`${protocol}, C, one process: ${words(figures(protocol, await running.ended()))}`);
  total += part;
}
const { path: fanOut } = hostileProgram(folder, "crash/fan_out_hostile.c");
for (const protocol of PROTOCOLS) {
  for (const pairing of FAN_OUT_PAIRINGS) {
    const part = Math.ceil(share("fanOutPairings") / 2 / FAN_OUT_PAIRINGS.length);
    const counts = await runFanOutPairing(fanOut, protocol, pairing, { corruptions: part, seed });
    total += counts.sum("corruption ");
    const figures = Object.fromEntries(counts.entries(""));
    tell(`${protocol}, ${pairing.join(" to ")}, under another process: ${words(figures)}`);
  }
}
tell(`${total} corruptions, each of which ended in a result or a clear error (seed ${seed})`);
