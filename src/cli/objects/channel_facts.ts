/**
 * All that can be told of a channel: the record that `channel ls --json` and `channel stat --json`
 * print, of which names and meaning are the stable contract. For the commands of this folder.
 */

import type { ChannelStat, ChannelStats, LaneStat } from "../../channel/channel_stat.ts";
import { maxMessage } from "../../channel/shape.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";

/** What a channel is and how it goes. Numbers are numbers, null is unknown or nobody. */
export interface ChannelFigures {
  /** How many may send at a time, and the bytes of each lane. */
  readonly lanes: number;
  readonly laneCapacity: number;
  /** Bytes of every message; null where they differ. The most that one can have. */
  readonly messageSize: number | null;
  readonly maxMessage: number;
  /** Messages that wait, and the bytes they take. */
  readonly depth: number;
  readonly bytes: number;
  /** Messages there were, ever. */
  readonly messages: number;
  /** How often somebody who sent found no room and waited. */
  readonly fullWaits: number;
  /** Lanes that have an owner, and the process that receives. */
  readonly producers: number;
  readonly consumer: number | null;
  /** How many peers are there, and whether it stays when the last one goes. */
  readonly users: number;
  readonly kept: boolean;
}

/** A channel in `--json`. */
export interface ChannelFacts extends ObjectFacts, ChannelFigures {
  /** Bytes of the segment, and how often it is attached. */
  readonly size: number;
  readonly nattch: number;
  /** The semaphore set beside it. */
  readonly setId: number;
}

/** One lane in `--json`. */
export interface LaneFacts {
  readonly lane: number;
  readonly depth: number;
  readonly bytes: number;
  readonly messages: number;
  readonly fullWaits: number;
  /** How many owners it had, and how many of them said that they were done. */
  readonly opened: number;
  readonly closed: number;
  /** The process that had it last, and whether it has it now. */
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

/** Its figures. */
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

/** The processes that have a lane, each once. */
export function senders({ lanes }: ChannelStats): number[] {
  return [...new Set(lanes.flatMap(({ alive, pid }) => alive ? pid ?? [] : []))];
}

/** The facts of its lanes. */
export function laneFacts({ lanes }: ChannelStats): LaneFacts[] {
  return lanes.map((lane) => ({ ...lane, pid: lane.pid ?? null }));
}
