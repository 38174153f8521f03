/**
 * Peers of a channel killed and stopped at random instants, C and TypeScript mixed: nothing is lost,
 * corrupt, out of order or repeated beyond what the mode of receiving allows, and nobody stays stuck.
 * `soak_kills.ts` is the long run.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { killPeers } from "./channel_kills.ts";
import { seed as chosenSeed } from "./random.ts";

guardAgainstLeaks();

const SEED = chosenSeed();
/** A safety net: how fast somebody goes on is measured in the long run. */
const STALL_MS = 20_000;

testWith({ tools: ["gcc"], files: true }, `400 kills of C peers (seed ${SEED})`, async () => {
  using folder = new TestFolder();
  const { kills_c, c, messages, lost_in_hand, in_hand } = await killPeers(folder, {
    seed: SEED,
    c: 400,
    typescript: 0,
    stallMs: STALL_MS,
  });
  assert(kills_c >= 400 && messages > 1000);
  assert(c.producers > 0 && c.consumers > 0 && c.stopped_producers > 0 && c.stopped_consumers > 0);
  assert(lost_in_hand <= in_hand);
});

testWith(
  { tools: ["deno", "gcc"], files: true },
  `30 kills of TypeScript peers among C peers (seed ${SEED})`,
  async () => {
    using folder = new TestFolder();
    const { kills_ts, lost_in_hand, in_hand } = await killPeers(folder, {
      seed: SEED,
      c: 0,
      typescript: 30,
      stallMs: STALL_MS,
    });
    assert(kills_ts >= 30);
    assert(lost_in_hand <= in_hand);
  },
);
