/**
 * The state of `top`: the segments and their changes, the selected one, and the effect of each key. It
 * makes no system calls and draws nothing: `top_command.ts` carries out its actions, and `top_view.ts`
 * shows it.
 */

import type { SegmentLimits, SegmentUsage } from "../../sysv/segment_limits.ts";
import type { Key } from "../terminal/keys.ts";
import { type Extent, moved } from "../terminal/scrolling.ts";
import { TOP_COLUMNS } from "./top_columns.ts";
import { CHANGE, changeOf, rateOf, type TopFacts, type TopRow } from "./top_row.ts";
import { tableSettings } from "../table_options.ts";

export interface Snapshot {
  readonly time: Date;
  readonly segments: readonly TopFacts[];
  /** Whether a segment was chosen on the command line. */
  readonly chosen: (id: number) => boolean;
  readonly usage: SegmentUsage;
  readonly limits: SegmentLimits;
}

export type TopPage =
  | { readonly kind: "list" }
  | { readonly kind: "help" }
  | { readonly kind: "segment"; readonly row: TopRow };

export type TopAction =
  | { readonly kind: "quit" }
  | { readonly kind: "refresh" }
  | { readonly kind: "redraw" }
  | { readonly kind: "remove"; readonly row: TopRow }
  | { readonly kind: "look"; readonly id: number };

/** The first bytes of a segment, or why they are not shown. */
export type FirstBytes = { readonly bytes: Uint8Array } | { readonly why: string };

/** Why the bytes of a segment without attached processes are shown only on request. */
const UNASKED = "not read: that would change the last pid; x reads them";

/** The state of `top`. Only its methods change it. */
export class TopModel {
  /** The snapshot of the last refresh. */
  snapshot: Snapshot;
  /** The rows of the list, in order, with those that have gone since the last refresh. */
  rows: readonly TopRow[] = [];
  /** The index of the selected row; 0 if there are no rows. */
  index = 0;
  /** The page on the screen, and how far it is scrolled, in lines. */
  page: TopPage = { kind: "list" };
  scroll = 0;
  /** The first bytes of the inspected segment, if they were requested. */
  firstBytes: FirstBytes | undefined;
  /** The segment that will be removed if the next key confirms it. */
  asked: TopRow | undefined;
  /** The message in the bottom line until the next key. */
  message = "";
  /** The name of the column by which rows are sorted, and whether the order is reversed. */
  order: { readonly sort: string; readonly reverse: boolean };
  #selected: number | undefined;

