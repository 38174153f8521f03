/** Bridges, their server, producers and consumers, killed at random instants. */

import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { killAtRandom } from "./kills.ts";
import { testWithNats } from "./nats_server.ts";

guardAgainstLeaks();

const ROUNDS = 30;

testWithNats("bridgeOut, bridgeIn: nothing is lost when any process is killed", async () => {
  const first = seed();
  try {
    await killAtRandom(ROUNDS, new Random(first));
  } catch (failure) {
    throw new Error(`SYSV_SHM_TEST_SEED=${first}`, { cause: failure });
  }
}, { tools: ["deno"] });
