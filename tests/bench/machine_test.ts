/** `bench/machine.ts` */

import assert from "node:assert/strict";
import { parseCores } from "../../bench/machine.ts";
import type { Machine } from "../../bench/result.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

Deno.test("machine: lists of cores as the kernel writes them", () => {
  assert.deepEqual(parseCores("0-2,5\n"), [0, 1, 2, 5]);
  assert.deepEqual(parseCores("3"), [3]);
  assert.deepEqual(parseCores(""), []);
});

testWith({ tools: ["deno", "taskset"] }, "machine: this machine is described", async () => {
  // It reads what a test may not read by itself
  await using peer = Peer.start(Deno.execPath(), [
    "eval",
    `import { describeMachine } from "file://${PROJECT}bench/machine.ts";
    console.log(JSON.stringify(describeMachine()));`,
  ]);
  const { code, stdout, stderr } = await peer.ended();
  assert.equal(code, 0, stderr);
  const machine: Machine = JSON.parse(stdout);
  assert(machine.cores >= 1);
  assert.match(machine.kernel, /^\d+\.\d+/);
  assert(machine.memoryBytes > 0);
  assert(machine.load >= 0);
  assert([0, 2].includes(machine.pinned.length));
  assert.equal(new Set(machine.pinned).size, machine.pinned.length);
});
