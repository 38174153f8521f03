/** A segment as `top` shows it: its facts, who is attached, and what has changed. */

import type { Attacher } from "./processes.ts";
import type { SegmentFacts } from "./segment_facts.ts";

/** A segment, and by name who is attached; null without -A. */
export interface TopFacts extends SegmentFacts {
  readonly attachers: readonly Attacher[] | null;
}

/** A segment on the screen. */
export interface TopRow extends TopFacts {
  /** What has changed since the refresh before, as short as `+1`, `new`, `gone`; or empty. */
  readonly change: string;
}

/** What `change` is for a segment that has come or gone. */
export const CHANGE = { new: "new", gone: "gone" } as const;

/** What is different, most telling first. */
export function changeOf(before: TopFacts | undefined, now: TopFacts): string {
  if (before === undefined) return CHANGE.new;
  const attached = now.nattch - before.nattch;
  const changes = [
    attached === 0 ? "" : `${attached > 0 ? "+" : ""}${attached}`,
    now.markedForRemoval && !before.markedForRemoval ? "dest" : "",
    now.locked === before.locked ? "" : now.locked ? "locked" : "unlocked",
    now.mode === before.mode ? "" : "mode",
    now.uid === before.uid && now.gid === before.gid ? "" : "owner",
  ];
  return changes.filter((change) => change !== "").join(",");
}
