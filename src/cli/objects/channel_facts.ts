/** The facts of a channel, the stable contract of `channel --json`, and the columns of tables. */

import type { ChannelStat, ChannelStats, LaneStat } from "../../channel/channel_stat.ts";
import { maxMessage } from "../../channel/shape.ts";
import type { Format } from "../output.ts";
import type { Column } from "../text/table.ts";
import { UNKNOWN } from "../text/wording.ts";
import { columnsOf, defaultColumns, type FactsOf, factsOf, factTable } from "./facts.ts";
import { AccountNames, OBJECT_FACTS, shortOwner } from "./object_facts.ts";
import type { ColumnStyle } from "./segment_facts.ts";

interface FiguresSource {
  readonly channel: ChannelStats;
  /** The sum of a count of each lane. */
  readonly sum: (count: (lane: LaneStat) => number) => number;
}

const FIGURES = factTable<FiguresSource>()({
  /** How many producers may send at the same time, and the bytes of each lane. */
  lanes: { title: "LANES", right: true, value: ({ channel }) => channel.lanes.length },
  laneCapacity: { title: "CAPACITY", sized: true, value: ({ channel }) => channel.laneCapacity },
  /** Bytes of every message, null if they differ; and the most bytes of a message. */
  messageSize: {
    title: "MESSAGE",
    sized: true,
    value: ({ channel }) => channel.messageSize || null,
  },
  maxMessage: {
    title: "MAXMESSAGE",
    sized: true,
    value: ({ channel }) => maxMessage(channel.laneCapacity),
  },
  /** The number of waiting messages, and the bytes they take. */
  depth: { title: "DEPTH", right: true, value: ({ sum }) => sum(({ depth }) => depth) },
  bytes: { title: "BYTES", sized: true, value: ({ sum }) => sum(({ bytes }) => bytes) },
  /** The number of messages so far. */
  messages: { title: "MESSAGES", right: true, value: ({ sum }) => sum(({ messages }) => messages) },
  /** How often a sender found no space and waited. */
  fullWaits: {
    title: "FULLWAITS",
    right: true,
    value: ({ sum }) => sum(({ fullWaits }) => fullWaits),
  },
  /** The number of lanes with an owner, and the process that receives. */
  producers: { title: "PRODUCERS", right: true, value: ({ sum }) => sum(({ alive }) => +alive) },
  consumer: {
    title: "CONSUMER",
    right: true,
    value: ({ channel }) => channel.consumerPid ?? null,
    format: consumerFormat,
  },
  /** The number of peers, and whether the channel stays when the last one leaves. */
  users: { title: "USERS", right: true, value: ({ channel }) => channel.users },
  kept: { title: "KEPT", value: ({ channel }) => channel.persistent, text: yesNo },
});

const CHANNEL_FACTS = {
  ...OBJECT_FACTS,
  ...factTable<{ readonly channel: ChannelStat }>()({
    /** The bytes of the segment, and the number of attaches. */
    size: { title: "SIZE", sized: true, value: ({ channel }) => channel.segment.size },
    nattch: { title: "ATT", right: true, value: ({ channel }) => channel.segment.nattch },
    /** The semaphore set with the same key. */
    setId: { title: "SETID", right: true, value: ({ channel }) => channel.setId },
  }),
  ...FIGURES,
};

/** The properties and the state of a channel. Numbers are numbers; null is unknown or no process. */
export type ChannelFigures = FactsOf<typeof FIGURES>;

/** A channel in `--json`. */
export type ChannelFacts = FactsOf<typeof CHANNEL_FACTS>;

function consumerFormat(
  { depth, consumer }: { readonly depth: number; readonly consumer: number | null },
): Format | undefined {
  return depth > 0 && consumer === null ? "yellow" : undefined;
}

function yesNo(is: boolean): string {
  return is ? "yes" : "no";
}

function sourceOf<Stats extends ChannelStats>(
  channel: Stats,
): FiguresSource & { readonly channel: Stats } {
  return { channel, sum: (count) => channel.lanes.reduce((sum, lane) => sum + count(lane), 0) };
}

export function channelFacts(channel: ChannelStat, names = new AccountNames()): ChannelFacts {
  return factsOf(CHANNEL_FACTS, { stat: channel.segment, names, ...sourceOf(channel) });
}

export function channelFigures(channel: ChannelStats): ChannelFigures {
  return factsOf(FIGURES, sourceOf(channel));
}

/** The processes that own a lane, each once. */
export function senders({ lanes }: ChannelStats): number[] {
  return [...new Set(lanes.flatMap(({ alive, pid }) => alive ? pid ?? [] : []))];
}

/** Every column of channels, one for each fact. */
export function channelColumns(style?: ColumnStyle): Column<ChannelFacts>[] {
  return columnsOf(CHANNEL_FACTS, style);
}

export function defaultChannelColumns(style?: ColumnStyle): Column<ChannelFacts>[] {
  return defaultColumns(
    channelColumns(style),
    [
      ...["key", "id", "owner", "lanes", "laneCapacity"] as const,
      ...["depth", "bytes", "producers", "consumer"] as const,
    ],
    { owner: shortOwner },
  );
}

/** One lane in `--json`: the process that owned it last is null if there was none. */
export interface LaneFacts extends Omit<LaneStat, "pid"> {
  readonly pid: number | null;
}

export function laneFacts({ lanes }: ChannelStats): LaneFacts[] {
  return lanes.map((lane) => ({ ...lane, pid: lane.pid ?? null }));
}

export const LANE_COLUMNS: readonly Column<LaneFacts>[] = [
  { name: "lane", title: "LANE", right: true },
  { name: "depth", title: "DEPTH", right: true },
  { name: "bytes", title: "BYTES", right: true },
  { name: "messages", title: "MESSAGES", right: true },
  { name: "fullWaits", title: "FULLWAITS", right: true },
  { name: "opened", title: "OPENED", right: true },
  { name: "closed", title: "CLOSED", right: true },
  { name: "pid", title: "PID", right: true },
  {
    name: "alive",
    title: "ALIVE",
    text: ({ pid, alive }) => pid === null ? UNKNOWN : yesNo(alive),
  },
];
