/**
 * Compares thousands of random C texts with all compilers, as the tests do with a few hundred:
 * `deno task structs`, or `deno task structs COUNT SEED`.
 */
import { compareTexts, COMPILERS } from "./compare_texts.ts";

/** The texts of one program. */
const BATCH = 250;

const count = Number(Deno.args[0] ?? 3000);
const first = Number(Deno.args[1] ?? crypto.getRandomValues(new Uint32Array(1))[0]!);
const folder = Deno.makeTempDirSync({ prefix: "sysv-shm-structs-" });
try {
  for (const compiler of Object.keys(COMPILERS)) {
    let [structs, refused, questions, values] = [0, 0, 0, 0];
    for (let seed = first; seed < first + count / BATCH; seed++) {
      const done = compareTexts(compiler, seed, BATCH, folder);
      structs += done.structs;
      refused += done.refused;
      questions += done.questions;
      values += done.values;
    }
    console.log(
      `${compiler}: ${structs} structs with ${questions} sizes and places and ${values} values: ` +
        `no difference; ${refused} refused (seed ${first})`,
    );
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}
