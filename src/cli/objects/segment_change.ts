/** A command that changes segments with `IPC_SET` and reports the changes: `chmod` or `chown`. */

import type { PermissionChange } from "../../sysv/object_stat.ts";
import {
  listSegments,
  type SegmentStat,
  setSegmentPermissions,
  statSegment,
} from "../../sysv/segment_stat.ts";
import { type Command, command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { attempt, namedObjects, type Outcome, segmentText, tellOutcomes } from "./named_objects.ts";
import { TARGET_HELP, TARGET_OPTIONS } from "./target.ts";

/** What a command changes of a segment, and how it reports the change. */
export interface SegmentChange<Facts> {
  /** Its name, and what a user forgot who gives no argument. */
  readonly name: string;
  readonly missing: string;
  /** The parts of the help: what the command does, the facts in `--json`, examples. */
  readonly about: string;
  readonly json: string;
  readonly examples: string;
  /** Reads the first argument, and returns the change for a segment. */
  read(text: string): (stat: SegmentStat) => PermissionChange;
  /** The part of the segment that it changes, for `--json`, and its text for people. */
  facts(stat: SegmentStat): Facts;
  text(facts: Facts): string;
}

/** Makes the command, which changes all segments that the command line names after the change. */
export function changeCommand<Facts>(
  { name, missing, about, json, examples, read, facts, text }: SegmentChange<Facts>,
): Command {
  const outcomeOf = (stat: SegmentStat, change: PermissionChange): Outcome => {
    const { key, id } = stat;
    const before = facts(stat);
    const changed = attempt(() => {
      setSegmentPermissions(id, change);
      return facts(statSegment(id));
    });
    if ("error" in changed) return { key, id, facts: { before, after: null }, ...changed };
    const after = changed.result;
    const line = `${segmentText(stat)}: ${name} ${text(after)}, was ${text(before)}`;
    return { key, id, line, facts: { before, after }, error: undefined };
  };
  return command({
    options: {
      ...TARGET_OPTIONS,
      json: { help: "a JSON array of what became of each; the stable form" },
    },
    completes: "segments",
    help: (options) =>
      `${about}

${TARGET_HELP}

Options:
${options}

JSON: id, key (null where not known), keyHex, before and after (null if there is
none), each with ${json}, error (or null).

Exit codes: 0 all are changed; 1 one was not there or could not be changed, the
rest were; 2 wrong usage, nothing changed.

Examples:
${examples}
`,
    async run({ options, positionals: [how, ...positionals], repeated }): Promise<number> {
      if (how === undefined) throw new UsageError(`Missing ${missing}`);
      const change = read(how);
      const outcomes = namedObjects({ positionals, repeated }, listSegments(), "segment").map(
        (one) =>
          "stat" in one
            ? outcomeOf(one.stat, change(one.stat))
            : { ...one, facts: { before: null, after: null } },
      );
      return await tellOutcomes(outcomes, options.json === true);
    },
  });
}
