/**
 * The one rule that decides whether a segment or a semaphore set is unused, and the evidence for it. All
 * commands that list, show, report and remove objects use it.
 *
 * An orphan is a segment without any visible evidence of a use. Everything less certain is idle: many
 * programs (PostgreSQL, PHP, Boost) leave segments that no process is attached to and attach them again
 * later. A semaphore set is never an orphan, because the kernel does not record its creator.
 */

import { type ProcessState, processState } from "../../../ffi/processes.ts";
import { IPC_PRIVATE } from "../../sysv/key.ts";
import { listSegments, type SegmentStat } from "../../sysv/segment_stat.ts";
import { listSemaphoreSets, type SemaphoreSetStat } from "../../sysv/semaphore_stat.ts";
import { LIBRARY_KINDS, type LibraryKind, libraryKind } from "./library_kind.ts";
import { cached } from "./object_facts.ts";
import { ageInWords, plural, UNSEEN } from "../text/wording.ts";
import { type SemaphoreFacts, semaphoreFacts } from "./semaphore_facts.ts";

/**
 * The state of a process. An id that another process has now counts as alive; `unseen` is a process in
 * another pid namespace, about which nothing is known.
 */
export type Fate = ProcessState | "unseen";

/** The verdict whether an object is unused. */
export interface Use {
  /**
   * `in use`: attached, waited on, or last used by a process that is alive. `idle`: no process uses it
   * now, but it may be needed. `orphan`: there is no evidence of a use.
   */
  readonly verdict: "in use" | "idle" | "orphan";
  /** The evidence of a use, in a few words each; empty for an orphan. */
  readonly reasons: readonly string[];
  /**
   * Whether no process is attached and the creator is gone, even with other evidence of a use; null if
   * the creator cannot be seen. A semaphore set has no known creator and is never abandoned.
   */
  readonly abandoned: boolean | null;
  /** Facts besides the reasons, for a user who must decide: `no process attached for 3 h, ...`. */
  readonly evidence: string;
}

/** The evidence about a segment. */
export interface SegmentUse extends Use {
  readonly creator: Fate;
  /** The process that attached or detached last; null if none ever did. */
  readonly lastUser: Fate | null;
  /** Since when no process is attached; null while one is, or if the kernel does not report it. */
  readonly idleSince: Date | null;
  /** The number of the owner's other segments that are attached and not marked for removal. */
  readonly ownerAttached: number;
  /** The number of the owner's semaphore sets that may be in use. */
  readonly ownerSets: number;
  /** The object of this library that it matches in size and semaphore set. */
  readonly kind: LibraryKind | null;
}

/** The content of an object of this library, read from its memory. */
export interface LibraryContent {
  /** The number of messages that wait; null if messages do not wait in an object of this kind. */
  readonly depth: number | null;
  /** Whether it stays when all peers are gone. */
  readonly kept: boolean;
}

/** The sources of the facts; a test supplies its own. */
export interface InventorySources {
  readonly segments?: readonly SegmentStat[];
  readonly sets?: readonly SemaphoreSetStat[];
  readonly semaphoresOf?: (set: SemaphoreSetStat) => readonly SemaphoreFacts[] | undefined;
  readonly stateOf?: (pid: number) => ProcessState;
}

/** All objects at one moment, against which each object is judged. */
export class Inventory {
  readonly segments: readonly SegmentStat[];
  readonly #stateOf: (pid: number) => ProcessState;
  readonly #semaphoresOf: (set: SemaphoreSetStat) => readonly SemaphoreFacts[] | undefined;
  readonly #states = new Map<number, ProcessState>();
  readonly #semaphores = new Map<number, readonly SemaphoreFacts[] | undefined>();
  readonly #ownerSets = new Map<number, number>();
  readonly #ownerAttached = new Map<number, number>();
  #sets: readonly SemaphoreSetStat[] | undefined;
  #setsByKey: ReadonlyMap<number, SemaphoreSetStat> | undefined;
  #attachedKeys: ReadonlySet<number> | undefined;

