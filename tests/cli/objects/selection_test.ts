/** Choosing segments and semaphore sets by what they are. */

import assert from "node:assert/strict";
import { geteuid } from "../../../ffi/accounts.ts";
import type { SegmentStat } from "../../../mod.ts";
import { selection, SELECTION_OPTIONS, setSelection } from "../../../src/cli/objects/selection.ts";
import { Inventory } from "../../../src/cli/objects/unused.ts";
import { parse } from "../../../src/cli/usage.ts";
import { NO_PID, segmentStat } from "../../support/objects.ts";

const HOUR_MS = 3600e3;
const us = geteuid();
const now = Date.now();

const ours = segmentStat({ id: 1, uid: us, ctime: new Date(now - HOUR_MS / 2) });
const theirs = segmentStat({ id: 2, uid: us + 1, cuid: us, ctime: new Date(now - 3 * HOUR_MS) });
const left = segmentStat({ id: 3, uid: us, cpid: NO_PID, ctime: new Date(now - 50 * HOUR_MS) });
const held = segmentStat({ id: 4, uid: us + 1, cpid: NO_PID, nattch: 1 });
const outside = segmentStat({ id: 5, uid: us + 1, cpid: 0, ctime: null });
const ALL = [ours, theirs, left, held, outside];

function chosen(...args: readonly string[]): number[] {
  const test = selection(parse(args, SELECTION_OPTIONS).options);
  const inventory = new Inventory({ segments: ALL, sets: [] });
  return ALL.filter((stat) => test(stat, () => inventory.segment(stat))).map(({ id }) => id);
}

Deno.test("selection: --mine is what this user owns; all without an option", () => {
  assert.deepEqual(chosen(), [1, 2, 3, 4, 5]);
  assert.deepEqual(chosen("--mine"), [1, 3]);
});

Deno.test("selection: --orphans are those of the rule in unused.ts", () => {
  assert.deepEqual(chosen("--orphans"), [3]);
});

Deno.test("selection: --older-than by the last change, if its time is known", () => {
  assert.deepEqual(chosen("--older-than=1h"), [2, 3, 4]);
  assert.deepEqual(chosen("--older-than=2d"), [3, 4]);
  assert.deepEqual(chosen("--older-than=0"), [1, 2, 3, 4]);
  assert.deepEqual(chosen("--older-than=999999d"), []);
});

Deno.test("selection: several options choose what all of them choose", () => {
  assert.deepEqual(chosen("--mine", "--orphans", "--older-than=1h"), [3]);
  assert.deepEqual(chosen("--mine", "--older-than=1h"), [3]);
  assert.deepEqual(chosen("--orphans", "--older-than=99d"), []);
});

Deno.test("setSelection: as segments", () => {
  const sets = ALL.map((stat: SegmentStat) => ({ ...stat, count: 1, otime: null }));
  const ids = (...args: readonly string[]): number[] =>
    sets.filter(setSelection(parse(args, SELECTION_OPTIONS).options)).map(({ id }) => id);
  assert.deepEqual(ids(), [1, 2, 3, 4, 5]);
  assert.deepEqual(ids("--mine", "--older-than=1h"), [3]);
});
