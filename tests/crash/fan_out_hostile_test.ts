/**
 * A live Latest and a live Topic whose memory says what no honest peer would write, in TypeScript and in C: the
 * worst that comes of it is a wrong value, a wrong message or a clear error.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { missing, testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { fuzzFanOut, PAIRINGS, runFanOutPairing } from "./fan_out_hostile.ts";
import { hostileProgram } from "./hostile_program.ts";
import { seed as chosenSeed } from "./random.ts";

guardAgainstLeaks();

const SEED = chosenSeed();
const C_PEERS = { tools: ["gcc"], files: true } as const;
const folder = missing(C_PEERS) === undefined ? new TestFolder() : undefined;
Deno.test.afterAll(() => folder?.[Symbol.dispose]());
let compiled: string | undefined;
const program = (): string => compiled ??= hostileProgram(folder!, "crash/fan_out_hostile.c").path;

for (const protocol of ["latest", "topic"] as const) {
  const name = protocol === "latest" ? "Latest" : "Topic";
  Deno.test(`${name}: 2000 corruptions under peers of one process give results or clear errors (seed ${SEED})`, async () => {
    const counts = await fuzzFanOut(protocol, { corruptions: 2000, seed: SEED });
    for (const what of ["error ECORRUPT", "error EFORMAT", "operation use"]) {
      assert(counts.sum(what) > 0, what);
    }
    assert(counts.sum("value") + counts.sum("message") > 1000);
  });

  for (const pairing of PAIRINGS) {
    testWith(
      C_PEERS,
      `${name}: ${
        pairing.join(" to ")
      } while another process writes there 1000 times (seed ${SEED})`,
      async () => {
        const run = { corruptions: 1000, seed: SEED };
        const counts = await runFanOutPairing(program(), protocol, pairing, run);
        assert(counts.sum("value") + counts.sum("message") > 10);
        assert(counts.sum("error ECORRUPT") + counts.sum("error SHM_CORRUPT") > 0);
      },
    );
  }
}
