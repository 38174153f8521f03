/**
 * All that can be told of a segment, as every command tells it: the record that `--json` prints, of
 * which names and meaning are the stable contract, and how people read parts of it.
 */

import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";
import { type Attacher, attachers, type Residence, residences } from "./processes.ts";
import { Inventory, type SegmentUse } from "./unused.ts";

/** A segment in `--json`. Times are ISO 8601 in UTC, null is unknown or never. */
export interface SegmentFacts extends ObjectFacts {
  /** Bytes. */
  readonly size: number;
  /** Attaches there are, in all processes. */
  readonly nattch: number;
  /** What is special about it: `dest` (marked for removal), `locked`, `idle`, `orphan`, with commas. */
  readonly status: string;
  readonly markedForRemoval: boolean;
  readonly locked: boolean;
  /** Nothing that can be seen speaks for a use: `use` is `orphan`. */
  readonly orphan: boolean;
  /** `in use`, `idle` or `orphan`, and what speaks for a use, in words; null for an orphan. */
  readonly use: SegmentUse["verdict"];
  readonly useReason: string | null;
  /** `alive`, `zombie`, `gone` or `unseen`; null where no process has used it yet. */
  readonly creatorState: SegmentUse["creator"];
  readonly lastUserState: SegmentUse["lastUser"];
  /** Since when no process is attached; null while one is. */
  readonly idleSince: string | null;
  /** What else its owner has: attached segments, semaphore sets that may be in use. */
  readonly ownerAttached: number;
  readonly ownerSets: number;
  /** `mailbox` or `channel` where it looks like one of this library. */
  readonly library: SegmentUse["library"];
  /** Last attach, last detach, creation or last change. */
  readonly atime: string | null;
  readonly dtime: string | null;
  readonly ctime: string | null;
  /** The process that created it, and the one that attached or detached last. */
  readonly cpid: number | null;
  readonly lpid: number | null;
  /** Processes that have it attached; null without -A. Of other users' only what we may see. */
  readonly pids: readonly number[] | null;
  /** Bytes in memory and swapped out; null without -A. */
  readonly resident: number | null;
  readonly swapped: number | null;
}

/** Gathers the facts of segments; what costs much is asked for once, at the first. */
export class FactsReader {
  readonly #names = new AccountNames();
  readonly #attachers: ReadonlyMap<number, readonly Attacher[]> | undefined;
  readonly #residences: ReadonlyMap<number, Residence> | undefined;
  readonly #inventory: Inventory;

  /** `extras: false` leaves out what comes from /proc. Defaults to a new inventory. */
  constructor(
    { extras = true, inventory = new Inventory() }: {
      readonly extras?: boolean;
      readonly inventory?: Inventory;
    } = {},
  ) {
    this.#inventory = inventory;
    this.#attachers = extras ? attachers() : undefined;
    this.#residences = extras ? residences() : undefined;
  }

  /** Who is attached; `undefined` without -A. */
  attachersOf(id: number): readonly Attacher[] | undefined {
    return this.#attachers === undefined ? undefined : this.#attachers.get(id) ?? [];
  }

  /** The facts of one segment. */
  facts(stat: SegmentStat): SegmentFacts {
    const residence = this.#residences?.get(stat.id);
    const { markedForRemoval, locked } = stat;
    const use = this.#inventory.segment(stat);
    const orphan = use.verdict === "orphan";
    return {
      ...objectFacts(stat, this.#names),
      size: stat.size,
      nattch: stat.nattch,
      status: statusOf({ markedForRemoval, locked, use: use.verdict }),
      markedForRemoval,
      locked,
      orphan,
      use: use.verdict,
      useReason: use.reasons.join("; ") || null,
      creatorState: use.creator,
      lastUserState: use.lastUser,
      idleSince: use.idleSince?.toISOString() ?? null,
      ownerAttached: use.ownerAttached,
      ownerSets: use.ownerSets,
      library: use.library,
      atime: stat.atime?.toISOString() ?? null,
      dtime: stat.dtime?.toISOString() ?? null,
      ctime: stat.ctime?.toISOString() ?? null,
      cpid: stat.cpid === 0 ? null : stat.cpid,
      lpid: stat.lpid === 0 ? null : stat.lpid,
      pids: this.attachersOf(stat.id)?.map(({ pid }) => pid) ?? null,
      resident: residence?.resident ?? null,
      swapped: residence?.swapped ?? null,
    };
  }
}

/** What is special about a segment, in single words. */
export function statusOf(
  facts: Pick<SegmentFacts, "markedForRemoval" | "locked" | "use">,
): string {
  const words = [
    facts.markedForRemoval ? "dest" : "",
    facts.locked ? "locked" : "",
    facts.use === "in use" ? "" : facts.use,
  ];
  return words.filter((word) => word !== "").join(",");
}
