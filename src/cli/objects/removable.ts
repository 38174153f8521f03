/**
 * What `rm` can remove, segments and semaphore sets, and in what they differ. For `rm_command.ts` and
 * `channel_removal.ts`.
 */

import { accountName } from "../../../ffi/libc.ts";
import type { ObjectStat } from "../../sysv/object_stat.ts";
import { listSegments, removeSegment, type SegmentStat, tryStat } from "../../sysv/segment_stat.ts";
import {
  listSemaphoreSets,
  removeSemaphoreSet,
  type SemaphoreSetStat,
} from "../../sysv/semaphore_stat.ts";
import { keyText, segmentText } from "./named_objects.ts";
import { printable } from "../output.ts";
import { attachers } from "./processes.ts";
import { selection, type SELECTION_OPTIONS, setSelection } from "./selection.ts";
import { Inventory, type Use } from "./unused.ts";
import type { Parsed } from "../usage.ts";

/** A kind of object. */
export interface Removable<Found extends ObjectStat> {
  readonly name: "segment" | "semaphore set" | "channel";
  list(): Found[];
  /** Which of them the options choose. */
  chosen(
    options: Parsed<keyof typeof SELECTION_OPTIONS>["options"],
  ): (stat: Found, use: () => Use) => boolean;
  /** Judges each of those that were listed, beside everything else there is. */
  judge(found: readonly Found[]): (stat: Found) => Use;
  /** One of them in words. */
  text(stat: Found): string;
  /** How many attaches it has, where it stays while it has some. */
  users(stat: Found): number;
  /** How it is used, for a sentence about it. */
  useText(stat: Found, use: Use): string;
  /** Whether it stays until its users have gone. */
  readonly staysWhileUsed: boolean;
  /** Whether it is removed already, but for them. */
  isMarked(stat: Found): boolean;
  /** What never changes about it. */
  birth(stat: Found): readonly number[];
  remove(stat: Found): void;
  /** How many users keep it after its removal. */
  usersLeft(id: number): number;
}

/** A number of things, with their name in the right form. */
export function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** Whose it is, in words. */
export function ownerText({ uid }: ObjectStat): string {
  return printable(accountName("user", uid) ?? `uid ${uid}`);
}

/** Who is attached, where it may be known: ` (perl 1234)`. */
function attachersText(id: number): string {
  const found = attachers()?.get(id) ?? [];
  const texts = found.map(({ command, pid }) => `${printable(command)} ${pid}`);
  return texts.length === 0 ? "" : ` (${texts.join(", ")})`;
}

/** Segments stay as long as somebody is attached. */
export const SEGMENTS: Removable<SegmentStat> = {
  name: "segment",
  list: listSegments,
  chosen: (options) => selection(options) ?? (() => true),
  text: segmentText,
  users: ({ nattch }) => nattch,
  judge: (segments) => {
    const inventory = new Inventory({ segments });
    return (stat) => inventory.segment(stat);
  },
  useText: ({ id, nattch }, { reasons }) =>
    nattch > 0
      ? `it has ${counted(nattch, "attach", "attaches")}${attachersText(id)}`
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

/** Semaphore sets go at once, and who waits for one wakes with an error. */
export const SEMAPHORE_SETS: Removable<SemaphoreSetStat> = {
  name: "semaphore set",
  list: listSemaphoreSets,
  chosen: setSelection,
  text: ({ id, key, count }) =>
    `semaphore set ${id} (${keyText(key)}, ${counted(count, "semaphore", "semaphores")})`,
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
