/** Changes segments with `IPC_SET` and reports the changes. Internal: used by `chmod` and `chown`. */

import type { PermissionChange } from "../../sysv/object_stat.ts";
import {
  listSegments,
  type SegmentStat,
  setSegmentPermissions,
  statSegment,
} from "../../sysv/segment_stat.ts";
import { attempt, namedObjects, type Outcome, segmentText, tellOutcomes } from "./named_objects.ts";
import type { Parsed } from "../usage.ts";

/** How a command changes a segment, and how it reports the change. */
export interface SegmentChange<Facts> {
  /** Returns the change for a segment. */
  change(stat: SegmentStat): PermissionChange;
  /** The part of the segment that it changes, for `--json`. */
  facts(stat: SegmentStat): Facts;
  /** The name of that part, and its text for people. */
  readonly name: string;
  text(facts: Facts): string;
}

/** Changes all segments that the command line names, reports each, and returns the exit code. */
export async function changeSegments<Facts>(
  parsed: Pick<Parsed<"id">, "positionals" | "repeated">,
  json: boolean,
  { change, facts, name, text }: SegmentChange<Facts>,
): Promise<number> {
  const outcomes = namedObjects(parsed, listSegments(), "segment").map((one): Outcome => {
    if (!("stat" in one)) return { ...one, facts: { before: null, after: null } };
    const { stat } = one;
    const { key, id } = stat;
    const before = facts(stat);
    const changed = attempt(() => {
      setSegmentPermissions(id, change(stat));
      return facts(statSegment(id));
    });
    if ("error" in changed) return { key, id, facts: { before, after: null }, ...changed };
    const after = changed.result;
    return {
      key,
      id,
      line: `${segmentText(stat)}: ${name} ${text(after)}, was ${text(before)}`,
      facts: { before, after },
      error: undefined,
    };
  });
  return await tellOutcomes(outcomes, json);
}
