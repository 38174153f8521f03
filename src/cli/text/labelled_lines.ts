/**
 * Labelled lines: the facts about one object, one fact a line. Internal: used by the commands that show
 * a single object.
 */

import { formatKey } from "../../../ffi/shm_error.ts";
import { print, printable } from "../output.ts";
import { localTime, type ObjectFacts } from "../objects/object_facts.ts";
import { accountInWords, ageInWords } from "./wording.ts";

/** A fact as text, and its label. */
export type LabelledLine = readonly [label: string, text: string];

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

/** A time in the reader's time zone, and how long ago it is. */
export function timeText(iso: string | null): string {
  if (iso === null) return "never";
  return `${localTime(iso)} (${ageInWords(new Date(iso))} ago)`;
}

/** Prints the lines with aligned texts. */
export async function printLabelled(lines: readonly LabelledLine[]): Promise<void> {
  const width = Math.max(...lines.map(([label]) => label.length));
  await print(
    lines.map(([label, text]) => `${label.padEnd(width)}  ${printable(text)}`).join("\n"),
  );
}