  constructor(
    {
      segments = listSegments(),
      sets,
      semaphoresOf = semaphoreFacts,
      stateOf = processState,
    }: InventorySources = {},
  ) {
    this.segments = segments;
    this.#sets = sets;
    this.#semaphoresOf = semaphoresOf;
    this.#stateOf = stateOf;
    for (const { uid, nattch, markedForRemoval } of segments) {
      if (nattch === 0 || markedForRemoval) continue;
      this.#ownerAttached.set(uid, (this.#ownerAttached.get(uid) ?? 0) + 1);
    }
  }

  get sets(): readonly SemaphoreSetStat[] {
    return this.#sets ??= listSemaphoreSets();
  }

  /** The set's semaphores; `undefined` without read permission. Read once. */
  semaphores(set: SemaphoreSetStat): readonly SemaphoreFacts[] | undefined {
    return cached(this.#semaphores, set.id, () => this.#semaphoresOf(set));
  }

  /** Judges a segment; `content` is the content of the object of this library in it, if known. */
  segment(stat: SegmentStat, content?: LibraryContent): SegmentUse {
    const { uid, nattch, cpid, lpid, atime, dtime, ctime, markedForRemoval } = stat;
    const counted = nattch > 0 && !markedForRemoval ? 1 : 0;
    const facts = {
      creator: this.#fate(cpid),
      lastUser: lpid === 0 && atime === null ? null : this.#fate(lpid),
      idleSince: nattch > 0 ? null : dtime ?? ctime,
      ownerAttached: (this.#ownerAttached.get(uid) ?? 0) - counted,
      ownerSets: this.#setsOfOwner(uid),
      kind: this.#kindOf(stat),
    };
    const reasons = nattch > 0
      ? [`attached ${plural(nattch, "time")}`]
      : this.#reasons(stat, facts, content);
    const verdict = nattch > 0 ? "in use" : reasons.length === 0 ? "orphan" : "idle";
    const isIdle = verdict !== "in use" && facts.creator !== "alive";
    const abandoned = isIdle && facts.creator === "unseen" ? null : isIdle;
    return { ...facts, verdict, reasons, abandoned, evidence: evidenceText(stat, facts) };
  }

  #reasons(
    stat: SegmentStat,
    { creator, lastUser, ownerAttached, ownerSets, kind }: Omit<SegmentUse, keyof Use>,
    content: LibraryContent | undefined,
  ): string[] {
    const { cpid, lpid } = stat;
    const owned = [
      ...(ownerAttached === 0 ? [] : [`${plural(ownerAttached, "attached segment")}`]),
      ...(ownerSets === 0 ? [] : [`${plural(ownerSets, "semaphore set")} that may be in use`]),
    ];
    return [
      creator === "unseen" ? "its creator is of another pid namespace" : "",
      creator === "alive" ? `its creator, process ${cpid}, is alive` : "",
      lastUser === "unseen" ? "its last user is of another pid namespace" : "",
      lastUser === "alive" && lpid !== cpid ? `its last user, process ${lpid}, is alive` : "",
      owned.length === 0 ? "" : `its owner also has ${owned.join(" and ")}`,
      kind === null ? "" : this.#libraryReason(stat, kind, content),
    ].filter((reason) => reason !== "");
  }

  /** Why an object of this library may be needed. Its messages need an attach; its set does not. */
  #libraryReason(
    { key }: SegmentStat,
    kind: LibraryKind,
    content: LibraryContent | undefined,
  ): string {
    const { noun, mayBeKept = false, mayBeUnread = false } = LIBRARY_KINDS[kind];
    const isKept = (): boolean =>
      mayBeKept && this.semaphores(this.#setAt(key)!)?.at(-1)?.value === 0;
    if (content?.kept ?? isKept()) return `it is a ${noun} that is kept`;
    if (content === undefined) {
      return mayBeUnread ? `it is a ${noun}, in which messages may wait` : "";
    }
    const { depth } = content;
    return depth === null || depth === 0
      ? ""
      : `it is a ${noun} with ${plural(depth, "unread message")}`;
  }

  set(stat: SemaphoreSetStat): Use {
    const semaphores = this.semaphores(stat);
    const waiting = (semaphores ?? []).reduce((sum, each) => sum + waitersOf(each), 0);
    const users = [...new Set((semaphores ?? []).flatMap(({ lastPid }) => lastPid ?? []))];
    const alive = users.filter((pid) => this.#state(pid) === "alive");
    this.#attachedKeys ??= new Set(
      this.segments.filter(({ nattch }) => nattch > 0).map(({ key }) => key),
    );
    const isBesideAttached = stat.key !== IPC_PRIVATE && this.#attachedKeys.has(stat.key);
    const now = [
      waiting === 0 ? "" : `it is waited on by ${plural(waiting, "process", "processes")}`,
      alive.length === 0 ? "" : `process ${alive.join(", ")} used it last and is alive`,
      isBesideAttached ? "the segment with its key is attached" : "",
    ].filter((reason) => reason !== "");
    const ownerAttached = this.#ownerAttached.get(stat.uid) ?? 0;
    const maybe = [
      semaphores === undefined ? "this user may not read it" : "",
      users.length > 0 || semaphores === undefined
        ? ""
        : stat.otime === null
        ? "no process has used it yet"
        : "its users are of another pid namespace",
      stat.key === IPC_PRIVATE ? "it has no key: processes that share it inherited its id" : "",
      ownerAttached === 0 ? "" : `its owner also has ${plural(ownerAttached, "attached segment")}`,
    ].filter((reason) => reason !== "");
    const { otime } = stat;
    return {
      verdict: now.length > 0 ? "in use" : "idle",
      reasons: now.length > 0 ? now : maybe,
      abandoned: false,
      evidence: otime === null ? "never used" : `last used ${ageInWords(otime)} ago`,
    };
  }

  #setsOfOwner(uid: number): number {
    return cached(
      this.#ownerSets,
      uid,
      () => this.sets.filter((set) => set.uid === uid && this.#mayBeInUse(set)).length,
    );
  }

  /** Whether the set may be in use; a set that this user may not read may be. */
  #mayBeInUse(set: SemaphoreSetStat): boolean {
    return this.semaphores(set)?.some((each) =>
      waitersOf(each) > 0 || (each.lastPid !== null && this.#state(each.lastPid) === "alive")
    ) ?? true;
  }

  #kindOf({ key, size }: SegmentStat): LibraryKind | null {
    const set = this.#setAt(key);
    return set === undefined ? null : libraryKind(size, set.count);
  }

