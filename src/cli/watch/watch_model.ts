/**
 * What `watch` knows and shows on a screen: the bytes or fields, when each of them changed, how far one
 * has scrolled. It asks nothing of the system and draws nothing: `watch_command.ts` feeds it,
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

/** How long a change stands out. */
export const FRESH_MS = 1000;

/** How long ago something changed. */
export type Age = "fresh" | "old" | "never";

/** What is watched, as it was named and found. */
export interface WatchedFacts {
  readonly id: number;
  readonly keyHex: string;
  readonly size: number;
  readonly range: ByteRange;
  readonly layout: AnyStructLayout | undefined;
  /** How often it is looked at, as the person said it. */
  readonly interval: string;
}

/** A field on the screen. */
export interface ShownField {
  readonly row: FieldRow;
  /** What it was before its last change, if it has changed. */
  readonly was: string | undefined;
  readonly age: Age;
}

/** What a frame knew of its size, and which line was its first. */
export interface WatchExtent extends Extent {
  readonly start: number;
}

/** The state. */
export class WatchModel {
  readonly facts: WatchedFacts;
  #look: Look;
  #changes = 0;
  #last: number | undefined;
  /** Per byte or field, milliseconds from the first look to its last change, and one; 0 is never. */
  readonly #changedAt: Uint32Array;
  readonly #was = new Map<number, string>();
  readonly #start: number;
  #fields: readonly FieldRow[];
  #scroll = 0;
  #following = true;

  constructor(facts: WatchedFacts, first: Look) {
    this.facts = facts;
    this.#look = first;
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

  /** What the last look found. */
  get look(): Look {
    return this.#look;
  }

  /** How many changes there were. */
  get changes(): number {
    return this.#changes;
  }

  /** Which byte of the range, or which field, changed last. */
  get last(): number | undefined {
    return this.#last;
  }

  /** How far the page is scrolled, in lines. */
  get scroll(): number {
    return this.#scroll;
  }

  /** Whether the page scrolls to where something changes. */
  get following(): boolean {
    return this.#following;
  }

  /** The fields, or none where bytes are watched. */
  get fields(): readonly ShownField[] {
    return this.#fields.map((row, index) => ({
      row,
      was: this.#was.get(index),
      age: this.#age(index),
    }));
  }

  /** How long ago the byte changed that lies at this offset of the segment. */
  byteAge(offset: number): Age {
    return this.#age(offset - this.facts.range.offset);
  }

  #age(index: number): Age {
    const at = this.#changedAt[index] ?? 0;
    if (at === 0) return "never";
    return this.#elapsed() - at < FRESH_MS ? "fresh" : "old";
  }

  #elapsed(): number {
    return this.#look.at - this.#start + 1;
  }

  /** Takes in what a look has found, and gives how many changes that are. */
  update(look: Look): number {
    const before = this.#changes;
    this.#look = look;
    if (look.before !== look.now) this.#take(look);
    return this.#changes - before;
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
    this.#changes++;
    this.#last = index;
  }

  /** Scrolls as the key says; `false` when it says quit. */
  press(key: Key, { start, page, lastScroll }: WatchExtent): boolean {
    if (key === "q" || key === "escape" || key === "ctrl-c") return false;
    const to = moved(key, start, page, lastScroll);
    if (to !== undefined) {
      this.#scroll = to;
      this.#following = false;
    }
    if (key === "f") this.#following = !this.#following;
    return true;
  }
}
