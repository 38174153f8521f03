/**
 * The facts of a segment, the same in every command: the record that `--json` prints, whose names and
 * meanings are the stable contract, and the text form of some facts.
 */

import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { AccountNames, type ObjectFacts, objectFacts } from "./object_facts.ts";
import { type Attacher, attachers, type Residence, residences } from "./processes.ts";
import { Inventory, type SegmentUse } from "./unused.ts";

/** A segment in `--json`. Times are ISO 8601 in UTC; null is unknown or never. */
export interface SegmentFacts extends ObjectFacts {
  /** Its size in bytes. */
  readonly size: number;
  /** The number of attaches, in all processes. */
  readonly nattch: number;
  /** Its status: `dest` (marked for removal), `locked`, `idle`, `orphan`, separated by commas. */
  readonly status: string;
  readonly markedForRemoval: boolean;
  readonly locked: boolean;
  /** Whether no visible evidence shows a use: `use` is `orphan`. */
  readonly orphan: boolean;
  /** `in use`, `idle` or `orphan`, and the evidence of a use in words, null for an orphan. */
  readonly use: SegmentUse["verdict"];
  readonly useReason: string | null;
  /** `alive`, `zombie`, `gone` or `unseen`; null if no process has used it yet. */
  readonly creatorState: SegmentUse["creator"];
  readonly lastUserState: SegmentUse["lastUser"];
  /** Since when no process is attached; null while one is. */
  readonly idleSince: string | null;
  /** The owner's other attached segments, and semaphore sets that may be in use. */
  readonly ownerAttached: number;
  readonly ownerSets: number;
  /** `mailbox` or `channel` if it looks like one of this library. */
  readonly library: SegmentUse["library"];
  /** The times of the last attach, the last detach, and the creation or last change. */
  readonly atime: string | null;
  readonly dtime: string | null;
  readonly ctime: string | null;
  /** The process that created it, and the process that attached or detached last. */
  readonly cpid: number | null;
  readonly lpid: number | null;
  /** The processes that have it attached, as far as this user may see them; null without -A. */
  readonly pids: readonly number[] | null;
  /** The bytes in memory, and the bytes swapped out; null without -A. */
  readonly resident: number | null;
  readonly swapped: number | null;
}

/** Gathers the facts of segments; expensive facts are read once, for the first segment. */
export class FactsReader {
  readonly #names = new AccountNames();
  readonly #attachers: ReadonlyMap<number, readonly Attacher[]> | undefined;
  readonly #residences: ReadonlyMap<number, Residence> | undefined;
  readonly #inventory: Inventory;

  /** `extras: false` leaves out the facts from /proc. Defaults to a new inventory. */
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

  /** The attached processes; `undefined` without -A. */
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

/** The status words of a segment. */
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
