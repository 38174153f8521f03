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
import { semaphoreFacts } from "./semaphore_facts.ts";
import type { Parsed } from "../usage.ts";

/** A kind of object. Its users are what removal would matter to: attaches, or processes that wait. */
export interface Removable<Found extends ObjectStat> {
  readonly name: "segment" | "semaphore set" | "channel";
  list(): Found[];
  /** Which of them the options choose. */
  chosen(options: Parsed<keyof typeof SELECTION_OPTIONS>["options"]): (stat: Found) => boolean;
  /** One of them in words. */
  text(stat: Found): string;
  /** How many users it has. */
  users(stat: Found): number;
  /** What it has them do, for a sentence about it. */
  usersText(stat: Found, users: number): string;
  /** Whether it stays until its users have gone. */
  readonly staysWhileUsed: boolean;
  /** Whether it is removed already, but for them. */
  isMarked(stat: Found): boolean;
  /** What never changes about it. */
  birth(stat: Found): readonly number[];
  remove(id: number): void;
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
  usersText: ({ id }, users) => `has ${counted(users, "attach", "attaches")}${attachersText(id)}`,
  staysWhileUsed: true,
  isMarked: ({ markedForRemoval }) => markedForRemoval,
  birth: ({ cuid, cgid, cpid, size }) => [cuid, cgid, cpid, size],
  remove: removeSegment,
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
  users: (stat) =>
    (semaphoreFacts(stat) ?? []).reduce(
      (sum, { waitingForIncrease, waitingForZero }) => sum + waitingForIncrease + waitingForZero,
      0,
    ),
  usersText: (_, users) => `is waited for by ${counted(users, "process", "processes")}`,
  staysWhileUsed: false,
  isMarked: () => false,
  birth: ({ cuid, cgid, count }) => [cuid, cgid, count],
  remove: removeSemaphoreSet,
  usersLeft: () => 0,
};
