/**
 * The state of `watch` on a screen: the bytes or fields, when each of them changed, and the scroll
 * position. It makes no system calls and draws nothing: `watch_command.ts` updates it, and
 * `watch_view.ts` shows it.
 */

import type { AnyStructLayout } from "../../layout/layout.ts";
import { runs } from "./byte_changes.ts";
import type { ByteRange } from "../bytes/byte_range.ts";
import type { Key } from "../terminal/keys.ts";
import { type Extent, moved } from "../terminal/scrolling.ts";
import { type FieldRow, fieldRows } from "../bytes/struct_fields.ts";
import { fieldChanges } from "./watch_lines.ts";
import type { Look } from "./watched.ts";

/** How long a change is highlighted. */
export const FRESH_MS = 1000;

export type Age = "fresh" | "old" | "never";

/** The watched segment, as it was named and found. */
export interface WatchedFacts {
  readonly id: number;
  readonly keyHex: string;
  /** What it is of this library, in a word. */
  readonly noun: string | undefined;
  readonly size: number;
  readonly range: ByteRange;
  readonly layout: AnyStructLayout | undefined;
  /** The interval between looks, as the user typed it. */
  readonly interval: string;
}

export interface ShownField {
  readonly row: FieldRow;
  /** Its text before its last change, if it has changed. */
  readonly was: string | undefined;
  readonly age: Age;
}

/** The extent of a frame, and the number of its first line. */
export interface WatchExtent extends Extent {
  readonly start: number;
}

/** The state of `watch`. Only its methods change it. */
export class WatchModel {
  readonly facts: WatchedFacts;
  /** The last look, and how many changes there were. */
  look: Look;
  changes = 0;
  /** The byte of the range, or the field, that changed last. */
  last: number | undefined;
  /** How far the page is scrolled, in lines, and whether it scrolls to each change. */
  scroll = 0;
  following = true;
  /** Per byte or field: milliseconds from the first look to its last change, plus 1; 0 is never. */
  readonly #changedAt: Uint32Array;
  readonly #was = new Map<number, string>();
  readonly #start: number;
  #fields: readonly FieldRow[];

  constructor(facts: WatchedFacts, first: Look) {
    this.facts = facts;
    this.look = first;
    this.#start = first.at;
    this.#fields = this.#rows(first);
    this.#changedAt = new Uint32Array(
      facts.layout === undefined ? facts.range.length : this.#fields.length,
    );
  }

  #rows({ now }: Look): FieldRow[] {
    const { layout, range } = this.facts;
    return layout === undefined ? [] : fieldRows(layout, now, { base: range.offset });
  }

  /** The fields; empty if bytes are watched. */
  get fields(): readonly ShownField[] {
    return this.#fields.map((row, index) => ({
      row,
      was: this.#was.get(index),
      age: this.#age(index),
    }));
  }

  /** The age of the last change of the byte at this offset of the segment. */
  byteAge(offset: number): Age {
    return this.#age(offset - this.facts.range.offset);
  }

  #age(index: number): Age {
    const at = this.#changedAt[index] ?? 0;
    if (at === 0) return "never";
    return this.#elapsed() - at < FRESH_MS ? "fresh" : "old";
  }

  #elapsed(): number {
    return this.look.at - this.#start + 1;
  }

  /** Takes over the results of a look, and returns the number of changes. */
  update(look: Look): number {
    const before = this.changes;
    this.look = look;
    if (look.before !== look.now) this.#take(look);
    return this.changes - before;
  }

  #take(look: Look): void {
    const { layout, range } = this.facts;
    if (layout === undefined) {
      for (const { start, end } of runs(look.before, look.now)) {
        this.#changedAt.fill(this.#elapsed(), start, end);
        this.#changed(start);
      }
    } else {
      for (const { index, old } of fieldChanges(look, layout, range.offset)) {
        this.#changedAt[index] = this.#elapsed();
        this.#was.set(index, old.text);
        this.#changed(index);
      }
      this.#fields = this.#rows(look);
    }
  }

  #changed(index: number): void {
    this.changes++;
    this.last = index;
  }

  /** Scrolls by the key; returns `false` if the key quits. */
  press(key: Key, { start, page, lastScroll }: WatchExtent): boolean {
    if (key === "q" || key === "escape" || key === "ctrl-c") return false;
    const to = moved(key, start, page, lastScroll);
    if (to !== undefined) {
      this.scroll = to;
      this.following = false;
    }
    if (key === "f") this.following = !this.following;
    return true;
  }
}
