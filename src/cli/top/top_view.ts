/**
 * The view of `top`: a function from its state and the terminal's size to lines. No line is wider than
 * the terminal, no frame is higher, and no text from other programs can control it.
 */

import type { Format, Style } from "../output.ts";
import { printable } from "../output.ts";
import type { Extent } from "../terminal/scrolling.ts";
import { formatSize } from "../text/size.ts";
import {
  cropText,
  fitText,
  joinFitting,
  joinWithRight,
  type Line,
  type Size,
  textWidth,
  wrapText,
} from "../terminal/spans.ts";
import { TOP_COLUMNS, type TopColumn } from "./top_columns.ts";
import type { TopModel } from "./top_model.ts";
import { HELP_LINES, segmentPage } from "./top_pages.ts";
import { CHANGE, type TopRow } from "./top_row.ts";
import { plural, timeOfDay } from "../text/wording.ts";

/** A frame, with the extent that the keys that move need. */
export interface TopFrame extends Extent {
  readonly lines: readonly Line[];
}

/** The settings in the head, which stay the same while `top` runs. */
export interface TopSettings {
  /** The refresh interval, as the user typed it. */
  readonly interval: string;
  /** The options that choose segments, as the user typed them. */
  readonly filter: string;
}

/** The least number of rows for each optional line of the head. */
const ROOM = { totals: 5, memory: 10, titles: 3 } as const;
/** A message takes at most one row of this many, but at least one. */
const MESSAGE_SHARE = 4;
/** From this percentage on, a limit is coloured. */
const NEARLY_REACHED = 80;
/** From this many bytes on, more than any machine has, a limit is not shown. */
const NO_LIMIT = 2n ** 60n;

export function topFrame(model: TopModel, size: Size, settings: TopSettings): TopFrame {
  const head = headLines(model, size, settings);
  const foot = footLines(model, size);
  const height = Math.max(1, size.rows - head.length - foot.length);
  const body = model.page.kind === "list"
    ? listFrame(model, size.columns, height, size.rows >= ROOM.titles)
    : pageFrame(model, size.columns, height);
  const empty = Array.from({ length: Math.max(0, height - body.lines.length) }, () => []);
  const lines = [...head, ...body.lines.slice(0, height), ...empty, ...foot];
  // On a terminal of one row only the bottom line is shown, because it may be a question
  return { ...body, lines: lines.slice(-size.rows) };
}

function headLines(model: TopModel, { columns, rows }: Size, settings: TopSettings): Line[] {
  const { snapshot: { segments, usage, limits, time }, order } = model;
  const attached = segments.reduce((sum, { nattch }) => sum + nattch, 0);
  const orphans = segments.filter(({ orphan }) => orphan).length;
  const marked = segments.filter(({ markedForRemoval }) => markedForRemoval).length;
  const { pageSize, shmall } = limits;
  const ceiling = shmall * BigInt(pageSize);
  const totals = [
    [part(`${usage.segments} of ${limits.shmmni} segments`, usage.segments, limits.shmmni)],
    ...texts(
      `${attached} attached`,
      orphans === 0 ? "" : plural(orphans, "orphan"),
      marked === 0 ? "" : `${marked} marked`,
      settings.filter,
    ),
  ];
  const memory = [
    [part(`${formatSize(usage.pages * pageSize)} in ${usage.pages} pages`, usage.pages, shmall)],
    ...texts(
      ceiling > NO_LIMIT ? "no limit" : `limit ${formatSize(ceiling)}`,
      `${formatSize(usage.resident * pageSize)} in memory`,
      usage.swapped === 0 ? "" : `${formatSize(usage.swapped * pageSize)} swapped`,
      `by ${order.sort}${order.reverse ? ", reversed" : ""}`,
      `every ${settings.interval}`,
    ),
  ];
  const lines: Line[] = [];
  if (rows >= ROOM.totals) lines.push(joinWithRight(totals, timeOfDay(time), columns));
  if (rows >= ROOM.memory) lines.push(joinFitting(memory, columns));
  return lines;
}

function texts(...parts: readonly string[]): Line[] {
  return parts.filter((text) => text !== "").map((text) => [{ text }]);
}

function part(text: string, used: number, limit: number | bigint): Line[number] {
  const percent = Number(limit) === 0 ? 100 : used / Number(limit) * 100;
  return percent < NEARLY_REACHED
    ? { text }
    : { text: `${text} (${Math.floor(percent)}%)`, format: ["bold", "red"] };
}

const HINTS = {
  list: ["q quit", "? help", "Enter inspect", "d remove", "s sort", "r reverse"],
  segment: ["q back", "d remove", "x read bytes", "Up, Down scroll"],
  help: ["q back", "Up, Down scroll"],
} as const;

function footLines(model: TopModel, { columns, rows }: Size): Line[] {
  if (model.asked !== undefined) {
    return [[{ text: question(model.asked, columns), format: ["bold", "yellow"] }]];
  }
  if (model.message !== "") {
    const most = Math.max(1, Math.floor(rows / MESSAGE_SHARE));
    return wrapText(printable(model.message), columns, most)
      .map((text) => [{ text, format: "bold" }]);
  }
  if (rows < 2) return [];
  const hints = HINTS[model.page.kind].map((text): Line => [{ text, format: "dim" }]);
  const place = model.page.kind === "list" && model.rows.length > 0
    ? `${model.index + 1}/${model.rows.length}`
    : "";
  return [joinWithRight(hints, place, columns)];
}

