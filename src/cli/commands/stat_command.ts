/** `cli.ts stat`: prints everything that is known about one segment or semaphore set. */

import { pageSize } from "../../sysv/segment_limits.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { listSemaphoreSets, type SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { command } from "../command.ts";
import { type LabelledLine, printLabelled, timeText } from "../text/labelled_lines.ts";
import { print, printJson, report } from "../output.ts";
import { type Attacher, PROC_NOTE } from "../objects/processes.ts";
import { FactsReader, type SegmentFacts } from "../objects/segment_facts.ts";
import {
  type SemaphoreFacts,
  semaphoreFacts,
  SemaphoreFactsReader,
  type SemaphoreSetFacts,
} from "../objects/semaphore_facts.ts";
import {
  findObject,
  type Target,
  TARGET_HELP,
  TARGET_OPTIONS,
  targetOf,
} from "../objects/target.ts";
import { type Column, tableLines } from "../text/table.ts";
import { Inventory, processText } from "../objects/unused.ts";
import type { OptionTable } from "../usage.ts";
import { plural, sizeInWords, UNKNOWN } from "../text/wording.ts";
import { objectLines } from "../objects/object_lines.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  semaphores: { short: "s", help: "a semaphore set in place of a segment" },
  json: { help: "as JSON; the stable form" },
} as const satisfies OptionTable;

const help = (options: string): string =>
  `Show all that there is to know of one segment, or of one semaphore set.

Usage: cli.ts stat [options] KEY|ID

${TARGET_HELP}

Options:
${options}

Which processes are attached and how much is in memory comes from /proc, which
Deno opens only under -A. Of other users' processes only root sees that.

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

/** The subcommand. */
export const statCommand = command({
  options: OPTIONS,
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
  const attachers = reader.attachersOf(stat.id);
  const pages = Math.ceil(stat.size / pageSize());
  if (json) {
    const all = {
      ...facts,
      pages,
      pageSize: pageSize(),
      creatorAlive: facts.creatorState === "unseen" ? null : facts.creatorState === "alive",
      attachers: attachers ?? null,
    };
    return await printJson(JSON.stringify(all, null, 2));
  }
  await printLabelled([
    ["segment", String(stat.id)],
    ...objectLines(facts),
    ["size", `${sizeInWords(stat.size)}, ${plural(pages, "page")} of ${pageSize()}`],
    ["attached", times(stat.nattch)],
    ["status", statusText(facts)],
    ["last attach", timeText(facts.atime)],
    ["last detach", timeText(facts.dtime)],
    ["created/changed", timeText(facts.ctime)],
    ["created by", `pid ${processText(stat.cpid, facts.creatorState)}`],
    ["last used by", lastUserText(stat, facts)],
    ...useLines(facts),
    ...procLines(facts, attachers),
  ]);
  if (attachers === undefined) report(`note: ${PROC_NOTE}`);
}

async function showSet(target: Target, json: boolean): Promise<void> {
  const stat = findObject(target, listSemaphoreSets(), "semaphore set");
  const facts = new SemaphoreFactsReader().facts(stat);
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

function times(count: number): string {
  return count === 0 ? "not at all" : count === 1 ? "once" : `${count} times`;
}

const USE_TEXT = {
  "in use": "",
  idle: "idle: no process is attached, and it may be needed",
  orphan: "orphan: nothing that can be seen speaks for a use",
} as const;

function statusText({ status, markedForRemoval, locked, use }: SegmentFacts): string {
  const words = [
    markedForRemoval ? "marked for removal: goes with the last detach" : "",
    locked ? "locked into memory" : "",
    USE_TEXT[use],
  ];
  return status === "" ? UNKNOWN : words.filter((word) => word !== "").join("; ");
}

function lastUserText({ lpid }: SegmentStat, { lastUserState }: SegmentFacts): string {
  return lastUserState === null ? "no process yet" : `pid ${processText(lpid, lastUserState)}`;
}

/** The lines about its use: since when it is idle, and the evidence that it is used. */
function useLines({ use, useReason, idleSince, library }: SegmentFacts): LabelledLine[] {
  const made: LabelledLine[] = library === null ? [] : [["looks like", `a ${library} of shm`]];
  if (use === "in use") return made;
  return [
    ...made,
    ["idle since", timeText(idleSince)],
    ["may be needed", useReason ?? "nothing that can be seen says so"],
  ];
}

/** The lines that are known only under -A. */
function procLines(
  { resident, swapped, nattch }: SegmentFacts,
  attachers: readonly Attacher[] | undefined,
): LabelledLine[] {
  if (attachers === undefined) return [];
  const seen = attachers.reduce((sum, each) => sum + each.times, 0);
  return [
    ["in memory", resident === null ? UNKNOWN : sizeInWords(resident)],
    ["swapped out", swapped === null ? UNKNOWN : sizeInWords(swapped)],
    ...attachers.map((each): LabelledLine => [
      "attached by",
      `pid ${each.pid} ${each.command}, ${times(each.times)}`,
    ]),
    ...(seen < nattch
      ? [["attached by", `processes that this user cannot see, ${times(nattch - seen)}`] as const]
      : []),
  ];
}
