/** What `ls`, `stat` and `rm` of a kind of object of this library, and `top`, need to know of it. */

import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { semaphoreTable } from "../../sysv/semaphore_stat.ts";
import type { LabelledLine } from "../text/labelled_lines.ts";
import type { Column } from "../text/table.ts";
import { keyText, UNKNOWN, yesNo } from "../text/wording.ts";
import { defaultColumns, type FactsOf, factTable } from "./facts.ts";
import { type AccountNames, OBJECT_FACTS, shortOwner } from "./object_facts.ts";
import { type Removable, SEGMENTS } from "./removable.ts";
import type { ColumnStyle } from "./segment_facts.ts";
import type { ObjectName } from "./target.ts";
import { Inventory, type LibraryContent } from "./unused.ts";

/** The state of an object of this library, as its module reads it. */
export interface LibraryStat {
  readonly segment: SegmentStat;
  readonly setId: number;
  /** How many times it is open now, in all processes. */
  readonly users: number;
  /** Whether it stays when the last process leaves. */
  readonly persistent: boolean;
  /** The hash of the struct of its values or messages; 0 if they are bytes. */
  readonly typeHash: number;
}

/** The facts that all kinds share. */
export const LIBRARY_FACTS = {
  ...OBJECT_FACTS,
  ...factTable<{ readonly object: LibraryStat }>()({
    /** The bytes of the segment, and the number of attaches. */
    size: { title: "SIZE", sized: true, value: ({ object }) => object.segment.size },
    nattch: { title: "ATT", right: true, value: ({ object }) => object.segment.nattch },
    /** The semaphore set with the same key. */
    setId: { title: "SETID", right: true, value: ({ object }) => object.setId },
    users: { title: "USERS", right: true, value: ({ object }) => object.users },
    kept: { title: "KEPT", value: ({ object }) => object.persistent, text: yesNo },
    /** The hash of the struct of its values or messages; null if they are bytes. */
    typeHash: {
      title: "TYPE",
      value: ({ object }) => object.typeHash || null,
      text: (hash: number | null) => hash === null ? UNKNOWN : hash.toString(16).padStart(8, "0"),
    },
  }),
};

export type LibraryFacts = FactsOf<typeof LIBRARY_FACTS>;

/** One kind of object: how it is read, and told in words. */
export interface LibraryReader<Stat extends LibraryStat = LibraryStat> {
  /** What errors call it. */
  readonly name: ObjectName;
  /** All that this user may read. */
  list(): Stat[];
  look(id: number): Stat;
  content(stat: Stat): LibraryContent & {
    /** The number of messages, or of versions, so far. */
    readonly count: number;
  };
  /** It in a few words, for a sentence: `2 lanes of 4K`. */
  summary(stat: Stat): string;
  /** What its peers do: `process 12 receives`. */
  peers(stat: Stat): readonly string[];
  /** The lines about it, with the messages per second if these are known. */
  lines(stat: Stat, rate?: number | null): LabelledLine[];
}

/** One kind of object, with its facts. */
export interface LibraryObject<Stat extends LibraryStat, Facts extends LibraryFacts>
  extends LibraryReader<Stat> {
  facts(stat: Stat, names?: AccountNames): Facts;
  /** Every column, one for each fact. */
  columns(style?: ColumnStyle): Column<Facts>[];
  /** The names of the columns of the table. */
  readonly shown: readonly (string & keyof Facts)[];
  /** What `stat` shows besides: more facts in JSON, and a table. */
  details(stat: Stat): {
    readonly json: Readonly<Record<string, unknown>>;
    readonly lines: readonly string[];
  };
}

/** The line about the processes that have it open. */
export function usersLine({ users, persistent }: LibraryStat): LabelledLine {
  return ["users", `${users}${persistent ? ", and it stays when they are gone" : ""}`];
}

/** The columns of the table. */
export function shownColumns<Facts extends LibraryFacts>(
  { columns, shown }: Pick<LibraryObject<never, Facts>, "columns" | "shown">,
  style?: ColumnStyle,
): Column<Facts>[] {
  return defaultColumns(columns(style), shown, { owner: shortOwner });
}

interface ObjectSegment<Stat> extends SegmentStat {
  readonly object: Stat;
}

/** How `rm` removes the objects: as segments, which stay while they are attached, with their sets. */
export function removable<Stat extends LibraryStat>(
  kind: LibraryReader<Stat>,
): Removable<ObjectSegment<Stat>> {
  return {
    ...SEGMENTS,
    name: kind.name,
    list: () => kind.list().map((object) => ({ ...object.segment, object })),
    judge: () => {
      const inventory = new Inventory();
      return (stat) => inventory.segment(stat, kind.content(stat.object));
    },
    text: ({ id, key, object }) => `${kind.name} ${id} (${keyText(key)}, ${kind.summary(object)})`,
    useText: (stat, use) => {
      const peers = kind.peers(stat.object);
      return SEGMENTS.useText(stat, use) + (peers.length === 0 ? "" : ` (${peers.join("; ")})`);
    },
    remove: (stat) => {
      SEGMENTS.remove(stat);
      // The set would block the next object; the last peer to leave may have removed it
      semaphoreTable.ensureRemoved(stat.object.setId);
    },
  };
}
