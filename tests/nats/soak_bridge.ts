/**
 * The long run of kills around the bridge: `deno task bridge`. The number of rounds may be given, 300 by
 * default.
 */

import { Random, seed } from "../crash/random.ts";
import { killAtRandom } from "./kills.ts";

const rounds = Number(Deno.args[0] ?? 300);
const first = seed();
console.log(`seed ${first}`);
const tell = (round: number): void => {
  if (round % 25 === 0) console.log(`${round} kills`);
};
console.log(await killAtRandom(rounds, new Random(first), tell));
