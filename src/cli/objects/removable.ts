/** The kinds of objects that `rm` can remove, segments and semaphore sets. */

import { accountName } from "../../../ffi/accounts.ts";
import type { ObjectStat } from "../../sysv/object_stat.ts";
import { listSegments, removeSegment, type SegmentStat, tryStat } from "../../sysv/segment_stat.ts";
import {
  listSemaphoreSets,
  removeSemaphoreSet,
  type SemaphoreSetStat,
} from "../../sysv/semaphore_stat.ts";
import { segmentText } from "./named_objects.ts";
import { printable } from "../output.ts";
import { attachers } from "./processes.ts";
import { selection, type SELECTION_OPTIONS, setSelection } from "./selection.ts";
import type { ObjectName } from "./target.ts";
import { Inventory, type Use } from "./unused.ts";
import type { Parsed } from "../usage.ts";
import { keyText, plural } from "../text/wording.ts";

export interface Removable<Found extends ObjectStat> {
  readonly name: ObjectName;
  list(): Found[];
  /** The objects that the options choose. */
  chosen(
    options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
  ): (stat: Found, use: () => Use) => boolean;
  /** Judges each of the listed objects against everything else that exists. */
  judge(found: readonly Found[]): (stat: Found) => Use;
  text(stat: Found): string;
  /** The number of its attaches, for a kind that stays while it is attached. */
  users(stat: Found): number;
  /** Its use in words, for a sentence about it. */
  useText(stat: Found, use: Use): string;
  /** Whether it stays until its users are gone. */
  readonly staysWhileUsed: boolean;
  /** Whether it is removed already and stays only for its users. */
  isMarked(stat: Found): boolean;
  /** The facts about it that never change. */
  birth(stat: Found): readonly number[];
  remove(stat: Found): void;
  /** How many users keep it after its removal. */
  usersLeft(id: number): number;
}

export function ownerText({ uid }: ObjectStat): string {
  return printable(accountName("user", uid) ?? `uid ${uid}`);
}

/** The attached processes, if they may be seen: ` (perl 1234)`. */
function attachersText(id: number): string {
  const found = attachers()?.get(id) ?? [];
  const texts = found.map(({ command, pid }) => `${printable(command)} ${pid}`);
  return texts.length === 0 ? "" : ` (${texts.join(", ")})`;
}

/** Segments stay as long as a process is attached. */
export const SEGMENTS: Removable<SegmentStat> = {
  name: "segment",
  list: listSegments,
  chosen: selection,
  text: segmentText,
  users: ({ nattch }) => nattch,
  judge: (segments) => {
    const inventory = new Inventory({ segments });
    return (stat) => inventory.segment(stat);
  },
  useText: ({ id, nattch }, { reasons }) =>
    nattch > 0
      ? `it has ${plural(nattch, "attach", "attaches")}${attachersText(id)}`
      : reasons.join("; "),
  staysWhileUsed: true,
  isMarked: ({ markedForRemoval }) => markedForRemoval,
  birth: ({ cuid, cgid, cpid, size }) => [cuid, cgid, cpid, size],
  remove: ({ id }) => removeSegment(id),
  usersLeft: (id) => {
    const stat = tryStat(id);
    return typeof stat === "number" ? 0 : stat.nattch;
  },
};

/** Semaphore sets are removed at once, and waiters wake with an error. */
export const SEMAPHORE_SETS: Removable<SemaphoreSetStat> = {
  name: "semaphore set",
  list: listSemaphoreSets,
  chosen: setSelection,
  text: ({ id, key, count }) =>
    `semaphore set ${id} (${keyText(key)}, ${plural(count, "semaphore")})`,
  judge: (sets) => {
    const inventory = new Inventory({ sets });
    return (stat) => inventory.set(stat);
  },
  users: () => 0,
  useText: (_, { reasons }) => reasons.join("; "),
  staysWhileUsed: false,
  isMarked: () => false,
  birth: ({ cuid, cgid, count }) => [cuid, cgid, count],
  remove: ({ id }) => removeSemaphoreSet(id),
  usersLeft: () => 0,
};
