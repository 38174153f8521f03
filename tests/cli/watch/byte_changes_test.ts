/** Where two copies differ: run by run, compared with a plain look at each byte. */

import assert from "node:assert/strict";
import { type Run, runs } from "../../../src/cli/watch/byte_changes.ts";
import { random } from "../command_line.ts";

Deno.test("runs: neighbours are one, a gap of one byte makes two", () => {
  const before = new Uint8Array(20);
  const now = before.slice();
  for (const at of [0, 3, 4, 5, 6, 7, 8, 10, 19]) now[at] = 1;
  assert.deepEqual([...runs(before, now)], [
    { start: 0, end: 1 },
    { start: 3, end: 9 },
    { start: 10, end: 11 },
    { start: 19, end: 20 },
  ]);
  assert.deepEqual([...runs(now, now)], []);
  assert.deepEqual([...runs(new Uint8Array(0), new Uint8Array(0))], []);
});

Deno.test("runs: the same as comparing each byte, at many lengths", () => {
  const next = random(5);
  for (let round = 0; round < 3000; round++) {
    const before = Uint8Array.from({ length: next(40) }, () => next(2));
    const now = before.map((byte) => next(4) === 0 ? 1 - byte : byte);
    const expected: Run[] = [];
    for (let at = 0; at < now.length; at++) {
      if (before[at] === now[at]) continue;
      const last = expected.at(-1);
      if (last?.end === at) expected[expected.length - 1] = { start: last.start, end: at + 1 };
      else expected.push({ start: at, end: at + 1 });
    }
    assert.deepEqual([...runs(before, now)], expected);
  }
});
