/** The facts of a segment, the stable contract of `ls --json`, and the columns of tables. */

import type { SegmentStat } from "../../sysv/segment_stat.ts";
import type { Format } from "../output.ts";
import type { Column } from "../text/table.ts";
import { isoTime, localTime, shortTime } from "../text/wording.ts";
import { columnsOf, defaultColumns, type FactsOf, factsOf, factTable } from "./facts.ts";
import { AccountNames, OBJECT_FACTS, shortOwner } from "./object_facts.ts";
import { type Attacher, attachers, type Residence, residences } from "./processes.ts";
import { Inventory, type SegmentUse } from "./unused.ts";

/** What the facts of a segment come from; without -A, there are no pids and no residence. */
interface SegmentSource {
  readonly stat: SegmentStat;
  readonly use: SegmentUse;
  readonly pids: readonly number[] | undefined;
  readonly residence: Residence | undefined;
}

const SEGMENT_FACTS = {
  ...OBJECT_FACTS,
  ...factTable<SegmentSource>()({
    /** Its size in bytes, and the number of attaches in all processes. */
    size: { title: "SIZE", sized: true, value: ({ stat }) => stat.size },
    nattch: { title: "ATT", right: true, value: ({ stat }) => stat.nattch },
    /** `dest` (marked for removal), `locked`, `idle`, `orphan`, separated by commas. */
    status: { title: "STATUS", value: statusOf, format: statusFormat },
    markedForRemoval: { title: "DEST", value: ({ stat }) => stat.markedForRemoval },
    locked: { title: "LOCKED", value: ({ stat }) => stat.locked },
    /** Whether no visible evidence shows a use: `use` is `orphan`. */
    orphan: { title: "ORPHAN", value: ({ use }) => use.verdict === "orphan" },
    /** `in use`, `idle` or `orphan`, and the evidence of a use in words, null for an orphan. */
    use: { title: "USE", value: ({ use }) => use.verdict },
    useReason: { title: "USEREASON", value: ({ use }) => use.reasons.join("; ") || null },
    /** `alive`, `zombie`, `gone` or `unseen`; null if no process has used it yet. */
    creatorState: { title: "CREATORSTATE", value: ({ use }) => use.creator },
    lastUserState: { title: "LASTUSERSTATE", value: ({ use }) => use.lastUser },
    /** Since when no process is attached; null while one is. */
    idleSince: { title: "IDLESINCE", value: ({ use }) => isoTime(use.idleSince), text: localTime },
    /** The owner's other attached segments, and semaphore sets that may be in use. */
    ownerAttached: { title: "OWNERATTACHED", right: true, value: ({ use }) => use.ownerAttached },
    ownerSets: { title: "OWNERSETS", right: true, value: ({ use }) => use.ownerSets },
    /** `mailbox`, `channel`, `latest` or `topic` if it looks like one of this library. */
    kind: { title: "KIND", value: ({ use }) => use.kind },
    /** The times of the last attach, the last detach, and the creation or last change. */
    atime: { title: "ATTACHED", value: ({ stat }) => isoTime(stat.atime), text: localTime },
    dtime: { title: "DETACHED", value: ({ stat }) => isoTime(stat.dtime), text: localTime },
    ctime: { title: "CREATED", value: ({ stat }) => isoTime(stat.ctime), text: localTime },
    /** The process that created it, and the process that attached or detached last. */
    cpid: { title: "CPID", right: true, value: ({ stat }) => stat.cpid || null },
    lpid: { title: "LPID", right: true, value: ({ stat }) => stat.lpid || null },
    /** The processes that have it attached, as far as this user may see them; null without -A. */
    pids: { title: "PIDS", value: ({ pids }) => pids ?? null },
    /** The bytes in memory, and the bytes swapped out; null without -A. */
    resident: {
      title: "RESIDENT",
      sized: true,
      value: ({ residence }) => residence?.resident ?? null,
    },
    swapped: {
      title: "SWAPPED",
      sized: true,
      value: ({ residence }) => residence?.swapped ?? null,
    },
  }),
};

/** A segment in `--json`. Times are ISO 8601 in UTC; null is unknown or never. */
export type SegmentFacts = FactsOf<typeof SEGMENT_FACTS>;

/** The status words of a segment. */
function statusOf(
  { stat, use }: {
    readonly stat: Pick<SegmentStat, "markedForRemoval" | "locked">;
    readonly use: Pick<SegmentUse, "verdict">;
  },
): string {
  const words = [
    stat.markedForRemoval ? "dest" : "",
    stat.locked ? "locked" : "",
    use.verdict === "in use" ? "" : use.verdict,
  ];
  return words.filter((word) => word !== "").join(",");
}

function statusFormat(
  { orphan, markedForRemoval }: { readonly orphan: boolean; readonly markedForRemoval: boolean },
): Format | undefined {
  if (orphan) return "red";
  return markedForRemoval ? "yellow" : undefined;
}

/** The style of the columns: whether sizes are numbers of bytes, in place of `64K`. */
export interface ColumnStyle {
  readonly bytes?: boolean;
}

/** Every column, one for each fact. */
export function segmentColumns(style?: ColumnStyle): Column<SegmentFacts>[] {
  return columnsOf(SEGMENT_FACTS, style);
}

/** The columns of a table of these rows: KIND only if there is something in it. */
export function defaultSegmentColumns(
  rows: readonly SegmentFacts[],
  style?: ColumnStyle,
): Column<SegmentFacts>[] {
  return defaultColumns(
    segmentColumns(style),
    [
      ...["key", "id", "owner", "mode", "size", "nattch", "status"] as const,
      ...(rows.some(({ kind }) => kind !== null) ? ["kind"] as const : []),
      ...["ctime", "cpid", "lpid"] as const,
    ],
    { owner: shortOwner, ctime: ({ ctime }) => shortTime(ctime) },
  );
}

/** Whether a column has data only under -A. */
export function needsProc({ name }: Column<SegmentFacts>): boolean {
  return name === "pids" || name === "resident" || name === "swapped";
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

  facts(stat: SegmentStat): SegmentFacts {
    return factsOf(SEGMENT_FACTS, {
      stat,
      names: this.#names,
      use: this.#inventory.segment(stat),
      pids: this.attachersOf(stat.id)?.map(({ pid }) => pid),
      residence: this.#residences?.get(stat.id),
    });
  }
}
