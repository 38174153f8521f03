/** The facts that channels and topics share: their lanes, and the messages in them. */

import type { LabelledLine } from "../text/labelled_lines.ts";
import { formatSize } from "../text/size.ts";
import { type Column, tableLines } from "../text/table.ts";
import { formatRate, plural, sizeInWords, UNKNOWN, yesNo } from "../text/wording.ts";
import { factTable } from "./facts.ts";
import type { LibraryStat } from "./library_object.ts";

interface LaneStat {
  readonly lane: number;
  readonly messages: number;
  readonly opened: number;
  readonly pid: number | undefined;
  readonly alive: boolean;
}

/** The state of an object with lanes. */
export interface LanedStat extends LibraryStat {
  readonly laneCapacity: number;
  readonly messageSize: number;
  readonly lanes: readonly LaneStat[];
}

/** The number of messages so far. */
export function messagesOf({ lanes }: LanedStat): number {
  return lanes.reduce((sum, { messages }) => sum + messages, 0);
}

/** The processes that own a lane, each once. */
export function ownersOf({ lanes }: LanedStat): number[] {
  return [...new Set(lanes.flatMap(({ alive, pid }) => alive ? pid ?? [] : []))];
}

export const LANE_FACTS = factTable<{ readonly object: LanedStat }>()({
  /** How many peers may send at the same time, and the bytes of each lane. */
  lanes: { title: "LANES", right: true, value: ({ object }) => object.lanes.length },
  laneCapacity: { title: "CAPACITY", sized: true, value: ({ object }) => object.laneCapacity },
  /** Bytes of every message, null if they differ. */
  messageSize: { title: "MESSAGE", sized: true, value: ({ object }) => object.messageSize || null },
  messages: { title: "MESSAGES", right: true, value: ({ object }) => messagesOf(object) },
});

/** The number of lanes with an owner. */
export function owners({ object }: { readonly object: LanedStat }): number {
  return object.lanes.filter(({ alive }) => alive).length;
}

/** The lanes in a few words. */
export function lanesSummary({ lanes, laneCapacity }: LanedStat): string {
  return `${plural(lanes.length, "lane")} of ${formatSize(laneCapacity)}`;
}

/** The lines about the lanes, and the most bytes of a message. */
export function sizeLines(object: LanedStat, maxMessage: number): LabelledLine[] {
  const { lanes, laneCapacity, messageSize } = object;
  return [
    ["lanes", `${lanes.length} of ${sizeInWords(laneCapacity)}`],
    [
      "messages",
      messageSize === 0
        ? `of at most ${sizeInWords(maxMessage)}`
        : `of ${sizeInWords(messageSize)}`,
    ],
  ];
}

/** The line about all messages so far, and those per second. */
export function messagesLine(object: LanedStat, rate: number | null): LabelledLine {
  const perSecond = rate === null ? "" : `, ${formatRate(rate)}/s`;
  return ["ever", `${messagesOf(object)}${perSecond}`];
}

/** The line about the processes that own a lane. */
export function ownersLine(label: string, object: LanedStat): LabelledLine {
  const pids = ownersOf(object);
  return [label, `${owners({ object })}${pids.length === 0 ? "" : `: pid ${pids.join(", ")}`}`];
}

/** One lane in `--json`: the process that owned it last is null if there was none. */
type LaneFacts<Lane> = Omit<Lane, "pid" | "alive"> & {
  readonly pid: number | null;
  readonly alive: boolean;
};

/** The lanes one by one: all in JSON, and in a table those that were used, of which there may be few. */
export function laneDetails<Lane extends LaneStat>(
  lanes: readonly Lane[],
  columns: readonly Column<LaneFacts<Lane>>[],
): { readonly json: Readonly<Record<string, unknown>>; readonly lines: readonly string[] } {
  const perLane = lanes.map((lane): LaneFacts<Lane> => ({ ...lane, pid: lane.pid ?? null }));
  const used = perLane.filter((_, i) => lanes[i]!.opened > 0 || lanes[i]!.messages > 0);
  const unused = perLane.length - used.length;
  const last: readonly Column<LaneFacts<Lane>>[] = [
    { name: "pid", title: "PID", right: true },
    {
      name: "alive",
      title: "ALIVE",
      text: ({ pid, alive }) => pid === null ? UNKNOWN : yesNo(alive),
    },
  ];
  return {
    json: { perLane },
    lines: [
      ...(used.length === 0 ? [] : tableLines([...columns, ...last], used)),
      ...(unused === 0 ? [] : [`${plural(unused, "lane was", "lanes were")} never used`]),
    ],
  };
}
