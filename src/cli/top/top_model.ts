/**
 * What `top` knows and shows: the segments and what has changed, which one is selected, what a key
 * does. It asks nothing of the system and draws nothing: `top_command.ts` does what it asks for,
 * `top_view.ts` shows it.
 */

import type { SegmentLimits, SegmentUsage } from "../../sysv/segment_limits.ts";
import type { Key } from "../terminal/keys.ts";
import { type Extent, moved } from "../terminal/scrolling.ts";
import { tableSettings } from "../text/table.ts";
import { TOP_COLUMNS } from "./top_columns.ts";
import { CHANGE, changeOf, rateOf, type TopFacts, type TopRow } from "./top_row.ts";

/** All that one refresh has found out. */
export interface Snapshot {
  readonly time: Date;
  /** Every segment there is. */
  readonly segments: readonly TopFacts[];
  /** Which of them were chosen on the command line. */
  readonly chosen: (id: number) => boolean;
  readonly usage: SegmentUsage;
  readonly limits: SegmentLimits;
}

/** What is on the screen. */
export type TopPage =
  | { readonly kind: "list" }
  | { readonly kind: "help" }
  | { readonly kind: "segment"; readonly row: TopRow };

/** What a key asks to be done. */
export type TopAction =
  | { readonly kind: "quit" }
  | { readonly kind: "refresh" }
  | { readonly kind: "redraw" }
  | { readonly kind: "remove"; readonly row: TopRow }
  | { readonly kind: "look"; readonly id: number };

/** What the first bytes of a segment are: themselves, or why they are not shown. */
export type FirstBytes = { readonly bytes: Uint8Array } | { readonly why: string };

/** Why the bytes of a segment nobody is attached to are not shown unasked. */
const UNASKED = "nobody is attached: reading would make us the last pid; x reads";

/** The state. */
export class TopModel {
  #snapshot: Snapshot;
  #rows: readonly TopRow[] = [];
  #selected: number | undefined;
  #index = 0;
  #page: TopPage = { kind: "list" };
  #scroll = 0;
  #firstBytes: FirstBytes | undefined;
  #asked: TopRow | undefined;
  #message = "";
  #sort: string;
  #reverse: boolean;

