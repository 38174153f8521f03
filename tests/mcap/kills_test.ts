/** Recorders, killed at random instants. */

import assert from "node:assert/strict";
import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { killRecorders } from "./kills.ts";

guardAgainstLeaks();

/** `deno task recorder` has 300. */
const ROUNDS = 7;

testWith(
  { files: true, tools: ["deno"] },
  "record: killed at random instants, it loses no message, and keeps the order of each lane",
  async () => {
    const first = seed();
    try {
      assert(await killRecorders(ROUNDS, new Random(first)) > 2);
    } catch (failure) {
      throw new Error(`SYSV_SHM_TEST_SEED=${first}`, { cause: failure });
    }
  },
);
