/** How `channel rm` removes channels: the segment, and the semaphore set with the same key. */

import { type ChannelStat, listChannels } from "../../channel/channel_stat.ts";
import { removeSegment, type SegmentStat } from "../../sysv/segment_stat.ts";
import { semaphoreTable } from "../../sysv/semaphore_stat.ts";
import { channelFacts, channelFigures, senders } from "./channel_facts.ts";
import { type Removable, SEGMENTS } from "./removable.ts";
import { formatSize } from "../text/size.ts";
import { type ChannelContent, Inventory } from "./unused.ts";
import { keyText, plural } from "../text/wording.ts";

interface ChannelSegment extends SegmentStat {
  readonly channel: ChannelStat;
}

/** The content of a channel, for the rule that decides what is unused. */
export function contentOf(stat: ChannelStat): ChannelContent {
  const { depth, kept } = channelFigures(stat);
  return { depth, kept };
}

/** Channels stay as long as a process is attached. */
export const CHANNELS: Removable<ChannelSegment> = {
  ...SEGMENTS,
  name: "channel",
  list: () => listChannels({ trust: true }).map((channel) => ({ ...channel.segment, channel })),
  judge: () => {
    const inventory = new Inventory();
    return (stat) => inventory.segment(stat, contentOf(stat.channel));
  },
  text: ({ id, key, channel }) => {
    const { lanes, laneCapacity, depth } = channelFacts(channel);
    const unread = depth === 0 ? "" : `, ${plural(depth, "message")} unread`;
    return `channel ${id} (${keyText(key)}, ${plural(lanes, "lane")} of ` +
      `${formatSize(laneCapacity)}${unread})`;
  },
  useText: (stat, use) => `${SEGMENTS.useText(stat, use)}${peersText(stat.channel)}`,
  remove: removeChannel,
};

/** The peers in words: `; process 12 receives, 13 and 14 send`. */
function peersText(stat: ChannelStat): string {
  const { consumerPid } = stat;
  const sending = senders(stat);
  const parts = [
    consumerPid === undefined ? "" : `process ${consumerPid} receives`,
    sending.length === 0 ? "" : `process ${sending.join(", ")} sends`,
  ].filter((text) => text !== "");
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

/** Marks the segment for removal and removes its set, which would block the next channel. */
function removeChannel({ id, channel }: ChannelSegment): void {
  removeSegment(id);
  // The last peer to leave may have removed it
  semaphoreTable.ensureRemoved(channel.setId);
}