  constructor(first: Snapshot, { sort, reverse }: { sort: string; reverse: boolean }) {
    this.#sort = sort;
    this.#reverse = reverse;
    this.#snapshot = first;
    this.#show(
      first.segments.filter(({ id }) => first.chosen(id)).map((facts) => ({
        ...facts,
        change: "",
        rate: null,
      })),
    );
  }

  /** What the last refresh found. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** The rows of the list, in order; those that have gone since the last refresh among them. */
  get rows(): readonly TopRow[] {
    return this.#rows;
  }

  /** Which row is selected; 0 where there is none. */
  get index(): number {
    return this.#index;
  }

  /** What is on the screen. */
  get page(): TopPage {
    return this.#page;
  }

  /** How far the page is scrolled, in lines. */
  get scroll(): number {
    return this.#scroll;
  }

  /** Of the segment that is inspected, if they were asked for. */
  get firstBytes(): FirstBytes | undefined {
    return this.#firstBytes;
  }

  /** The segment that is to be removed if the next key says yes. */
  get asked(): TopRow | undefined {
    return this.#asked;
  }

  /** What the bottom line says until the next key. */
  get message(): string {
    return this.#message;
  }

  /** The name of the column by which rows are sorted, and whether the other way round. */
  get order(): { readonly sort: string; readonly reverse: boolean } {
    return { sort: this.#sort, reverse: this.#reverse };
  }

  /** Says something until the next key. */
  say(message: string): void {
    this.#message = message;
  }

  /** Shows the first bytes of the segment that is inspected. */
  showBytes(firstBytes: FirstBytes): void {
    this.#firstBytes = firstBytes;
  }

  /** Takes in what a refresh has found, and what has changed by it. */
  update(next: Snapshot): void {
    const before = new Map(this.#snapshot.segments.map((facts) => [facts.id, facts]));
    const now = new Map(next.segments.map((facts) => [facts.id, facts]));
    const ms = next.time.getTime() - this.#snapshot.time.getTime();
    const rowOf = (facts: TopFacts): TopRow => ({
      ...facts,
      change: changeOf(before.get(facts.id), facts),
      rate: rateOf(before.get(facts.id), facts, ms),
    });
    const rows = next.segments.filter(({ id }) => next.chosen(id)).map(rowOf);
    // What is there no more stays for one refresh, so that one sees it go
    const gone = this.#rows.filter(({ id, change }) => !now.has(id) && change !== CHANGE.gone)
      .map((row) => ({ ...row, change: CHANGE.gone, rate: null }));
    this.#snapshot = next;
    this.#show([...rows, ...gone]);
    if (this.#page.kind === "segment") {
      const { row } = this.#page;
      const found = now.get(row.id);
      this.#page = {
        kind: "segment",
        row: found === undefined ? { ...row, change: CHANGE.gone } : rowOf(found),
      };
    }
  }

  #show(rows: readonly TopRow[]): void {
    const { sorted } = tableSettings(
      { sort: this.#sort, ...(this.#reverse ? { reverse: true } : {}) },
      TOP_COLUMNS,
    );
    // Equals stand in the order of ids, so that they do not change places as others come and go
    this.#rows = sorted([...rows].sort((a, b) => a.id - b.id));
    // The selection is of a segment, not of a place; when that has gone, the place is what is left
    const index = this.#rows.findIndex(({ id }) => id === this.#selected);
    this.#select(index === -1 ? this.#index : index);
  }

  #select(index: number): void {
    this.#index = Math.max(0, Math.min(index, this.#rows.length - 1));
    this.#selected = this.#rows[this.#index]?.id;
  }

  /** Does what the key does here and gives what is left for others to do. */
  press(key: Key, extent: Extent): TopAction | undefined {
    this.#message = "";
    if (key === "ctrl-c") return { kind: "quit" };
    if (this.#asked !== undefined) return this.#answer(this.#asked, key);
    if (key === "ctrl-l") return { kind: "redraw" };
    if (key === "ctrl-z") this.say("top cannot be suspended: q quits");
    return this.#page.kind === "list"
      ? this.#pressInList(key, extent)
      : this.#pressInPage(key, extent);
  }

  #answer(asked: TopRow, key: Key): TopAction | undefined {
    this.#asked = undefined;
    if (key === "y" || key === "Y") return { kind: "remove", row: asked };
    this.say("not removed");
    return undefined;
  }

  #pressInList(key: Key, { page }: Extent): TopAction | undefined {
    const to = moved(key, this.#index, page, this.#rows.length - 1);
    if (to !== undefined) this.#select(to);
    const row = this.#rows[this.#index];
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
        this.#reverse = !this.#reverse;
        this.#show(this.#rows);
        this.say(`sorted by ${this.#sort}${this.#reverse ? ", reversed" : ""}`);
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
    const to = moved(key, Math.min(this.#scroll, lastScroll), page, lastScroll);
    if (to !== undefined) this.#scroll = to;
    const inspected = this.#page.kind === "segment" ? this.#page.row : undefined;
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
    this.#page = page;
    this.#scroll = 0;
    this.#firstBytes = undefined;
  }

  /** Where nobody is attached, who was is worth more than a look at the bytes, which would undo it. */
  #inspect(row: TopRow): TopAction | undefined {
    this.#open({ kind: "segment", row });
    if (row.change === CHANGE.gone) return undefined;
    if (row.nattch > 0) return { kind: "look", id: row.id };
    this.#firstBytes = { why: UNASKED };
    return undefined;
  }

  #askToRemove(row: TopRow): void {
    if (row.change === CHANGE.gone) this.say(`segment ${row.id} is gone`);
    else this.#asked = row;
  }

  #sortBy(step: 1 | -1): void {
    const names = TOP_COLUMNS.map(({ name }) => name);
    const at = names.findIndex((name) => name === this.#sort) + step;
    this.#sort = names.at(at % names.length)!;
    this.#show(this.#rows);
    this.say(`sorted by ${this.#sort}`);
  }
}