/** The longest form of the question that fits: the effect of `y` must be complete. */
function question({ id, keyHex, key, nattch, use }: TopRow, columns: number): string {
  const attached = nattch > 0 ? `${nattch} attached` : use === "idle" ? "may be needed" : use;
  const named = key === 0 ? "" : ` (key ${keyHex})`;
  const forms = [
    `remove segment ${id}${named}, ${attached}? y/N`,
    `remove segment ${id}, ${attached}? y/N`,
    `remove ${id}, ${nattch} att? y/N`,
    `remove ${id}? y/N`,
  ];
  return forms.find((form) => textWidth(form) <= columns) ?? `rm ${id}?`;
}

function listFrame(model: TopModel, columns: number, height: number, titles: boolean): TopFrame {
  const { rows, index, order } = model;
  const shown = columnsThatFit(rows, columns);
  const page = Math.max(1, height - (titles ? 1 : 0));
  // The selected row stays in the middle, except near the first and the last row
  const start = Math.max(0, Math.min(index - Math.floor(page / 2), rows.length - page));
  const lines = rows.slice(start, start + page)
    .map((row, i) => rowLine(row, shown, start + i === index));
  if (rows.length === 0) lines.push([{ text: cropText("  no segments to show", columns) }]);
  return {
    lines: titles ? [titleLine(shown, order.sort), ...lines] : lines,
    page,
    lastScroll: 0,
  };
}

interface Placed {
  readonly column: TopColumn;
  readonly width: number;
}

/** The width before the first column: the selection and the change, one character each. */
const MARKS_WIDTH = 2;

/** The most important columns that fit, each as wide as its contents. */
function columnsThatFit(rows: readonly TopRow[], columns: number): Placed[] {
  const known = TOP_COLUMNS.filter(({ concerns }) => concerns === undefined || rows.some(concerns));
  const byWeight = known.map((column) => ({ column, width: naturalWidth(column, rows) }))
    .sort((a, b) => a.column.matters - b.column.matters);
  let left = columns - MARKS_WIDTH + 1; // the first has no space before it
  const taken = new Map<TopColumn, number>();
  for (const { column, width } of byWeight) {
    if (taken.size > 0 && width + 1 > left) break;
    taken.set(column, Math.max(1, Math.min(width, left - 1)));
    left -= width + 1;
  }
  return known.flatMap((column) => {
    const width = taken.get(column);
    if (width === undefined) return [];
    return [{ column, width: column.widest === undefined ? width + Math.max(0, left) : width }];
  });
}

function naturalWidth(
  { title, text, widest, narrowest = 1 }: TopColumn,
  rows: readonly TopRow[],
): number {
  if (widest === undefined) return narrowest;
  const width = rows.reduce(
    (most, row) => Math.max(most, textWidth(printable(text(row)))),
    Math.max(narrowest, title.length),
  );
  return Math.min(width, Math.max(widest, title.length));
}

function titleLine(placed: readonly Placed[], sort: string): Line {
  const line: Line[number][] = [{ text: " ".repeat(MARKS_WIDTH) }];
  for (const [i, { column, width }] of placed.entries()) {
    const format: Format = column.name === sort ? ["bold", "underline"] : "bold";
    const space = " ".repeat(width - textWidth(cropText(column.title, width)));
    const title = { text: cropText(column.title, width), format };
    const cell = column.right === true ? [{ text: space }, title] : [title, { text: space }];
    line.push({ text: i === 0 ? "" : " " }, ...cell);
  }
  return line;
}

function rowLine(row: TopRow, placed: readonly Placed[], selected: boolean): Line {
  const cells = placed.map(({ column, width }) =>
    fitText(printable(column.text(row)), width, column.right === true ? "right" : "left")
  );
  const { mark, format } = look(row);
  const text = `${selected ? ">" : " "}${mark}${cells.join(" ")}`;
  if (selected) return [{ text, format: format === undefined ? "inverse" : ["inverse", format] }];
  return [format === undefined ? { text } : { text, format }];
}

/** How a row shows a change, with colours and without. */
function look({ change, orphan }: TopRow): {
  readonly mark: string;
  readonly format: Style | undefined;
} {
  if (change === CHANGE.new) return { mark: "+", format: "green" };
  if (change === CHANGE.gone) return { mark: "-", format: "red" };
  if (change !== "") return { mark: "*", format: "yellow" };
  return { mark: " ", format: orphan ? "magenta" : undefined };
}

function pageFrame(model: TopModel, columns: number, height: number): TopFrame {
  const { page, firstBytes } = model;
  const all = page.kind === "segment"
    ? segmentPage(page.row, firstBytes, columns)
    : HELP_LINES.flatMap((text) => wrapText(text, columns).map((line): Line => [{ text: line }]));
  const lastScroll = Math.max(0, all.length - height);
  const start = Math.min(model.scroll, lastScroll);
  return { lines: all.slice(start, start + height), page: height, lastScroll };
}
