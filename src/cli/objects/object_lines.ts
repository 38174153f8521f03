/** The lines that show the facts of a single segment or semaphore set. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { pageSize } from "../../sysv/segment_limits.ts";
import { type LabelledLine, timeText } from "../text/labelled_lines.ts";
import { accountInWords, plural, sizeInWords, UNKNOWN } from "../text/wording.ts";
import { LIBRARY_KINDS } from "./library_kind.ts";
import type { ObjectFacts } from "./object_facts.ts";
import type { Attacher } from "./processes.ts";
import type { SegmentFacts } from "./segment_facts.ts";
import { processText } from "./unused.ts";

/** The lines for every kind of object. */
export function objectLines(facts: ObjectFacts): LabelledLine[] {
  const { key, owner, uid, group, gid, creator, cuid, creatorGroup, cgid, mode } = facts;
  return [
    ["key", key === 0 ? "none: private, or given up when marked for removal" : formatKey(key)],
    ["owner", `${accountInWords(owner, uid)}, group ${accountInWords(group, gid)}`],
    ["creator", `${accountInWords(creator, cuid)}, group ${accountInWords(creatorGroup, cgid)}`],
    ["mode", `${facts.perms} ${permissionLetters(mode)}`],
  ];
}

/** The permission bits as `ls -l` shows them: `rw-r-----`. */
function permissionLetters(mode: number): string {
  return [...mode.toString(2).padStart(9, "0")]
    .map((bit, i) => bit === "1" ? "rwx"[i % 3] : "-")
    .join("");
}

/** The lines for a segment; those from /proc only if `attachers` are known. */
export function segmentLines(
  facts: SegmentFacts,
  attachers: readonly Attacher[] | null,
): LabelledLine[] {
  const { size, nattch, cpid, lpid, creatorState, lastUserState } = facts;
  const pages = plural(Math.ceil(size / pageSize()), "page");
  return [
    ...objectLines(facts),
    ["size", `${sizeInWords(size)}, ${pages} of ${pageSize()}`],
    ["attached", times(nattch)],
    ["status", statusText(facts)],
    ["last attach", timeText(facts.atime)],
    ["last detach", timeText(facts.dtime)],
    ["created/changed", timeText(facts.ctime)],
    ["created by", `pid ${processText(cpid ?? 0, creatorState)}`],
    [
      "last used by",
      lastUserState === null ? "no process yet" : `pid ${processText(lpid ?? 0, lastUserState)}`,
    ],
    ...useLines(facts),
    ...(attachers === null ? [] : procLines(facts, attachers)),
  ];
}

function times(count: number): string {
  return count === 0 ? "not at all" : count === 1 ? "once" : `${count} times`;
}

const USE_TEXT = {
  "in use": "",
  idle: "idle: no process is attached, and it may be needed",
  orphan: "orphan: no sign of a use can be seen",
} as const;

function statusText({ status, markedForRemoval, locked, use }: SegmentFacts): string {
  const words = [
    markedForRemoval ? "marked for removal: goes with the last detach" : "",
    locked ? "locked into memory" : "",
    USE_TEXT[use],
  ];
  return status === "" ? UNKNOWN : words.filter((word) => word !== "").join("; ");
}

function useLines({ use, useReason, idleSince, kind }: SegmentFacts): LabelledLine[] {
  const made: LabelledLine[] = kind === null
    ? []
    : [["looks like", `a ${LIBRARY_KINDS[kind].noun} of shm`]];
  if (use === "in use") return made;
  return [
    ...made,
    ["idle since", timeText(idleSince)],
    ["may be needed", useReason ?? "no sign of it can be seen"],
  ];
}

function procLines(
  { resident, swapped, nattch }: SegmentFacts,
  attachers: readonly Attacher[],
): LabelledLine[] {
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
