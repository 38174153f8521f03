/**
 * The long run of kills: 100 000 peers in C and 1 000 in TypeScript, killed and stopped at random
 * instants. Fails if somebody who could go on stands still for longer than 200 ms.
 *
 * ```sh
 * deno run -A tests/crash/soak_kills.ts [--kills-c 100000] [--kills-ts 1000] [--seed N]
 * ```
 *
 * Exit code 0, or 1 with the seed and the first thing that was wrong.
 */

import { parseArgs } from "node:util";
import { TestFolder } from "../support/peer.ts";
import { killPeers } from "./channel_kills.ts";

const { values } = parseArgs({
  options: {
    "kills-c": { type: "string", default: "100000" },
    "kills-ts": { type: "string", default: "1000" },
    seed: { type: "string", default: `${crypto.getRandomValues(new Uint32Array(1))[0]}` },
  },
});
const STALL_MS = 200;

console.log(`seed ${values.seed}`);
using folder = new TestFolder();
const summary = await killPeers(folder, {
  seed: Number(values.seed),
  c: Number(values["kills-c"]),
  typescript: Number(values["kills-ts"]),
  stallMs: STALL_MS,
  progress: (line) => console.log(line),
});
console.log(JSON.stringify(summary, null, 2));
