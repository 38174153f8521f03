/** The numbers of messages that a bridge has sent. */

import assert from "node:assert/strict";
import { SentSequences } from "../../src/nats/sent_sequences.ts";
import { Random, seed } from "../crash/random.ts";

Deno.test("SentSequences: as a Set, in any order and with gaps", () => {
  const first = seed();
  const random = new Random(first);
  const sent = new SentSequences();
  const expected = new Set<number>();
  for (let n = 1; n < 2_000; n++) {
    const sequence = random.below(4) === 0 ? 1 + random.below(n) : n;
    if (random.below(8) === 0 || expected.has(sequence)) continue;
    sent.add(sequence);
    expected.add(sequence);
  }
  for (let n = 0; n < 2_100; n++) {
    assert.equal(sent.has(n), expected.has(n), `${n}, SYSV_SHM_TEST_SEED=${first}`);
  }
});
