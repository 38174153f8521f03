/** The columns of `top`: their text, their sort order, and which ones a narrow terminal leaves out. */

import { segmentColumns, type SegmentFacts } from "../objects/segment_facts.ts";
import type { Column } from "../text/table.ts";
import type { TopRow } from "./top_row.ts";
import { accountText, formatRate, UNKNOWN } from "../text/wording.ts";

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

/** Whether the attached processes are known: /proc lists them only under -A. */
function isSeen({ pids }: TopRow): boolean {
  return pids !== null;
}

/** Whether its messages are counted. */
function isCounted({ content }: TopRow): boolean {
  return content !== null;
}

const LS_COLUMNS = segmentColumns();

/** The column of `ls` with this name, and what differs in `top`. */
function column(
  name: keyof SegmentFacts,
  rest: Pick<TopColumn, "matters"> & Partial<TopColumn>,
): TopColumn {
  const { text, ...known } = LS_COLUMNS.find((each) => each.name === name)!;
  return { ...known, text: text!, ...rest };
}

/** The columns from left to right. */
export const TOP_COLUMNS: readonly TopColumn[] = [
  column("key", { matters: 8, widest: 10 }),
  column("id", { matters: 0, widest: 10 }),
  column("owner", { matters: 6, widest: 12, rank: ({ owner, uid }) => accountText(owner, uid) }),
  column("mode", { matters: 12, widest: 4 }),
  column("size", { matters: 1, widest: 5, narrowest: 5 }),
  column("nattch", { matters: 2, widest: 6 }),
  { name: "change", title: "CHANGE", matters: 3, widest: 12, text: ({ change }) => change },
  {
    name: "depth",
    title: "DEPTH",
    matters: 4,
    widest: 8,
    narrowest: 5,
    right: true,
    concerns: ({ depth }) => depth !== null,
    text: ({ depth }) => depth === null ? UNKNOWN : String(depth),
  },
  {
    name: "rate",
    title: "MSG/S",
    matters: 5,
    widest: 5,
    narrowest: 5,
    right: true,
    concerns: isCounted,
    text: ({ rate }) => rate === null ? UNKNOWN : formatRate(rate),
  },
  column("kind", { matters: 9, widest: 7, concerns: ({ kind }) => kind !== null }),
  column("status", { matters: 7, widest: 18, text: ({ status }) => status }),
  column("cpid", { matters: 13, widest: 10, narrowest: 5 }),
  column("lpid", { matters: 14, widest: 10, narrowest: 5 }),
  column("resident", { title: "RSS", matters: 10, widest: 5, narrowest: 5, concerns: isSeen }),
  column("pids", {
    title: "ATTACHED",
    matters: 11,
    narrowest: 8,
    concerns: isSeen,
    text: ({ attachers }) => attachers === null ? UNKNOWN : attachersText(attachers),
  }),
];

/** The processes and their names: `812 postgres, 815 postgres x2`. */
function attachersText(attachers: NonNullable<TopRow["attachers"]>): string {
  return attachers.map(({ pid, command, times }) =>
    `${pid} ${command}${times > 1 ? ` x${times}` : ""}`
  ).join(", ");
}
