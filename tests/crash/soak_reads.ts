/**
 * The long run of reads of a Latest: 10^9 of them beside a writer that never pauses, none of them torn.
 *
 * ```sh
 * deno run -A tests/crash/soak_reads.ts [--reads 1000000000]
 * ```
 *
 * Exit code 0, or 1 if a value was torn, or was older than the one before.
 */

import { parseArgs } from "node:util";
import { TestFolder } from "../support/peer.ts";
import { readBesideWriter, readsProgram, SIDES } from "./latest_reads.ts";

/** The parts of all reads, of the sides in their order. C reads about four times as fast. */
const SHARES = [0.1, 0.1, 0.4, 0.4] as const;

const { values: { reads } } = parseArgs({
  options: { reads: { type: "string", default: "1000000000" } },
});

using folder = new TestFolder();
const program = readsProgram(folder);
let tornInAll = 0;
for (const [i, sides] of SIDES.entries()) {
  const part = Math.ceil(Number(reads) * SHARES[i]!);
  const began = performance.now();
  const { torn, values } = await readBesideWriter(program, sides, part);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${sides.join(" to ")}: ${part} reads, ${values} values, ${torn} torn, ${seconds} s`,
  );
  tornInAll += torn;
}
if (tornInAll > 0) Deno.exit(1);
