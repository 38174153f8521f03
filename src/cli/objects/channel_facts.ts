/** The facts of a channel, the stable contract of `channel --json`, as tables and as lines. */

import { formatProcess, formatProcesses } from "../../../ffi/shm_error.ts";
import { type ChannelStat, listChannels, statChannel } from "../../channel/channel_stat.ts";
import { maxMessage } from "../../channel/shape.ts";
import type { Format } from "../output.ts";
import { pidText, plural, sizeInWords } from "../text/wording.ts";
import { columnsOf, type FactsOf, factsOf, factTable } from "./facts.ts";
import {
  LANE_FACTS,
  laneDetails,
  lanesSummary,
  messagesLine,
  messagesOf,
  owners,
  ownersLine,
  ownersOf,
  sizeLines,
} from "./lane_facts.ts";
import { LIBRARY_FACTS, type LibraryObject, usersLine } from "./library_object.ts";
import { AccountNames } from "./object_facts.ts";

type LaneFigure = "depth" | "bytes" | "fullWaits";

function sumOf({ lanes }: ChannelStat, figure: LaneFigure): number {
  return lanes.reduce((sum, lane) => sum + lane[figure], 0);
}

const CHANNEL_FACTS = {
  ...LIBRARY_FACTS,
  ...LANE_FACTS,
  ...factTable<{ readonly object: ChannelStat }>()({
    /** The most bytes of a message. */
    maxMessage: {
      title: "MAXMESSAGE",
      sized: true,
      value: ({ object }) => maxMessage(object.laneCapacity),
    },
    /** The number of waiting messages, and the bytes they take. */
    depth: { title: "DEPTH", right: true, value: ({ object }) => sumOf(object, "depth") },
    bytes: { title: "BYTES", sized: true, value: ({ object }) => sumOf(object, "bytes") },
    /** How often a sender found no space and waited. */
    fullWaits: {
      title: "FULLWAITS",
      right: true,
      value: ({ object }) => sumOf(object, "fullWaits"),
    },
    /** The number of lanes with an owner, and the process that receives. */
    producers: { title: "PRODUCERS", right: true, value: owners },
    consumer: {
      title: "CONSUMER",
      right: true,
      value: ({ object }) => object.consumerPid ?? null,
      format: consumerFormat,
    },
  }),
};

/** A channel in `--json`. Numbers are numbers; null is unknown or no process. */
export type ChannelFacts = FactsOf<typeof CHANNEL_FACTS>;

function consumerFormat(
  { depth, consumer }: { readonly depth: number; readonly consumer: number | null },
): Format | undefined {
  return depth > 0 && consumer === null ? "yellow" : undefined;
}

/** Channels. Reading is harmless, even if another user created one. */
export const CHANNEL: LibraryObject<ChannelStat, ChannelFacts> = {
  name: "channel",
  list: () => listChannels({ trust: true }),
  look: (id) => statChannel(id, { trust: true }),
  facts: (object, names = new AccountNames()) =>
    factsOf(CHANNEL_FACTS, { stat: object.segment, names, object }),
  columns: (style) => columnsOf(CHANNEL_FACTS, style),
  shown: [
    ...["key", "id", "owner", "lanes", "laneCapacity"] as const,
    ...["depth", "bytes", "producers", "consumer"] as const,
  ],
  content: (object) => ({
    depth: sumOf(object, "depth"),
    kept: object.persistent,
    count: messagesOf(object),
  }),
  summary: (object) => {
    const depth = sumOf(object, "depth");
    return lanesSummary(object) + (depth === 0 ? "" : `, ${plural(depth, "message")} unread`);
  },
  peers: (object) => {
    const { consumerPid } = object;
    const senders = ownersOf(object);
    return [
      ...(consumerPid === undefined ? [] : [`${formatProcess(consumerPid)} receives`]),
      ...(senders.length === 0 ? [] : [`${formatProcesses(senders)} sends`]),
    ];
  },
  lines: (object, rate = null) => {
    const depth = sumOf(object, "depth");
    const { consumerPid } = object;
    return [
      ...sizeLines(object, maxMessage(object.laneCapacity)),
      ["waiting", depth === 0 ? "none" : `${depth}, ${sizeInWords(sumOf(object, "bytes"))} in all`],
      messagesLine(object, rate),
      ["full", `${plural(sumOf(object, "fullWaits"), "wait")} for room`],
      ownersLine("producers", object),
      ["consumer", pidText(consumerPid)],
      usersLine(object),
    ];
  },
  details: ({ lanes }) =>
    laneDetails(lanes, [
      { name: "lane", title: "LANE", right: true },
      { name: "depth", title: "DEPTH", right: true },
      { name: "bytes", title: "BYTES", right: true },
      { name: "messages", title: "MESSAGES", right: true },
      { name: "fullWaits", title: "FULLWAITS", right: true },
      { name: "opened", title: "OPENED", right: true },
      { name: "closed", title: "CLOSED", right: true },
    ]),
};
