/** The long run of killed recorders: `deno task recorder`. The number of rounds may be given, 300 by default. */

import { Random, seed } from "../crash/random.ts";
import { killRecorders } from "./kills.ts";

const rounds = Number(Deno.args[0] ?? 300);
const first = seed();
console.log(`seed ${first}`);
console.log(
  `${await killRecorders(
    rounds,
    new Random(first),
  )} files of ${rounds} killed recorders have messages`,
);
