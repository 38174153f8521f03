/** Tables from rows of facts, as text for people and as JSON for programs. */

import { type Format, paint, printable } from "../output.ts";
import { UNKNOWN } from "./wording.ts";

/** The value of one fact of a row: unchanged in JSON, as text in a table. */
export type Cell = string | number | boolean | null | readonly number[];

/** One column over rows of facts. Its name is a name of the facts, and so of the JSON. */
export interface Column<Facts> {
  /** Its name in `--columns` and `--sort`, which accept its heading too. */
  readonly name: string & keyof Facts;
  /** Its heading. */
  readonly title: string;
  /** Whether it is aligned to the right, as numbers are. */
  readonly right?: true | undefined;
  /** The text of a row's cell. Defaults to the fact itself. */
  readonly text?: (facts: Facts) => string;
  /** The style of a row's cell on a terminal, if it has one. */
  readonly format?: ((facts: Facts) => Format | undefined) | undefined;
  /** The value it sorts by. Defaults to the fact itself. */
  readonly rank?: ((facts: Facts) => Cell) | undefined;
}

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
