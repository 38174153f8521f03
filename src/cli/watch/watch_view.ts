/** The view of `watch` on a screen: a function from its state and the terminal's size to lines. */

import type { Format } from "../output.ts";
import {
  fitText,
  joinFitting,
  joinWithRight,
  type Line,
  type Size,
  textWidth,
} from "../terminal/spans.ts";
import type { Age, ShownField, WatchExtent, WatchModel } from "./watch_model.ts";
import { plural, sizeInWords, timeOfDay } from "../text/wording.ts";
import { hexOffset, hexRow, hexShape } from "../bytes/hex.ts";

/** A frame, with the extent that the keys that move need. */
export interface WatchFrame extends WatchExtent {
  readonly lines: readonly Line[];
}

/** The least number of rows for each line around the bytes. */
const ROOM = { title: 3, state: 6, hints: 4 } as const;
/** The width of the mark of a row with a change, which needs no colours, and a space. */
const MARK_WIDTH = 2;
/** The largest share of the line for the names of fields, and for their values. */
const SHARE = { name: 0.4, value: 0.6 } as const;

const FORMATS: Readonly<Record<Age, Format | undefined>> = {
  fresh: ["bold", "inverse"],
  old: "yellow",
  never: undefined,
};

export function watchFrame(model: WatchModel, { columns, rows }: Size): WatchFrame {
  const head = [
    ...(rows >= ROOM.title ? [titleLine(model, columns)] : []),
    ...(rows >= ROOM.state ? [stateLine(model, columns)] : []),
  ];
  const foot = rows >= ROOM.hints ? [joinFitting(HINTS, columns)] : [];
  const page = Math.max(1, rows - head.length - foot.length);
  const body = model.facts.layout === undefined
    ? hexBody(model, columns)
    : fieldBody(model.fields, columns);
  const lastScroll = Math.max(0, body.count - page);
  const start = firstLine(model, body.lineOf, page, lastScroll);
  const lines = Array.from(
    { length: page },
    (_, i) => start + i < body.count ? body.line(start + i) : [],
  );
  return { lines: [...head, ...lines, ...foot], start, page, lastScroll };
}

const HINTS: readonly Line[] = ["q quit", "f follow changes", "Up, Down, PgUp, PgDn scroll"]
  .map((text) => [{ text, format: "dim" }]);

function titleLine({ facts, look }: WatchModel, columns: number): Line {
  const { id, keyHex, noun, size, range } = facts;
  const part = range.length === size
    ? []
    : [[{ text: `${range.length} from ${hexOffset(range.offset)}` }]];
  const parts: Line[] = [
    [{ text: `segment ${id}`, format: "bold" }],
    [{ text: `key ${keyHex}` }],
    ...(noun === undefined ? [] : [[{ text: noun }]]),
    [{ text: sizeInWords(size) }],
    ...part,
  ];
  return joinWithRight(parts, timeOfDay(look.time), columns);
}

function stateLine({ facts, look, changes, following }: WatchModel, columns: number): Line {
  const texts = [
    plural(changes, "change"),
    `${look.others} attached beside us`,
    `every ${facts.interval}`,
    following ? "following" : "",
  ];
  return joinFitting(texts.filter((text) => text !== "").map((text) => [{ text }]), columns);
}

/** Lines that are made when they are shown. */
interface Body {
  readonly count: number;
  line(index: number): Line;
  /** The line of the byte or the field with that index. */
  lineOf(index: number): number;
}

/** The scroll position; if the view follows changes, one that shows the last change. */
function firstLine(
  { scroll, following, last }: WatchModel,
  lineOf: Body["lineOf"],
  page: number,
  lastScroll: number,
): number {
  const start = Math.min(scroll, lastScroll);
  if (!following || last === undefined) return start;
  const line = lineOf(last);
  if (line >= start && line < start + page) return start;
  return Math.max(0, Math.min(line - Math.floor(page / 2), lastScroll));
}

function hexBody(model: WatchModel, columns: number): Body {
  const { offset, length } = model.facts.range;
  const shape = hexShape(columns - MARK_WIDTH, offset + length);
  return {
    count: Math.ceil(length / shape.bytes),
    lineOf: (index) => Math.floor(index / shape.bytes),
    line: (index) => {
      const from = index * shape.bytes;
      const bytes = model.look.now.subarray(from, from + shape.bytes);
      const fresh = bytes.some((_, i) => model.byteAge(offset + from + i) === "fresh");
      return [
        mark(fresh),
        ...hexRow(bytes, offset + from, shape, (at) => FORMATS[model.byteAge(at)]),
      ];
    },
  };
}

function mark(fresh: boolean): Line[number] {
  return { text: fresh ? "* " : "  " };
}

function fieldBody(fields: readonly ShownField[], columns: number): Body {
  const room = columns - MARK_WIDTH;
  const longest = fields.reduce((most, { row }) => Math.max(most, textWidth(row.path)), 1);
  const name = Math.min(longest, Math.max(1, Math.floor(room * SHARE.name)));
  return {
    count: fields.length,
    lineOf: (index) => index,
    line: (index) => {
      const { row, was, age } = fields[index]!;
      const format = FORMATS[age];
      const left = room - name - 1;
      const text = was === undefined
        ? row.text
        : fitText(row.text, Math.min(textWidth(row.text), Math.floor(left * SHARE.value)));
      return [
        mark(age === "fresh"),
        { text: `${fitText(row.path, name)} ` },
        format === undefined ? { text } : { text, format },
        ...(was === undefined ? [] : [{ text: `  was ${was}`, format: "dim" } as const]),
      ];
    },
  };
}
