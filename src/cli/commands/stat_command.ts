/** `cli.ts stat`: prints everything that is known about one segment or semaphore set. */

import { pageSize } from "../../sysv/segment_limits.ts";
import { listSemaphoreSets, type SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { command } from "../command.ts";
import { type LabelledLine, printLabelled, timeText } from "../text/labelled_lines.ts";
import { print, printJson, report } from "../output.ts";
import { PROC_NOTE } from "../objects/processes.ts";
import { FactsReader } from "../objects/segment_facts.ts";
import {
  type SemaphoreFacts,
  semaphoreFacts,
  type SemaphoreSetFacts,
  semaphoreSetFacts,
} from "../objects/semaphore_facts.ts";
import {
  findObject,
  type Target,
  TARGET_HELP,
  TARGET_OPTIONS,
  targetOf,
} from "../objects/target.ts";
import { type Column, tableLines } from "../text/table.ts";
import { Inventory } from "../objects/unused.ts";
import { objectLines, segmentLines } from "../objects/object_lines.ts";

const help = (options: string): string =>
  `Show everything about one segment or one semaphore set.

Usage: cli.ts stat [options] KEY|ID

${TARGET_HELP}

Options:
${options}

The attached processes and the bytes in memory come from /proc, which Deno opens
only under -A. Only root sees other users' processes.

--json has what \`ls --json\` has of a segment, and "pages", "pageSize",
"creatorAlive" (a process with the creator's id runs) and "attachers" (pid,
command, times); of a semaphore set "semaphores" (index, value,
waitingForIncrease, waitingForZero, lastPid). null is unknown or never.

Exit codes: 0 shown; 1 there is none, or failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts stat 0x457
  deno run -A cli.ts stat id:5
  deno run --allow-ffi cli.ts stat --semaphores 1111 --json
`;

export const statCommand = command({
  options: {
    ...TARGET_OPTIONS,
    semaphores: { short: "s", help: "a semaphore set in place of a segment" },
    json: { help: "as JSON; the stable form" },
  },
  completes: "segments",
  help,
  async run(parsed): Promise<void> {
    const target = targetOf(parsed);
    const json = parsed.options.json === true;
    if (parsed.options.semaphores === true) await showSet(target, json);
    else await showSegment(target, json);
  },
});

async function showSegment(target: Target, json: boolean): Promise<void> {
  const inventory = new Inventory();
  const stat = findObject(target, inventory.segments, "segment");
  const reader = new FactsReader({ inventory });
  const facts = reader.facts(stat);
  const attachers = reader.attachersOf(stat.id) ?? null;
  if (json) {
    const all = {
      ...facts,
      pages: Math.ceil(stat.size / pageSize()),
      pageSize: pageSize(),
      creatorAlive: facts.creatorState === "unseen" ? null : facts.creatorState === "alive",
      attachers,
    };
    return await printJson(JSON.stringify(all, null, 2));
  }
  await printLabelled([["segment", String(stat.id)], ...segmentLines(facts, attachers)]);
  if (attachers === null) report(`note: ${PROC_NOTE}`);
}

async function showSet(target: Target, json: boolean): Promise<void> {
  const stat = findObject(target, listSemaphoreSets(), "semaphore set");
  const facts = semaphoreSetFacts(stat);
  const semaphores = semaphoreFacts(stat);
  if (json) {
    return await printJson(JSON.stringify({ ...facts, semaphores: semaphores ?? null }, null, 2));
  }
  await printLabelled(setLines(stat, facts));
  if (semaphores === undefined) {
    report("note: its mode gives this user no right to read the values");
  } else await print(["", ...tableLines(SEMAPHORE_COLUMNS, semaphores)].join("\n"));
}

function setLines({ id, count }: SemaphoreSetStat, facts: SemaphoreSetFacts): LabelledLine[] {
  return [
    ["set", String(id)],
    ...objectLines(facts),
    ["semaphores", String(count)],
    ["last operation", timeText(facts.otime)],
    ["created/changed", timeText(facts.ctime)],
  ];
}

const SEMAPHORE_COLUMNS: readonly Column<SemaphoreFacts>[] = [
  { name: "index", title: "SEMAPHORE", right: true },
  { name: "value", title: "VALUE", right: true },
  { name: "waitingForIncrease", title: "WAITING", right: true },
  { name: "waitingForZero", title: "WAITING FOR 0", right: true },
  { name: "lastPid", title: "LAST PID", right: true },
];
