/** Channels as `channel rm` removes them: the segment, and the semaphore set beside it. */

import { ShmError } from "../../../ffi/shm_error.ts";
import { type ChannelStat, listChannels } from "../../channel/channel_stat.ts";
import { isGone } from "../../sysv/object_stat.ts";
import { removeSegment, type SegmentStat, statSegment } from "../../sysv/segment_stat.ts";
import { listSemaphoreSets, removeSemaphoreSet } from "../../sysv/semaphore_stat.ts";
import { channelFacts, senders } from "./channel_facts.ts";
import { keyText } from "./named_objects.ts";
import { counted, type Removable, SEGMENTS } from "./removable.ts";
import { formatSize } from "../text/size.ts";

/** A channel's segment, and what is known of the channel. */
interface ChannelSegment extends SegmentStat {
  readonly channel: ChannelStat;
}

/** Channels stay as long as somebody is attached. */
export const CHANNELS: Removable<ChannelSegment> = {
  ...SEGMENTS,
  name: "channel",
  list: () => listChannels({ trust: true }).map((channel) => ({ ...channel.segment, channel })),
  text: ({ id, key, channel }) => {
    const { lanes, laneCapacity, depth } = channelFacts(channel);
    const unread = depth === 0 ? "" : `, ${counted(depth, "message", "messages")} unread`;
    return `channel ${id} (${keyText(key)}, ${counted(lanes, "lane", "lanes")} of ` +
      `${formatSize(laneCapacity)}${unread})`;
  },
  usersText: (stat, users) => `${SEGMENTS.usersText(stat, users)}${peersText(stat.channel)}`,
  remove: removeChannel,
};

/** Who sends and who receives: `; process 12 receives, 13 and 14 send`. */
function peersText(stat: ChannelStat): string {
  const { consumerPid } = stat;
  const sending = senders(stat);
  const parts = [
    consumerPid === undefined ? "" : `process ${consumerPid} receives`,
    sending.length === 0 ? "" : `process ${sending.join(", ")} sends`,
  ].filter((text) => text !== "");
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

/** Marks the segment for removal and removes the set, which those who come next would trip over. */
function removeChannel(id: number): void {
  const { key } = statSegment(id);
  const set = listSemaphoreSets().find((each) => each.key === key);
  removeSegment(id);
  if (set === undefined) return;
  try {
    removeSemaphoreSet(set.id);
  } catch (error) {
    // Whoever left just now has taken it along
    if (!(error instanceof ShmError && isGone(-error.errno))) throw error;
  }
}
