/** The lines that show the facts of every object: its key, owner, creator and mode. Internal. */

import { formatKey } from "../../../ffi/shm_error.ts";
import type { LabelledLine } from "../text/labelled_lines.ts";
import { accountInWords } from "../text/wording.ts";
import type { ObjectFacts } from "./object_facts.ts";

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
