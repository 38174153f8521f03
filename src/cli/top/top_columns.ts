/** The columns of `top`: their text, their sort order, and which ones a narrow terminal leaves out. */

import { formatSize } from "../text/size.ts";
import type { Column } from "../text/table.ts";
import type { TopRow } from "./top_row.ts";
import { accountText, formatRate, hexKey, UNKNOWN } from "../text/wording.ts";

/** A column with its priority. */
export interface TopColumn extends Column<TopRow> {
  /** Its text; the view makes it `printable`. */
  readonly text: (row: TopRow) => string;
  /** Its priority: if not all columns fit, those with the highest numbers are left out. */
  readonly matters: number;
  /** Its greatest width; without it, the column takes the rest of the line. */
  readonly widest?: number;
  /** Its smallest width, so that columns do not move as values change. */
  readonly narrowest?: number;
  /** Whether the column applies to a row; it is shown if it applies to any row. */
  readonly concerns?: (row: TopRow) => boolean;
}

function orUnknown(value: number | null): string {
  return value === null ? UNKNOWN : String(value);
}

/** Whether the attached processes are known: /proc lists them only under -A. */
function isSeen({ pids }: TopRow): boolean {
  return pids !== null;
}

function isChannel({ channel }: TopRow): boolean {
  return channel !== null;
}

/** The columns from left to right. */
export const TOP_COLUMNS: readonly TopColumn[] = [
  {
    name: "key",
    title: "KEY",
    matters: 8,
    widest: 10,
    text: ({ key }) => hexKey(key),
    rank: ({ key }) => key >>> 0,
  },
  { name: "id", title: "ID", matters: 0, widest: 10, right: true, text: ({ id }) => String(id) },
  {
    name: "owner",
    title: "OWNER",
    matters: 6,
    widest: 12,
    text: ({ owner, uid }) => accountText(owner, uid),
    rank: ({ owner, uid }) => accountText(owner, uid),
  },
  { name: "mode", title: "MODE", matters: 11, widest: 4, text: ({ perms }) => perms },
  {
    name: "size",
    title: "SIZE",
    matters: 1,
    widest: 5,
    narrowest: 5,
    right: true,
    text: ({ size }) => formatSize(size),
  },
  {
    name: "nattch",
    title: "ATT",
    matters: 2,
    widest: 6,
    right: true,
    text: ({ nattch }) => String(nattch),
  },
  {
    name: "change",
    title: "CHANGE",
    matters: 3,
    widest: 12,
    text: ({ change }) => change,
  },
  {
    name: "depth",
    title: "DEPTH",
    matters: 4,
    widest: 8,
    narrowest: 5,
    right: true,
    concerns: isChannel,
    text: ({ depth }) => orUnknown(depth),
  },
  {
    name: "rate",
    title: "MSG/S",
    matters: 5,
    widest: 5,
    narrowest: 5,
    right: true,
    concerns: isChannel,
    text: ({ rate }) => rate === null ? UNKNOWN : formatRate(rate),
  },
  { name: "status", title: "STATUS", matters: 7, widest: 18, text: ({ status }) => status },
  {
    name: "cpid",
    title: "CPID",
    matters: 12,
    widest: 10,
    narrowest: 5,
    right: true,
    text: ({ cpid }) => orUnknown(cpid),
  },
  {
    name: "lpid",
    title: "LPID",
    matters: 13,
    widest: 10,
    narrowest: 5,
    right: true,
    text: ({ lpid }) => orUnknown(lpid),
  },
  {
    name: "resident",
    title: "RSS",
    matters: 9,
    widest: 5,
    narrowest: 5,
    right: true,
    concerns: isSeen,
    text: ({ resident }) => resident === null ? UNKNOWN : formatSize(resident),
  },
  {
    name: "pids",
    title: "ATTACHED",
    matters: 10,
    narrowest: 8,
    concerns: isSeen,
    text: ({ attachers }) => attachers === null ? UNKNOWN : attachersText(attachers),
  },
];

/** The processes and their names: `812 postgres, 815 postgres x2`. */
export function attachersText(attachers: NonNullable<TopRow["attachers"]>): string {
  return attachers.map(({ pid, command, times }) =>
    `${pid} ${command}${times > 1 ? ` x${times}` : ""}`
  ).join(", ");
}
