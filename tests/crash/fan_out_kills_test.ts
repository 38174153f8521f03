/**
 * The writer and the readers of a Latest, publishers and subscribers of a Topic, C and TypeScript mixed, killed
 * and stopped at random instants: nothing torn is read, nothing older than before, what was published last is
 * there, what was missed is counted, no peer is stuck, and nothing is left. A short run of what
 * `soak_kills.ts` does for long.
 */

import assert from "node:assert/strict";
import { C_NEEDS } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { FAULT, shortRun } from "./harness.ts";

guardAgainstLeaks();

const MIXED = { ...C_NEEDS, tools: ["gcc", "deno"] };
const { USERS, REMOVING, LOCK_HOLDERS } = FAULT;

testWith(C_NEEDS, "shm_latest.h, shm_topic.h: C peers are killed some hundred times", async () => {
  const { kills_c, c, messages, stops } = await shortRun("fan_out", { killsC: 800, killsTs: 0 });
  assert(kills_c >= 800 && messages > 0 && stops > 0);
  assert(c.producers > 0 && c.consumers > 0 && c.stopped_producers + c.stopped_consumers > 0);
});

testWith(MIXED, "Latest, Topic: TypeScript peers are killed among C ones", async () => {
  const { kills_ts, ts, messages } = await shortRun("fan_out", { killsC: 0, killsTs: 50 });
  assert(kills_ts >= 50 && messages > 0);
  assert(ts.producers + ts.stopped_producers > 0 && ts.consumers + ts.stopped_consumers > 0);
});

testWith(
  { ...C_NEEDS, root: true },
  "shm_latest.h, shm_topic.h: C peers of several users are killed",
  async () => {
    const { faults } = await shortRun("fan_out", { killsC: 400, killsTs: 0, fault: USERS });
    assert(faults.other_users > 0 && faults.refused > 0);
  },
);

testWith(
  C_NEEDS,
  "shm_latest.h, shm_topic.h: C peers are killed while the object is removed",
  async () => {
    const { faults } = await shortRun("fan_out", { killsC: 600, killsTs: 0, fault: REMOVING });
    assert(faults.removed_sets + faults.removed_segments + faults.removed_both > 0);
  },
);

testWith(MIXED, "Latest, Topic: TypeScript peers are killed with each of these", async () => {
  for (const fault of [USERS, REMOVING, LOCK_HOLDERS]) {
    await shortRun("fan_out", { killsC: 0, killsTs: 10, fault });
  }
});
