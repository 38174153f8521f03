/** `cli.ts ls`: lists segments, or semaphore sets, as a table or as JSON. */

import { listSemaphoreSets } from "../../sysv/semaphore_stat.ts";
import { command } from "../command.ts";
import { print, printJson, report } from "../output.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { mayReadProc, PROC_NOTE } from "../objects/processes.ts";
import {
  defaultSegmentColumns,
  FactsReader,
  needsProc,
  segmentColumns,
  type SegmentFacts,
} from "../objects/segment_facts.ts";
import { ORPHANS_HELP, selection, SELECTION_OPTIONS, setSelection } from "../objects/selection.ts";
import {
  DEFAULT_SEMAPHORE_COLUMNS,
  SEMAPHORE_COLUMNS,
  semaphoreSetFacts,
} from "../objects/semaphore_facts.ts";
import { Inventory } from "../objects/unused.ts";
import { type Column, tableJson, tableLines } from "../text/table.ts";
import { keyOption, type OptionTable, type Parsed } from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { TABLE_OPTIONS, tableSettings } from "../table_options.ts";

const COLUMN_NAMES = [
  ...new Set([...segmentColumns(), ...SEMAPHORE_COLUMNS].map(({ name }) => name)),
];

const OPTIONS = {
  semaphores: { short: "s", help: "semaphore sets in place of segments" },
  ...SELECTION_OPTIONS,
  key: { short: "k", value: "KEY", help: "only the one with this key: 1111, 0x457, path:project" },
  ...TABLE_OPTIONS,
  columns: { ...TABLE_OPTIONS.columns, choices: COLUMN_NAMES, list: true },
  sort: { ...TABLE_OPTIONS.sort, choices: COLUMN_NAMES },
  bytes: { short: "b", help: "sizes in bytes, not as 64K (1K is 1024)" },
} as const satisfies OptionTable;

const help = (options: string): string =>
  `List segments, or semaphore sets.

Usage: cli.ts ls [options]

Columns: KEY, ID, OWNER (a name over 8 characters ends in +), MODE, SIZE, ATT
(the number of attaches), STATUS, CREATED (or changed by chmod or chown), CPID
and LPID (the process that created it, and the last that attached or detached).
STATUS is "dest" (marked for removal), "locked" (into memory), "idle" (not
attached, and it may be needed: "useReason" says why) or "orphan". If there are
objects of this library, KIND says which: "mailbox", "channel", "latest" or
"topic", by the size of the segment and of the semaphore set with its key.

${ORPHANS_HELP}

Options:
${options}

--columns and --sort know the names that --json uses:
${columnsHelp(segmentColumns())}
and with --semaphores:
${columnsHelp(SEMAPHORE_COLUMNS)}
pids, resident and swapped need -A, with which Deno opens /proc; without it the
table leaves them out, and they are null in JSON.

--json is stable: numbers are numbers, times ISO 8601 in UTC, null is unknown or
never. "key" is the signed number, "mode" the bits (384 is 0600), "perms" text.
The table is for people and may change. Unknown values sort last.

Exit codes: 0 listed, an empty list too; 1 failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts ls --orphans --older-than 2h
  deno run --allow-ffi cli.ts ls --sort size --reverse --bytes
  deno run --allow-ffi cli.ts ls --json | jq '.[] | select(.nattch == 0).id'
  deno run -A cli.ts ls --columns id,size,resident,pids
`;

/** The names of columns, in lines of at most 80 characters. */
function columnsHelp(columns: readonly { readonly name: string }[]): string {
  const lines: string[] = [""];
  for (const { name } of columns) {
    const longer = `${lines.at(-1)} ${name}`;
    if (longer.length > 78) lines.push(` ${name}`);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((line) => ` ${line}`).join("\n");
}

type Options = Parsed<keyof typeof OPTIONS>["options"];

export const lsCommand = command({
  options: OPTIONS,
  completes: "nothing",
  refusal: "stat shows a single segment",
  help,
  async run({ options }): Promise<void> {
    if (options.semaphores === true) await listSets(options);
    else await listAllSegments(options);
  },
});

async function listAllSegments(options: Options): Promise<void> {
  const style = { bytes: options.bytes === true };
  const { columns, by, sorted } = tableSettings(options, segmentColumns(style));
  const chosen = selection(options);
  const key = keyOption(options.key);
  const asked = by === undefined ? columns ?? [] : [...columns ?? [], by];
  const everything = options.json === true && columns === undefined;
  const inventory = new Inventory();
  const reader = new FactsReader({ extras: everything || asked.some(needsProc), inventory });
  const rows = sorted(
    inventory.segments
      .filter((stat) =>
        (key === undefined || stat.key === key) && chosen(stat, () => inventory.segment(stat))
      )
      .map((stat) => reader.facts(stat)),
  );
  if (options.json === true) return await printJson(tableJson(columns, rows));
  const shown = columns ?? defaultSegmentColumns(rows, style);
  await printLines(tableLines(asked.some(needsProc) ? withoutUnknown(shown) : shown, rows));
}

function withoutUnknown(columns: readonly Column<SegmentFacts>[]): readonly Column<SegmentFacts>[] {
  if (mayReadProc()) return columns;
  const known = columns.filter((column) => !needsProc(column));
  if (known.length === 0) throw new CommandFailure(PROC_NOTE);
  report(`note: ${PROC_NOTE}`);
  return known;
}

async function listSets(options: Options): Promise<void> {
  if (options.bytes === true) throw new UsageError("option --bytes: semaphores have no size");
  const { columns, sorted } = tableSettings(options, SEMAPHORE_COLUMNS);
  const chosen = setSelection(options);
  const key = keyOption(options.key);
  const names = new AccountNames();
  const rows = sorted(
    listSemaphoreSets()
      .filter((stat) => (key === undefined || stat.key === key) && chosen(stat))
      .map((stat) => semaphoreSetFacts(stat, names)),
  );
  if (options.json === true) return await printJson(tableJson(columns, rows));
  await printLines(tableLines(columns ?? DEFAULT_SEMAPHORE_COLUMNS, rows));
}

async function printLines(lines: readonly string[]): Promise<void> {
  await print(lines.join("\n"));
}
