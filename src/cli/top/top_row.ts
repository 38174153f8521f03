/** A segment as `top` shows it: its facts, who is attached, what has changed and what has moved. */

import type { ChannelFigures } from "../objects/channel_facts.ts";
import type { Attacher } from "../objects/processes.ts";
import type { SegmentFacts } from "../objects/segment_facts.ts";

/** A channel in a segment. */
export interface TopChannel extends ChannelFigures {
  /** The processes that have a lane. */
  readonly senders: readonly number[];
}

/** A segment, and what is in it. */
export interface TopFacts extends SegmentFacts {
  /** By name who is attached; null without -A. */
  readonly attachers: readonly Attacher[] | null;
  /** The channel it is, if somebody is attached; null if it is none. */
  readonly channel: TopChannel | null;
  /** Messages that wait in it. */
  readonly depth: number | null;
}

/** A segment on the screen. */
export interface TopRow extends TopFacts {
  /** What has changed since the refresh before, as short as `+1`, `new`, `gone`; or empty. */
  readonly change: string;
  /** Messages a second since the refresh before; null where nobody counts them. */
  readonly rate: number | null;
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

/** Messages a second between two looks that are `ms` apart. */
export function rateOf(before: TopFacts | undefined, now: TopFacts, ms: number): number | null {
  if (before?.channel === undefined || before.channel === null || now.channel === null) return null;
  // Whoever put another channel under the same id, or forges the count, gets no negative rate
  return Math.max(0, now.channel.messages - before.channel.messages) / Math.max(1, ms) * 1e3;
}
