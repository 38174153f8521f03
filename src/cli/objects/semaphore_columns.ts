/** The columns of tables of semaphore sets. Internal: used by the commands that list them. */

import { defaultColumns, OBJECT_COLUMNS, shortOwner } from "./object_columns.ts";
import type { SemaphoreSetFacts } from "./semaphore_facts.ts";
import type { Column } from "../text/table.ts";
import { localTime, shortTime, UNKNOWN } from "../text/wording.ts";

/** Every column, one for each fact. */
export const SEMAPHORE_COLUMNS: readonly Column<SemaphoreSetFacts>[] = [
  ...OBJECT_COLUMNS,
  { name: "count", title: "COUNT", right: true },
  { name: "otime", title: "LASTOP", text: ({ otime }) => localTime(otime) },
  { name: "ctime", title: "CREATED", text: ({ ctime }) => localTime(ctime) },
  { name: "values", title: "VALUES", text: ({ values }) => values?.join(",") || UNKNOWN },
];

/** The default columns. */
export const DEFAULT_SEMAPHORE_COLUMNS: readonly Column<SemaphoreSetFacts>[] = defaultColumns(
  SEMAPHORE_COLUMNS,
  ["key", "id", "owner", "mode", "count", "otime", "ctime"],
  {
    owner: shortOwner,
    otime: ({ otime }) => shortTime(otime),
    ctime: ({ ctime }) => shortTime(ctime),
  },
);
