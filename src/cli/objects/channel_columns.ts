/** The columns of tables of channels and of lanes. Internal: used by `channel_command.ts`. */

import type { ChannelFacts, LaneFacts } from "./channel_facts.ts";
import { defaultColumns, OBJECT_COLUMNS, shortOwner } from "./object_columns.ts";
import { formatSize } from "../text/size.ts";
import type { Column } from "../text/table.ts";
import { UNKNOWN } from "../text/wording.ts";

/** How columns show sizes: in short form, or as the number of bytes. */
export interface ChannelStyle {
  readonly bytes?: boolean;
}

/** Every column of channels, one for each fact. */
export function channelColumns({ bytes = false }: ChannelStyle = {}): Column<ChannelFacts>[] {
  const sized = (size: number | null): string =>
    size === null ? UNKNOWN : bytes ? String(size) : formatSize(size);
  return [
    ...OBJECT_COLUMNS,
    { name: "size", title: "SIZE", right: true, text: ({ size }) => sized(size) },
    { name: "nattch", title: "ATT", right: true },
    { name: "lanes", title: "LANES", right: true },
    {
      name: "laneCapacity",
      title: "CAPACITY",
      right: true,
      text: ({ laneCapacity }) => sized(laneCapacity),
    },
    {
      name: "messageSize",
      title: "MESSAGE",
      right: true,
      text: ({ messageSize }) => sized(messageSize),
    },
    {
      name: "maxMessage",
      title: "MAXMESSAGE",
      right: true,
      text: ({ maxMessage }) => sized(maxMessage),
    },
    { name: "depth", title: "DEPTH", right: true },
    { name: "bytes", title: "BYTES", right: true, text: (facts) => sized(facts.bytes) },
    { name: "messages", title: "MESSAGES", right: true },
    { name: "fullWaits", title: "FULLWAITS", right: true },
    { name: "producers", title: "PRODUCERS", right: true },
    {
      name: "consumer",
      title: "CONSUMER",
      right: true,
      format: ({ depth, consumer }) => depth > 0 && consumer === null ? "yellow" : undefined,
    },
    { name: "users", title: "USERS", right: true },
    { name: "kept", title: "KEPT", text: ({ kept }) => yesNo(kept) },
    { name: "setId", title: "SETID", right: true },
  ];
}

function yesNo(is: boolean): string {
  return is ? "yes" : "no";
}

/** The default columns. */
export function defaultChannelColumns(style: ChannelStyle): Column<ChannelFacts>[] {
  return defaultColumns(
    channelColumns(style),
    [
      ...["key", "id", "owner", "lanes", "laneCapacity"] as const,
      ...["depth", "bytes", "producers", "consumer"] as const,
    ],
    { owner: shortOwner },
  );
}

/** The columns of the lanes of one channel. */
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
