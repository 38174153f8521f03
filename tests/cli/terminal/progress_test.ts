/** What the progress line says, at every width; the line on a terminal is tested with `send`. */

import assert from "node:assert/strict";
import { progressText } from "../../../src/cli/terminal/progress.ts";
import { random } from "../command_line.ts";

const MIB = 2 ** 20;

Deno.test("progressText: without a total, bytes, rate and time", () => {
  const facts = { bytes: 5.25 * 2 ** 30, total: undefined, rate: 900 * MIB, seconds: 6.9 };
  assert.equal(progressText(facts, 80), "5.3G  900M/s  0:06");
  assert.equal(progressText({ ...facts, seconds: 3 * 3600 + 62 }, 80), "5.3G  900M/s  3:01:02");
  assert.equal(progressText(facts, 8), "5.3G  9~");
});

Deno.test("progressText: with a total, a bar if there is room", () => {
  const facts = { bytes: 25 * MIB, total: 100 * MIB, rate: 10 * MIB, seconds: 61 };
  assert.equal(
    progressText(facts, 80),
    "[======                  ]  25%  25M of 100M  10M/s  1:01",
  );
  assert.equal(progressText(facts, 40), "25%  25M of 100M  10M/s  1:01");
  assert.equal(
    progressText({ ...facts, bytes: 100 * MIB }, 80),
    "[========================] 100%  100M of 100M  10M/s  1:01",
  );
  // A file that grew while it was read, and an empty one
  assert.match(progressText({ ...facts, bytes: 300 * MIB }, 80), /^\[={24}\] 100% {2}300M of 100M/);
  assert.match(progressText({ ...facts, bytes: 0, total: 0 }, 80), /^\[={24}\] 100% {2}0 of 0 /);
});

Deno.test("progressText: any figures make one line that fits", () => {
  const pick = random(11);
  for (let round = 0; round < 10_000; round++) {
    const columns = pick(100);
    const text = progressText({
      bytes: pick(2 ** 31) * pick(2 ** 20),
      total: pick(2) === 0 ? undefined : pick(2 ** 31),
      rate: pick(2 ** 31) * pick(2 ** 10),
      seconds: pick(1_000_000),
    }, columns);
    assert(text.length <= columns, text);
    assert.match(text, /^[ -~]*$/);
  }
});
