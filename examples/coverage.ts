/**
 * The coverage of a program that afl-cc built: its edge map, for each of several inputs.
 *
 *     afl-cc -o lock examples/coverage.c
 *     deno run --allow-ffi --allow-run=./lock examples/coverage.ts ./lock a o ox op
 *
 * An edge is a branch taken. The program counts each in a byte of the segment whose id is in the variable
 * `__AFL_SHM_ID`; byte 0 is set by every run. A fuzzer such as afl-fuzz keeps an input that takes a new
 * edge, and changes it to get further. The permission to run is for that one program.
 */

import { Segment } from "../mod.ts";

const [program, ...inputs] = Deno.args;

function run(args: readonly string[], env: Record<string, string>): string {
  const { stdout } = new Deno.Command(program!, { args: [...args], env }).outputSync();
  return new TextDecoder().decode(stdout);
}

const size = Number(run([], { AFL_DUMP_MAP_SIZE: "1" }));
if (!(size > 0)) throw new Error(`${program} is not built with afl-cc`);
using map = Segment.create({ size });
map.remove(); // gone when this process ends; until then others can still attach it by its id

const known = new Set<number>();
for (const input of inputs) {
  map.bytes.fill(0);
  run([input], { __AFL_SHM_ID: `${map.id}` });
  const edges = [...map.read().entries()].filter(([, count]) => count > 0).map(([edge]) => edge);
  const found = edges.filter((edge) => !known.has(edge));
  for (const edge of found) known.add(edge);
  console.log(`${input}: ${edges.length} edges, ${found.length} of them new`);
}
console.log(`${known.size} of at most ${size} edges taken`);
