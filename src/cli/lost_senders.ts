/**
 * Which senders of a channel ended without closing it, killed or crashed: what such a one sent may end
 * in the middle. Each lane counts who opens and who closes it. For `recv_command.ts`.
 */

import type { ChannelStats, LaneStat } from "../channel/channel_stat.ts";

/** A sender that is gone and never said that it was done. */
export interface LostSender {
  readonly lane: number;
  /** Its process; `undefined` if the kernel does not tell. */
  readonly pid: number | undefined;
}

/** How many had the lane and are gone without having closed it. Both counters are modulo 2^32. */
function lostOf({ opened, closed, alive }: LaneStat): number {
  return (opened - closed - Number(alive)) >>> 0;
}

/**
 * The senders that were lost between two looks. One that was lost before the first counts if messages
 * were left in its lane then: they may have been its own.
 */
export function lostSenders(before: ChannelStats, now: ChannelStats): LostSender[] {
  return now.lanes.filter((lane, i) => {
    const then = before.lanes[i]!;
    return lostOf(lane) > (then.depth > 0 ? 0 : lostOf(then));
  }).map(({ lane, pid }) => ({ lane, pid }));
}
