/** The short form of `soak_reads.ts`. */

import assert from "node:assert/strict";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { readBesideWriter, readsProgram, SIDES } from "./latest_reads.ts";

guardAgainstLeaks();

const MOST_RUNS = 100;

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "Latest, shm_latest.h: a million reads beside a writer that never pauses are whole",
  async () => {
    using folder = new TestFolder();
    const program = readsProgram(folder);
    for (const sides of SIDES) {
      let seen = 0;
      // On two cores the writer may have no turn while a reader in C reads: then it reads again
      for (let runs = 0; seen <= 1 && runs < MOST_RUNS; runs++) {
        const { torn, values } = await readBesideWriter(program, sides, 250_000);
        assert.equal(torn, 0, sides.join(" to "));
        seen = values;
      }
      assert(seen > 1, sides.join(" to "));
    }
  },
);
