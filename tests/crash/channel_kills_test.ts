/**
 * Producers and consumers of a channel, C and TypeScript mixed, killed and stopped at random instants:
 * every message is checked (nothing corrupt, lost, out of order, or repeated beyond what the way to
 * receive allows), no peer is stuck, what the dead held is free at once, nothing is left. A short run of
 * what `soak_kills.ts` does for long.
 */

import assert from "node:assert/strict";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { FAULT, shortRun } from "./harness.ts";

guardAgainstLeaks();

testWith(C_NEEDS, "shm_channel.h: C peers are killed some hundred times", async () => {
  const { kills_c, c, messages, stops } = await shortRun("channel", { killsC: 600, killsTs: 0 });
  assert(kills_c >= 600 && messages > 0 && stops > 0);
  assert(c.producers > 0 && c.consumers > 0 && c.stopped_producers + c.stopped_consumers > 0);
});

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "Channel: TypeScript peers are killed among C ones",
  async () => {
    const { kills_ts, ts, messages } = await shortRun("channel", { killsC: 0, killsTs: 40 });
    assert(kills_ts >= 40 && messages > 0);
    assert(ts.producers + ts.stopped_producers > 0 && ts.consumers + ts.stopped_consumers > 0);
  },
);

testWith(
  C_NEEDS,
  "shm_channel.h: C peers are killed while a process writes over payloads",
  async () => {
    const { faults } = await shortRun("channel", {
      killsC: 200,
      killsTs: 0,
      fault: FAULT.REWRITING,
    });
    assert(faults.rewriting > 0 && faults.rewritten > 0);
  },
);

testWith(
  { ...C_NEEDS, root: true },
  "shm_channel.h: C peers of several users are killed",
  async () => {
    const { faults } = await shortRun("channel", { killsC: 400, killsTs: 0, fault: FAULT.USERS });
    assert(faults.other_users > 0 && faults.refused > 0);
  },
);

testWith(C_NEEDS, "shm_channel.h: C peers are killed while the channel is removed", async () => {
  const { faults } = await shortRun("channel", { killsC: 600, killsTs: 0, fault: FAULT.REMOVING });
  assert(faults.removed_sets + faults.removed_segments + faults.removed_both > 0);
});

testWith(C_NEEDS, "shm_channel.h: C peers are stopped while they hold the entry lock", async () => {
  const { faults } = await shortRun("channel", {
    killsC: 300,
    killsTs: 0,
    fault: FAULT.LOCK_HOLDERS,
  });
  assert(faults.lock_holders_c > 0);
});

testWith(
  { ...C_NEEDS, tools: ["gcc", "deno"] },
  "Channel: TypeScript peers are killed with each of these",
  async () => {
    for (const fault of Object.values(FAULT)) {
      await shortRun("channel", { killsC: 0, killsTs: 10, fault });
    }
  },
);