  #setAt(key: number): SemaphoreSetStat | undefined {
    this.#setsByKey ??= new Map(this.sets.map((set) => [set.key, set]));
    return key === IPC_PRIVATE ? undefined : this.#setsByKey.get(key);
  }

  #fate(pid: number): Fate {
    return pid === 0 ? "unseen" : this.#state(pid);
  }

  #state(pid: number): ProcessState {
    return cached(this.#states, pid, () => this.#stateOf(pid));
  }
}

function waitersOf({ waitingForIncrease, waitingForZero }: SemaphoreFacts): number {
  return waitingForIncrease + waitingForZero;
}

function evidenceText(
  { nattch, cpid, lpid, atime }: SegmentStat,
  { creator, lastUser, idleSince, kind }: Omit<SegmentUse, keyof Use>,
): string {
  const age = idleSince === null ? "an unknown time" : ageInWords(idleSince);
  const attached = atime === null
    ? `never attached, created or changed ${age} ago`
    : `no process attached for ${age}`;
  return [
    nattch > 0 ? "attached" : attached,
    `creator ${processText(cpid, creator)}`,
    ...(lastUser === null || lpid === cpid ? [] : [`last user ${processText(lpid, lastUser)}`]),
    ...(kind === null ? [] : [`a ${LIBRARY_KINDS[kind].noun} of this library`]),
  ].join(", ");
}

/** A process and its state: `1234 (gone)`. */
export function processText(pid: number, fate: Fate): string {
  if (fate === "unseen") return UNSEEN;
  return `${pid} (${fate === "zombie" ? "ended, not yet waited for" : fate})`;
}
