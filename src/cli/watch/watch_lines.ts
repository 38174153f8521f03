/**
 * The changes between two looks as lines: text for people, JSON for programs. Pure. Internal: used by
 * `watch` when it has no screen to draw on, and when it counts.
 */

import { timeOfDay } from "../text/wording.ts";
import type { AnyStructLayout } from "../../layout/layout.ts";
import { type Run, runs } from "./byte_changes.ts";
import { cropText } from "../terminal/spans.ts";
import { type FieldRow, fieldRows } from "../bytes/struct_fields.ts";
import type { Look } from "./watched.ts";
import { hexOffset } from "../bytes/hex.ts";

export interface Change {
  readonly text: string;
  readonly json: object;
}

/** The part of a look that is compared: the bytes at `offset`, or the fields of a struct there. */
export interface Watching {
  readonly offset: number;
  readonly layout: AnyStructLayout | undefined;
}

/** The most bytes of a change in one line and in one record. */
const SHOWN_BYTES = 8;
const RECORD_BYTES = 4096;
/** The width of a field's value in a line, in columns. */
const VALUE_WIDTH = 48;

/** All changes of a look, in the order of memory; changed bytes in pieces that fit a record. */
export function* changes(look: Look, { offset, layout }: Watching): Generator<Change, void, void> {
  if (look.before === look.now) return;
  if (layout !== undefined) {
    for (const change of fieldChanges(look, layout, offset)) yield fieldChange(look.time, change);
    return;
  }
  for (const run of runs(look.before, look.now)) {
    for (let start = run.start; start < run.end; start += RECORD_BYTES) {
      const piece = { start, end: Math.min(start + RECORD_BYTES, run.end) };
      yield byteChange(look, piece, offset);
    }
  }
}

function byteChange({ time, before, now }: Look, { start, end }: Run, base: number): Change {
  const [old, fresh] = [before.subarray(start, end), now.subarray(start, end)];
  const at = base + start;
  const more = end - start > SHOWN_BYTES ? ` (${end - start} bytes)` : "";
  return {
    get text(): string {
      return `${clock(time)}  ${hexOffset(at)}  ${shortHex(old)} -> ${shortHex(fresh)}${more}`;
    },
    get json(): object {
      return {
        time: time.toISOString(),
        offset: at,
        size: end - start,
        old: old.toHex(),
        new: fresh.toHex(),
      };
    },
  };
}

export interface FieldChange {
  readonly index: number;
  readonly old: FieldRow;
  readonly now: FieldRow;
}

/** The fields whose bytes differ; padding between fields is ignored. */
export function* fieldChanges(
  { before, now }: Look,
  layout: AnyStructLayout,
  base: number,
): Generator<FieldChange, void, void> {
  const old = fieldRows(layout, before, { base });
  for (const [index, row] of fieldRows(layout, now, { base }).entries()) {
    const start = row.offset - base;
    for (let at = start; at < start + row.size; at++) {
      if (before[at] === now[at]) continue;
      yield { index, old: old[index]!, now: row };
      break;
    }
  }
}

function fieldChange(time: Date, { old, now }: FieldChange): Change {
  const { path, offset, size, type } = now;
  return {
    get text(): string {
      const [was, is] = [cropText(old.text, VALUE_WIDTH), cropText(now.text, VALUE_WIDTH)];
      const note = was === is ? " (further on)" : "";
      return `${clock(time)}  ${path}  ${was} -> ${is}${note}`;
    },
    get json(): object {
      const values = { old: old.value, new: now.value };
      return { time: time.toISOString(), path, offset, size, type, ...values };
    },
  };
}

function clock(time: Date): string {
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${timeOfDay(time)}.${ms}`;
}

function shortHex(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, SHOWN_BYTES).toHex().replace(/..(?=.)/g, "$& ");
  return bytes.length > SHOWN_BYTES ? `${shown} ..` : shown;
}
