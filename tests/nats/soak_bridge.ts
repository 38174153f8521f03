/**
 * The long run of kills around the bridge: `deno task bridge`. The number of rounds may be given, 300 by
 * default.
 */

import { Random, seed } from "../crash/random.ts";
import { killAtRandom } from "./kills.ts";

const first = seed();
console.log(`seed ${first}`);
console.log(await killAtRandom(Number(Deno.args[0] ?? 300), new Random(first)));
