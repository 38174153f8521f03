/** The short form of `soak_reads.ts`. */

import assert from "node:assert/strict";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { readBesideWriter, readsProgram, SIDES } from "./latest_reads.ts";

guardAgainstLeaks();

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "Latest, shm_latest.h: a million reads beside a writer that never pauses are whole",
  async () => {
    using folder = new TestFolder();
    const program = readsProgram(folder);
    for (const sides of SIDES) {
      const { torn, values } = await readBesideWriter(program, sides, 250_000);
      assert.equal(torn, 0, sides.join(" to "));
      // On two cores the writer may have no turn while a reader in C reads
      assert(values > 0, sides.join(" to "));
    }
  },
);
