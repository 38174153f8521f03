/** Choosing segments by what they are, for the commands that list or remove several. */

import { geteuid } from "../../../ffi/libc.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { isOrphan } from "./segment_facts.ts";
import { durationOption, type OptionTable, type Parsed, UsageError } from "../usage.ts";

/** Options that choose; several choose what all of them do. */
export const SELECTION_OPTIONS = {
  mine: { help: "only those this user owns" },
  orphans: { help: "only those with nobody attached and the creator gone" },
  "older-than": { value: "AGE", help: "only those created or changed longer ago: 2h, 7d" },
} as const satisfies OptionTable;

/**
 * Whether a segment is among those chosen; `undefined` if the command line does not choose.
 *
 * @throws {UsageError} an age that is none
 */
export function selection(
  options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
): ((stat: SegmentStat) => boolean) | undefined {
  const tests: ((stat: SegmentStat) => boolean)[] = testsOfAll(options);
  if (options.orphans === true) tests.push(isOrphan);
  return tests.length === 0 ? undefined : (stat) => tests.every((test) => test(stat));
}

/** As {@linkcode selection}, for semaphore sets, of which nobody knows who created them. */
export function setSelection(
  options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
): (stat: SemaphoreSetStat) => boolean {
  if (options.orphans === true) {
    throw new UsageError("option --orphans: the kernel does not keep who created a semaphore set");
  }
  const tests = testsOfAll(options);
  return (stat) => tests.every((test) => test(stat));
}

/** The tests that objects of every kind can be put to. */
function testsOfAll(
  options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
): ((stat: Pick<SegmentStat, "uid" | "ctime">) => boolean)[] {
  const age = durationOption("older-than", options["older-than"]);
  const tests: ((stat: Pick<SegmentStat, "uid" | "ctime">) => boolean)[] = [];
  if (options.mine === true) {
    const us = geteuid();
    tests.push(({ uid }) => uid === us);
  }
  if (age !== undefined) {
    const end = Date.now() - age;
    tests.push(({ ctime }) => ctime !== null && ctime.getTime() < end);
  }
  return tests;
}
