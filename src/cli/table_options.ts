/** The options of commands that print a table: columns to choose and to sort by. */

import { UsageError } from "./errors.ts";
import type { Cell, Column } from "./text/table.ts";
import type { OptionTable, Parsed } from "./usage.ts";

/** The options of a command that prints a table. */
export const TABLE_OPTIONS = {
  columns: { value: "NAMES", help: "which columns, in this order: size,key,..." },
  sort: { value: "NAME", help: "by which column" },
  reverse: { short: "r", help: "the other way round" },
  json: { help: "a JSON array; the stable form" },
} as const satisfies OptionTable;

/** The column with that name or heading; a `UsageError` if there is none. */
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

/** Reads {@linkcode TABLE_OPTIONS}; throws a `UsageError` for an unknown column. */
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
