/**
 * Finds senders of a channel that ended without closing it, killed or crashed: their data may be
 * incomplete. Each lane counts how often it was opened and closed. Internal: used by `recv_command.ts`.
 */

import type { ChannelStats, LaneStat } from "../channel/channel_stat.ts";

/** A sender that is gone and did not close its lane. */
export interface LostSender {
  readonly lane: number;
  /** Its process; `undefined` if the kernel does not know it. */
  readonly pid: number | undefined;
}

/** How many owners of the lane are gone without closing it. Both counters are modulo 2^32. */
function lostOf({ opened, closed, alive }: LaneStat): number {
  return (opened - closed - Number(alive)) >>> 0;
}

/**
 * The senders that were lost between two readings. A sender that was lost before the first one counts if
 * messages were left in its lane then: they may be its own.
 */
export function lostSenders(before: ChannelStats, now: ChannelStats): LostSender[] {
  return now.lanes.filter((lane, i) => {
    const then = before.lanes[i]!;
    return lostOf(lane) > (then.depth > 0 ? 0 : lostOf(then));
  }).map(({ lane, pid }) => ({ lane, pid }));
}
