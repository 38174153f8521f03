/** Choosing segments by what they are, for the commands that list or remove several. */

import { geteuid } from "../../ffi/libc.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import { isOrphan } from "./segment_facts.ts";
import { durationOption, type OptionTable, type Parsed } from "./usage.ts";

/** Options that choose; several choose what all of them do. */
export const SELECTION_OPTIONS = {
  mine: { help: "only those this user owns" },
  orphans: { help: "only those nobody is attached to and whose creator is gone" },
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
  const age = durationOption("older-than", options["older-than"]);
  const tests: ((stat: SegmentStat) => boolean)[] = [];
  if (options.mine === true) {
    const us = geteuid();
    tests.push(({ uid }) => uid === us);
  }
  if (options.orphans === true) tests.push(isOrphan);
  if (age !== undefined) {
    const end = Date.now() - age;
    tests.push(({ ctime }) => ctime !== null && ctime.getTime() < end);
  }
  return tests.length === 0 ? undefined : (stat) => tests.every((test) => test(stat));
}
