/** Chooses objects by their facts: the options of commands that list or remove several. */

import { geteuid } from "../../../ffi/accounts.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import type { SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import type { Use } from "./unused.ts";
import { durationOption, type OptionTable, type Parsed } from "../usage.ts";
import { UsageError } from "../errors.ts";

/** The options that choose objects; an object must match all of them. */
export const SELECTION_OPTIONS = {
  mine: { help: "only those this user owns" },
  orphans: { help: "only those with no sign of a use: see ls --help" },
  "older-than": { value: "AGE", help: "only those created or changed longer ago: 2h, 7d" },
} as const satisfies OptionTable;

/** The meaning of `--orphans`, for the help of the commands that have it. */
export const ORPHANS_HELP =
  `An orphan is a segment without a visible sign of a use: no process is attached,
its creator and its last user are gone, its owner has no other attached segment
and no semaphore set that may be in use, and it is not a channel that is kept or
may hold messages. Some programs come back for such segments all the same.`;

/** Whether a segment is chosen. Its use is determined only if needed, because that is expensive. */
export type Choice = (stat: SegmentStat, use: () => Use) => boolean;

/** Returns the function that chooses segments: all of them if the command line does not choose. */
export function selection(
  options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
): Choice {
  const tests: Choice[] = testsOfAll(options);
  if (options.orphans === true) tests.push((_, use) => use().verdict === "orphan");
  return (...seen) => tests.every((test) => test(...seen));
}

/** As {@linkcode selection}, for semaphore sets, whose creator is unknown. */
export function setSelection(
  options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
): (stat: SemaphoreSetStat) => boolean {
  if (options.orphans === true) {
    throw new UsageError(
      "option --orphans: the kernel does not record who created a semaphore set",
    );
  }
  const tests = testsOfAll(options);
  return (stat) => tests.every((test) => test(stat));
}

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
