/** A segment as `top` shows it: its facts, the attached processes, its changes and its message rate. */

import type { LabelledLine } from "../text/labelled_lines.ts";
import type { Attacher } from "../objects/processes.ts";
import type { SegmentFacts } from "../objects/segment_facts.ts";

/** What is in an object of this library. */
export interface TopContent {
  /** The number of messages that wait; null if they do not wait in it. */
  readonly depth: number | null;
  /** The number of messages, or of versions, so far. */
  readonly count: number;
  /** The lines about it. `rate` is the row's. */
  lines(rate: number | null): LabelledLine[];
}

/** A segment and its contents. */
export interface TopFacts extends SegmentFacts {
  /** The attached processes with their names; null without -A. */
  readonly attachers: readonly Attacher[] | null;
  /** The object of this library in it, if a process is attached; null if it is none. */
  readonly content: TopContent | null;
  readonly depth: number | null;
}

/** A segment on the screen. */
export interface TopRow extends TopFacts {
  /** The change since the refresh before, such as `+1`, `new`, `gone`; or empty. */
  readonly change: string;
  /** Messages per second since the refresh before; null if they are not counted. */
  readonly rate: number | null;
}

/** The values of `change` for a segment that is new or gone. */
export const CHANGE = { new: "new", gone: "gone" } as const;

/** The changes between two snapshots, the most important first. */
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

/** Messages per second between two snapshots that are `ms` milliseconds apart. */
export function rateOf(before: TopFacts | undefined, now: TopFacts, ms: number): number | null {
  if (before === undefined || before.content === null || now.content === null) return null;
  // Another object under the same id, or a forged count, must not cause a negative rate
  return Math.max(0, now.content.count - before.content.count) / Math.max(1, ms) * 1e3;
}
