/**
 * The facts of a channel: the record that `channel ls --json` and `channel stat --json` print, whose names
 * and meanings are the stable contract. Internal: used by the commands.
 */

import type { ChannelStat, ChannelStats, LaneStat } from "../../channel/channel_stat.ts";
import { maxMessage } from "../../channel/shape.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";

/** The properties and the state of a channel. Numbers are numbers; null is unknown or no process. */
export interface ChannelFigures {
  /** How many producers may send at the same time, and the bytes of each lane. */
  readonly lanes: number;
  readonly laneCapacity: number;
  /** Bytes of every message, null if they differ; and the most bytes of a message. */
  readonly messageSize: number | null;
  readonly maxMessage: number;
  /** The number of waiting messages, and the bytes they take. */
  readonly depth: number;
  readonly bytes: number;
  /** The number of messages so far. */
  readonly messages: number;
  /** How often a sender found no space and waited. */
  readonly fullWaits: number;
  /** The number of lanes with an owner, and the process that receives. */
  readonly producers: number;
  readonly consumer: number | null;
  /** The number of peers, and whether the channel stays when the last one leaves. */
  readonly users: number;
  readonly kept: boolean;
}

/** A channel in `--json`. */
export interface ChannelFacts extends ObjectFacts, ChannelFigures {
  /** The bytes of the segment, and the number of attaches. */
  readonly size: number;
  readonly nattch: number;
  /** The semaphore set with the same key. */
  readonly setId: number;
}

/** One lane in `--json`. */
export interface LaneFacts {
  readonly lane: number;
  readonly depth: number;
  readonly bytes: number;
  readonly messages: number;
  readonly fullWaits: number;
  /** How many owners it had, and how many of them closed it. */
  readonly opened: number;
  readonly closed: number;
  /** The process that owned it last, and whether it owns it now. */
  readonly pid: number | null;
  readonly alive: boolean;
}

/** The facts of a channel. */
export function channelFacts(stat: ChannelStat, names = new AccountNames()): ChannelFacts {
  const { size, nattch } = stat.segment;
  return {
    ...objectFacts(stat.segment, names),
    size,
    nattch,
    setId: stat.setId,
    ...channelFigures(stat),
  };
}

/** The figures of a channel. */
export function channelFigures(stat: ChannelStats): ChannelFigures {
  const { lanes, laneCapacity, messageSize, consumerPid, users, persistent: kept } = stat;
  const sum = (count: (lane: LaneStat) => number): number =>
    lanes.reduce((total, lane) => total + count(lane), 0);
  return {
    lanes: lanes.length,
    laneCapacity,
    messageSize: messageSize === 0 ? null : messageSize,
    maxMessage: maxMessage(laneCapacity),
    depth: sum(({ depth }) => depth),
    bytes: sum(({ bytes }) => bytes),
    messages: sum(({ messages }) => messages),
    fullWaits: sum(({ fullWaits }) => fullWaits),
    producers: sum(({ alive }) => Number(alive)),
    consumer: consumerPid ?? null,
    users,
    kept,
  };
}

/** The processes that own a lane, each once. */
export function senders({ lanes }: ChannelStats): number[] {
  return [...new Set(lanes.flatMap(({ alive, pid }) => alive ? pid ?? [] : []))];
}

/** The facts of a channel's lanes. */
export function laneFacts({ lanes }: ChannelStats): LaneFacts[] {
  return lanes.map((lane) => ({ ...lane, pid: lane.pid ?? null }));
}
