/** The columns of tables of segments. Internal: used by the commands that list them. */

import { defaultColumns, OBJECT_COLUMNS, shortOwner } from "./object_columns.ts";
import type { Format } from "../output.ts";
import type { SegmentFacts } from "./segment_facts.ts";
import { formatSize } from "../text/size.ts";
import type { Column } from "../text/table.ts";
import { localTime, shortTime, UNKNOWN } from "../text/wording.ts";

/** The style of the columns. */
export interface ColumnStyle {
  /** Whether sizes are numbers of bytes, in place of `64K`. Defaults to `false`. */
  readonly bytes?: boolean;
}

/** The facts that only /proc has. */
const FROM_PROC: readonly (keyof SegmentFacts)[] = ["pids", "resident", "swapped"];

/** Whether a column has data only under -A. */
export function needsProc({ name }: Column<SegmentFacts>): boolean {
  return FROM_PROC.includes(name);
}

/** Every column, one for each fact. */
export function segmentColumns({ bytes = false }: ColumnStyle = {}): Column<SegmentFacts>[] {
  const sized = (size: number | null): string =>
    size === null ? UNKNOWN : bytes ? String(size) : formatSize(size);
  return [
    ...OBJECT_COLUMNS,
    { name: "size", title: "SIZE", right: true, text: ({ size }) => sized(size) },
    { name: "nattch", title: "ATT", right: true },
    { name: "status", title: "STATUS", format: statusFormat },
    { name: "markedForRemoval", title: "DEST" },
    { name: "locked", title: "LOCKED" },
    { name: "orphan", title: "ORPHAN" },
    { name: "use", title: "USE" },
    { name: "useReason", title: "USEREASON" },
    { name: "creatorState", title: "CREATORSTATE" },
    { name: "lastUserState", title: "LASTUSERSTATE" },
    { name: "idleSince", title: "IDLESINCE", text: ({ idleSince }) => localTime(idleSince) },
    { name: "ownerAttached", title: "OWNERATTACHED", right: true },
    { name: "ownerSets", title: "OWNERSETS", right: true },
    { name: "library", title: "LIBRARY" },
    { name: "atime", title: "ATTACHED", text: ({ atime }) => localTime(atime) },
    { name: "dtime", title: "DETACHED", text: ({ dtime }) => localTime(dtime) },
    { name: "ctime", title: "CREATED", text: ({ ctime }) => localTime(ctime) },
    { name: "cpid", title: "CPID", right: true },
    { name: "lpid", title: "LPID", right: true },
    { name: "pids", title: "PIDS", text: ({ pids }) => pids?.join(",") || UNKNOWN },
    { name: "resident", title: "RESIDENT", right: true, text: ({ resident }) => sized(resident) },
    { name: "swapped", title: "SWAPPED", right: true, text: ({ swapped }) => sized(swapped) },
  ];
}

/** The default columns. */
export function defaultSegmentColumns(style: ColumnStyle = {}): Column<SegmentFacts>[] {
  return defaultColumns(
    segmentColumns(style),
    ["key", "id", "owner", "mode", "size", "nattch", "status", "ctime", "cpid", "lpid"],
    { owner: shortOwner, ctime: ({ ctime }) => shortTime(ctime) },
  );
}

/** The style of the status: it highlights segments that need attention. */
function statusFormat({ orphan, markedForRemoval }: SegmentFacts): Format | undefined {
  if (orphan) return "red";
  return markedForRemoval ? "yellow" : undefined;
}
