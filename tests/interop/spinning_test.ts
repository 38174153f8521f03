/** When C looks on instead of sleeping: as `Spinning` of `src/sync/spin.ts` does. */

import assert from "node:assert/strict";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";

guardAgainstLeaks();

/** Prints, for each try in vain, how many sleeps there were before it; what comes between is an argument. */
const program = new CProgram(`
  #include "shm_sync.h"
  #include <stdlib.h>

  static int rests_until_tried(struct ShmiSpinning *spinning) {
    int rests = 0;
    for (; !shmi_spins(spinning); rests++) shmi_slept(spinning, SHMI_SHORT_SLEEP_NS - 1);
    shmi_spun(spinning, false);
    return rests;
  }

  int main(int argc, char **argv) {
    struct ShmiSpinning spinning = {0, 0};
    for (int i = 1; i < argc; i++) {
      int times = atoi(argv[i] + 1);
      while (times-- > 0) {
        switch (argv[i][0]) {
          case 'v': printf("%d ", rests_until_tried(&spinning)); break;
          case 'f': shmi_spun(&spinning, true); break;
          case 's': shmi_slept(&spinning, SHMI_SHORT_SLEEP_NS - 1); break;
          default: shmi_slept(&spinning, SHMI_SHORT_SLEEP_NS);
        }
      }
    }
  }
`);

async function rests(...steps: readonly string[]): Promise<number[]> {
  await using peer = program.start(...steps);
  const { code, stdout } = await peer.ended();
  assert.equal(code, 0);
  return stdout.trim().split(" ").map(Number);
}

testWith(C_NEEDS, "ShmiSpinning: in vain it is tried ever more rarely", async () => {
  assert.deepEqual(await rests("v9"), [0, 1, 2, 4, 8, 16, 32, 64, 64]);
});

testWith(C_NEEDS, "ShmiSpinning: each success makes that half as rare", async () => {
  assert.deepEqual((await rests("v8", "s64", "f1", "v2")).slice(-2), [0, 32]);
  assert.deepEqual((await rests("v8", "s64", "f7", "v2")).slice(-2), [0, 1]);
});

testWith(C_NEEDS, "ShmiSpinning: after a long sleep not before one was short", async () => {
  assert.deepEqual(await rests("l3", "v1"), [1]);
});
