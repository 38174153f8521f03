/**
 * Tables from rows of facts, as text for people and as JSON for programs: columns to choose, to sort by
 * and to print. Internal: used by the commands that list objects.
 */

import { type Format, paint, printable } from "../output.ts";
import { type OptionTable, type Parsed, UsageError } from "../usage.ts";

/** The value of one fact of a row: unchanged in JSON, as text in a table. */
export type Cell = string | number | boolean | null | readonly number[];

/** One column over rows of facts. Its name is a name of the facts, and so of the JSON. */
export interface Column<Facts> {
  /** Its name in `--columns` and `--sort`, which accept its heading too. */
  readonly name: string & keyof Facts;
  /** Its heading. */
  readonly title: string;
  /** Whether it is aligned to the right, as numbers are. */
  readonly right?: true;
  /** The text of a row's cell. Defaults to the fact itself. */
  readonly text?: (facts: Facts) => string;
  /** The style of a row's cell on a terminal, if it has one. */
  readonly format?: (facts: Facts) => Format | undefined;
  /** The value it sorts by. Defaults to the fact itself. */
  readonly rank?: (facts: Facts) => Cell;
}

/** The text of an unknown fact in a table. */
export const UNKNOWN = "-";

/** The options of a command that prints a table. */
export const TABLE_OPTIONS = {
  columns: { value: "NAMES", help: "which columns, in this order: size,key,..." },
  sort: { value: "NAME", help: "by which column" },
  reverse: { short: "r", help: "the other way round" },
  json: { help: "a JSON array; the stable form" },
} as const satisfies OptionTable;

/**
 * The column with that name.
 *
 * @throws {UsageError} there is no such column
 */
function columnOf<Facts>(columns: readonly Column<Facts>[], name: string): Column<Facts> {
  const asked = name.toLowerCase();
  const column = columns.find((each) => each.name.toLowerCase() === asked) ??
    columns.find((each) => each.title.toLowerCase() === asked);
  if (column !== undefined) return column;
  const names = columns.map((each) => each.name).join(", ");
  throw new UsageError(`no column ${JSON.stringify(name)}: choose from ${names}`);
}

/** The columns and the order that a command line asks for. */
export interface TableSettings<Facts> {
  /** The chosen columns; `undefined` for the default ones. */
  readonly columns: readonly Column<Facts>[] | undefined;
  /** The column to sort by, if one was given. */
  readonly by: Column<Facts> | undefined;
  /** Sorts rows into the requested order. */
  readonly sorted: <Row extends Facts>(rows: readonly Row[]) => Row[];
}

/**
 * Reads the options of {@linkcode TABLE_OPTIONS}.
 *
 * @throws {UsageError} an unknown column
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

/** Compares numbers by value and texts by their characters; unknown values are last in both orders. */
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

/** The table as lines, headings first, without trailing spaces. */
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

/** The rows as JSON: all facts, or those of the chosen columns. */
export function tableJson<Facts extends object>(
  columns: readonly Column<Facts>[] | undefined,
  rows: readonly Facts[],
): string {
  const picked = columns === undefined
    ? rows
    : rows.map((row) => Object.fromEntries(columns.map(({ name }) => [name, row[name]])));
  return JSON.stringify(picked, null, 2);
}