  constructor(first: Snapshot, order: TopModel["order"]) {
    this.order = order;
    this.snapshot = first;
    this.#show(
      first.segments.filter(({ id }) => first.chosen(id)).map((facts) => ({
        ...facts,
        change: "",
        rate: null,
      })),
    );
  }

  /** Takes over the snapshot of a refresh, and notes what it changed. */
  update(next: Snapshot): void {
    const before = new Map(this.snapshot.segments.map((facts) => [facts.id, facts]));
    const now = new Map(next.segments.map((facts) => [facts.id, facts]));
    const ms = next.time.getTime() - this.snapshot.time.getTime();
    const rowOf = (facts: TopFacts): TopRow => ({
      ...facts,
      change: changeOf(before.get(facts.id), facts),
      rate: rateOf(before.get(facts.id), facts, ms),
    });
    const rows = next.segments.filter(({ id }) => next.chosen(id)).map(rowOf);
    // A segment that is gone stays for one refresh, so that its end can be seen
    const gone = this.rows.filter(({ id, change }) => !now.has(id) && change !== CHANGE.gone)
      .map((row) => ({ ...row, change: CHANGE.gone, rate: null }));
    this.snapshot = next;
    this.#show([...rows, ...gone]);
    if (this.page.kind === "segment") {
      const { row } = this.page;
      const found = now.get(row.id);
      this.page = {
        kind: "segment",
        row: found === undefined ? { ...row, change: CHANGE.gone } : rowOf(found),
      };
    }
  }

  #show(rows: readonly TopRow[]): void {
    const { sort, reverse } = this.order;
    const { sorted } = tableSettings(
      { sort, ...(reverse ? { reverse } : {}) },
      TOP_COLUMNS,
    );
    // Equal rows are ordered by id, so that they do not change places as others come and go
    this.rows = sorted([...rows].sort((a, b) => a.id - b.id));
    // The selection follows a segment, not a position; if the segment is gone, the position stays
    const index = this.rows.findIndex(({ id }) => id === this.#selected);
    this.#select(index === -1 ? this.index : index);
  }

  #select(index: number): void {
    this.index = Math.max(0, Math.min(index, this.rows.length - 1));
    this.#selected = this.rows[this.index]?.id;
  }

  /** Applies the key, and returns the action that the caller must carry out, if any. */
  press(key: Key, extent: Extent): TopAction | undefined {
    this.message = "";
    if (key === "ctrl-c") return { kind: "quit" };
    if (this.asked !== undefined) return this.#answer(this.asked, key);
    if (key === "ctrl-l") return { kind: "redraw" };
    if (key === "ctrl-z") this.message = "top cannot be suspended: q quits";
    return this.page.kind === "list"
      ? this.#pressInList(key, extent)
      : this.#pressInPage(key, extent);
  }

  #answer(asked: TopRow, key: Key): TopAction | undefined {
    this.asked = undefined;
    if (key === "y" || key === "Y") return { kind: "remove", row: asked };
    this.message = "not removed";
    return undefined;
  }

  #pressInList(key: Key, { page }: Extent): TopAction | undefined {
    const to = moved(key, this.index, page, this.rows.length - 1);
    if (to !== undefined) this.#select(to);
    const row = this.rows[this.index];
    switch (key) {
      case "q":
      case "escape":
        return { kind: "quit" };
      case " ":
        return { kind: "refresh" };
      case "s":
      case ">":
        this.#sortBy(1);
        break;
      case "S":
      case "<":
        this.#sortBy(-1);
        break;
      case "r":
        this.order = { ...this.order, reverse: !this.order.reverse };
        this.#show(this.rows);
        this.message = `sorted by ${this.order.sort}${this.order.reverse ? ", reversed" : ""}`;
        break;
      case "?":
      case "h":
        this.#open({ kind: "help" });
        break;
      case "enter":
      case "i":
        if (row !== undefined) return this.#inspect(row);
        break;
      case "d":
      case "delete":
        if (row !== undefined) this.#askToRemove(row);
    }
    return undefined;
  }

  #pressInPage(key: Key, { page, lastScroll }: Extent): TopAction | undefined {
    const to = moved(key, Math.min(this.scroll, lastScroll), page, lastScroll);
    if (to !== undefined) this.scroll = to;
    const inspected = this.page.kind === "segment" ? this.page.row : undefined;
    switch (key) {
      case "q":
      case "escape":
      case "?":
      case "left":
      case "backspace":
        this.#open({ kind: "list" });
        break;
      case "x":
        return inspected === undefined ? undefined : { kind: "look", id: inspected.id };
      case "d":
      case "delete":
        if (inspected !== undefined) this.#askToRemove(inspected);
    }
    return undefined;
  }

  #open(page: TopPage): void {
    this.page = page;
    this.scroll = 0;
    this.firstBytes = undefined;
  }

  /** If no process is attached, the last pid is worth more than the bytes: reading would replace it. */
  #inspect(row: TopRow): TopAction | undefined {
    this.#open({ kind: "segment", row });
    if (row.change === CHANGE.gone) return undefined;
    if (row.nattch > 0) return { kind: "look", id: row.id };
    this.firstBytes = { why: UNASKED };
    return undefined;
  }

  #askToRemove(row: TopRow): void {
    if (row.change === CHANGE.gone) this.message = `segment ${row.id} is gone`;
    else this.asked = row;
  }

  #sortBy(step: 1 | -1): void {
    const names = TOP_COLUMNS.map(({ name }) => name);
    const at = names.findIndex((name) => name === this.order.sort) + step;
    this.order = { ...this.order, sort: names.at(at % names.length)! };
    this.#show(this.rows);
    this.message = `sorted by ${this.order.sort}`;
  }
}
