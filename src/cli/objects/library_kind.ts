/**
 * The kinds of objects of this library, recognised by the size of the segment and the number of
 * semaphores of the set with the same key. To read the memory a segment must be attached, which changes
 * the times and pids that a listing shows.
 */

import { isChannelSize } from "../../channel/lanes.ts";
import { isLatestSize } from "../../latest/cells.ts";
import { isMailboxSize } from "../../mailbox/semaphores.ts";
import { isTopicSize } from "../../topic/lanes.ts";
import { IPC_PRIVATE } from "../../sysv/key.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { findSemaphoreSet, tryStatSet } from "../../sysv/semaphore_stat.ts";

interface Kind {
  readonly is: (size: number, semaphores: number) => boolean;
  /** What it is called in a sentence. */
  readonly noun: string;
  /** Whether it has a semaphore, the last one, that says whether it stays when all peers are gone. */
  readonly mayBeKept?: true;
  /** Whether it stays while it has messages that were not received. */
  readonly mayBeUnread?: true;
}

const KINDS = {
  mailbox: { is: isMailboxSize, noun: "mailbox" },
  channel: { is: isChannelSize, noun: "channel", mayBeKept: true, mayBeUnread: true },
  latest: { is: isLatestSize, noun: "latest value", mayBeKept: true },
  topic: { is: isTopicSize, noun: "topic", mayBeKept: true },
} as const satisfies Readonly<Record<string, Kind>>;

/** The kind of an object of this library, as `--json` names it. */
export type LibraryKind = keyof typeof KINDS;

export const LIBRARY_KINDS: Readonly<Record<LibraryKind, Kind>> = KINDS;

/** The kind of object in a segment, if it is one of this library. */
export function libraryKindOf({ key, size }: SegmentStat): LibraryKind | null {
  const id = key === IPC_PRIVATE ? undefined : findSemaphoreSet(key);
  const set = id === undefined ? undefined : tryStatSet(id);
  return typeof set === "object" ? libraryKind(size, set.count) : null;
}

/** The kind of object with a segment and a set of these sizes, if it is one of this library. */
export function libraryKind(size: number, semaphores: number): LibraryKind | null {
  const found = Object.entries<Kind>(KINDS).find(([, { is }]) => is(size, semaphores));
  return found === undefined ? null : found[0] as LibraryKind;
}
