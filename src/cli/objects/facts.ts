/** Tables of facts: for each fact of an object its value in `--json`, and its column. */

import type { Format } from "../output.ts";
import { formatSize } from "../text/size.ts";
import type { Cell, Column } from "../text/table.ts";
import { UNKNOWN } from "../text/wording.ts";

/** One fact about what a `Source` describes. The functions get the value, or all facts of the row. */
export interface Fact<Source> {
  /** The heading of its column. */
  readonly title: string;
  /** Whether the column is aligned to the right, as numbers are. */
  readonly right?: true;
  /** Its value in JSON: numbers are numbers, null is unknown or never. */
  readonly value: (source: Source) => Cell;
  /** The text of the value in a table. Defaults to the value itself. */
  readonly text?: (value: never, row: never) => string;
  /** The fact to show in a table if this one is null: the number of an owner without a name. */
  readonly or?: string;
  /** Whether it is a number of bytes: aligned to the right, and in short form. */
  readonly sized?: true;
  readonly rank?: (value: never) => Cell;
  readonly format?: (row: never) => Format | undefined;
}

type Facts<Source> = Readonly<Record<string, Fact<Source>>>;

/** The record that a table of facts makes: what `--json` prints. */
export type FactsOf<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends { value(source: never): infer Value } ? Value
    : never;
};

/** Makes a table of facts about what a `Source` describes. */
export function factTable<Source>(): <const Table extends Facts<Source>>(table: Table) => Table {
  return (table) => table;
}

export function factsOf<Source, Table extends Facts<Source>>(
  table: Table,
  source: Source,
): FactsOf<Table> {
  const values = Object.entries(table).map(([name, { value }]) => [name, value(source)]);
  return Object.fromEntries(values) as FactsOf<Table>;
}

/** Every column, one for each fact; sizes in short form, or as the number of `bytes`. */
export function columnsOf<Table extends Facts<never>>(
  table: Table,
  { bytes = false }: { readonly bytes?: boolean } = {},
): Column<FactsOf<Table>>[] {
  type Row = Readonly<Record<string, Cell>>;
  const columns = Object.entries<Fact<never>>(table).map(([name, fact]): Column<Row> => {
    const text = fact.text as ((value: Cell, row: Row) => string) | undefined;
    const rank = fact.rank as ((value: Cell) => Cell) | undefined;
    const shown = (row: Row): string => {
      const value = row[name] ?? (fact.or === undefined ? null : row[fact.or]!);
      if (text !== undefined) return text(value, row);
      if (value === null) return UNKNOWN;
      return fact.sized && !bytes ? formatSize(value as number) : String(value) || UNKNOWN;
    };
    return {
      name,
      title: fact.title,
      right: fact.right ?? fact.sized,
      text: shown,
      rank: rank && ((row) => rank(row[name]!)),
      format: fact.format as Column<Row>["format"],
    };
  });
  return columns as Column<FactsOf<Table>>[];
}

/** The `columns` with these `names`, shortened by `short`; columns that a user chooses are not. */
export function defaultColumns<Row>(
  columns: readonly Column<Row>[],
  names: readonly (string & keyof Row)[],
  short: Readonly<Record<string, (row: Row) => string>>,
): Column<Row>[] {
  return names.map((name): Column<Row> => {
    const column = columns.find((each) => each.name === name)!;
    const text = short[name];
    return text === undefined ? column : { ...column, text };
  });
}
