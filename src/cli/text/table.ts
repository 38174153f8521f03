/**
 * Tables for people and for programs from the same rows: columns to choose, to sort by and to print.
 * For the commands that list things.
 */

import { type Format, paint, printable } from "../output.ts";
import { type OptionTable, type Parsed, UsageError } from "../usage.ts";

/** What a row says under one name: in JSON as it is, in a table as text. */
export type Cell = string | number | boolean | null | readonly number[];

/** One column over rows of facts; its name is a name of the facts, and so of the JSON. */
export interface Column<Facts> {
  /** What `--columns` and `--sort` call it; they understand its heading too. */
  readonly name: string & keyof Facts;
  /** Its heading. */
  readonly title: string;
  /** Numbers stand at the right. */
  readonly right?: true;
  /** How a row shows it, if not as it is. */
  readonly text?: (facts: Facts) => string;
  /** How it stands out on a terminal, in the rows where it does. */
  readonly format?: (facts: Facts) => Format | undefined;
  /** What it sorts by, if not by itself. */
  readonly rank?: (facts: Facts) => Cell;
}

/** What a table shows for a fact that is not known. */
export const UNKNOWN = "-";

/** Options of a command that prints a table. */
export const TABLE_OPTIONS = {
  columns: { value: "NAMES", help: "which columns, in this order: size,key,..." },
  sort: { value: "NAME", help: "by which column" },
  reverse: { short: "r", help: "the other way round" },
  json: { help: "a JSON array; the stable form" },
} as const satisfies OptionTable;

/**
 * The column of that name.
 *
 * @throws {UsageError} there is none
 */
function columnOf<Facts>(columns: readonly Column<Facts>[], name: string): Column<Facts> {
  const asked = name.toLowerCase();
  const column = columns.find((each) => each.name.toLowerCase() === asked) ??
    columns.find((each) => each.title.toLowerCase() === asked);
  if (column !== undefined) return column;
  const names = columns.map((each) => each.name).join(", ");
  throw new UsageError(`no column ${JSON.stringify(name)}: choose from ${names}`);
}

/** Which columns and which order a command line asks for. */
export interface TableSettings<Facts> {
  /** The columns chosen, or `undefined` for the usual ones. */
  readonly columns: readonly Column<Facts>[] | undefined;
  /** The column to sort by, if one was said. */
  readonly by: Column<Facts> | undefined;
  /** Puts rows into the order asked for. */
  readonly sorted: <Row extends Facts>(rows: readonly Row[]) => Row[];
}

/**
 * Reads the options of {@linkcode TABLE_OPTIONS}.
 *
 * @throws {UsageError} a column that there is not
 */
export function tableSettings<Facts>(
  options: Parsed<keyof typeof TABLE_OPTIONS>["options"],
  columns: readonly Column<Facts>[],
): TableSettings<Facts> {
  const chosen = typeof options.columns === "string"
    ? options.columns.split(",").map((name) => columnOf(columns, name.trim()))
    : undefined;
  const by = typeof options.sort === "string" ? columnOf(columns, options.sort) : undefined;
  const sign = options.reverse === true ? -1 : 1;
  return {
    columns: chosen,
    by,
    sorted: (rows) => {
      const copy = [...rows];
      if (by !== undefined) copy.sort((a, b) => compare(rankOf(by, a), rankOf(by, b), sign));
      else if (sign < 0) copy.reverse();
      return copy;
    },
  };
}

function rankOf<Facts>({ name, rank }: Column<Facts>, facts: Facts): Cell {
  return rank === undefined ? facts[name] as Cell : rank(facts);
}

/** Numbers by value, texts by their characters; what is unknown comes last whichever way round. */
function compare(a: Cell, b: Cell, sign: 1 | -1): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "string" && typeof b === "string") return sign * (a < b ? -1 : Number(a > b));
  return sign * (measure(a) - measure(b));
}

function measure(cell: Exclude<Cell, null>): number {
  return typeof cell === "object" ? cell.length : Number(cell);
}

/** The text of one cell. */
function cellText<Facts>({ name, text }: Column<Facts>, facts: Facts): string {
  if (text !== undefined) return printable(text(facts));
  const cell = facts[name] as Cell;
  if (cell === null || cell === "") return UNKNOWN;
  return printable(typeof cell === "object" ? cell.join(",") : String(cell));
}

/** The table as lines, headings first, with no space at their ends. */
export function tableLines<Facts>(
  columns: readonly Column<Facts>[],
  rows: readonly Facts[],
): string[] {
  const texts = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((column) => cellText(column, row))),
  ];
  const widths = columns.map((_, i) =>
    texts.reduce((widest, line) => Math.max(widest, line[i]!.length), 0)
  );
  return texts.map((line, row) =>
    line.map((text, i) => {
      const { right, format } = columns[i]!;
      const space = " ".repeat(widths[i]! - text.length);
      const shown = painted(text, row === 0 ? "bold" : format?.(rows[row - 1]!));
      return right === true ? space + shown : shown + space;
    }).join(" ").trimEnd()
  );
}

function painted(text: string, format: Format | undefined): string {
  return format === undefined ? text : paint(format, text);
}

/** The rows as JSON: all their facts, or those of the columns chosen. */
export function tableJson<Facts extends object>(
  columns: readonly Column<Facts>[] | undefined,
  rows: readonly Facts[],
): string {
  const picked = columns === undefined
    ? rows
    : rows.map((row) => Object.fromEntries(columns.map(({ name }) => [name, row[name]])));
  return JSON.stringify(picked, null, 2);
}
