/** Tables: columns to choose, sort by and print. */

import assert from "node:assert/strict";
import { type Column, tableLines } from "../../../src/cli/text/table.ts";
import { parse } from "../../../src/cli/usage.ts";
import { TABLE_OPTIONS, tableSettings } from "../../../src/cli/table_options.ts";

interface Row {
  readonly name: string | null;
  readonly bytes: number | null;
  readonly busy: boolean;
  readonly pids: readonly number[] | null;
}

const NAME: Column<Row> = { name: "name", title: "WHO" };
const BYTES: Column<Row> = {
  name: "bytes",
  title: "SIZE",
  right: true,
  text: ({ bytes }) => bytes === null ? "-" : `${bytes}b`,
};
const BUSY: Column<Row> = { name: "busy", title: "BUSY" };
const PIDS: Column<Row> = { name: "pids", title: "PIDS", rank: ({ pids }) => pids };
const COLUMNS = [NAME, BYTES, BUSY, PIDS] as const;

const ann: Row = { name: "ann", bytes: 10, busy: true, pids: [7, 8] };
const bob: Row = { name: "Bob", bytes: 9, busy: false, pids: [] };
const nobody: Row = { name: null, bytes: null, busy: true, pids: null };
const cleo: Row = { name: "cleo", bytes: 9, busy: false, pids: [1, 2, 3] };
const ROWS = [ann, bob, nobody, cleo];

function settings(...args: readonly string[]): ReturnType<typeof tableSettings<Row>> {
  return tableSettings(parse(args, TABLE_OPTIONS).options, COLUMNS);
}

Deno.test("tableLines: headings, widths, numbers at the right, no space at the end", () => {
  assert.deepEqual(tableLines(COLUMNS, ROWS), [
    "WHO  SIZE BUSY  PIDS",
    "ann   10b true  7,8",
    "Bob    9b false",
    "-       - true  -",
    "cleo   9b false 1,2,3",
  ]);
  assert.deepEqual(tableLines(COLUMNS, []), ["WHO SIZE BUSY PIDS"]);
  assert.deepEqual(tableLines([PIDS, NAME], [ann]), ["PIDS WHO", "7,8  ann"]);
});

Deno.test("tableLines: no name or text controls the terminal", () => {
  const evil: Row = { ...ann, name: "a\x1b[2J\n\u202eb" };
  const shouting: Column<Row> = { ...NAME, text: ({ name }) => `${name}!` };
  assert.deepEqual(tableLines([NAME], [evil]), ["WHO", "a\\x1b[2J\\n\\u{202e}b"]);
  assert.deepEqual(tableLines([shouting], [evil]), ["WHO", "a\\x1b[2J\\n\\u{202e}b!"]);
});

Deno.test("tableLines: as many as a system can have", () => {
  const rows = Array.from({ length: 200_000 }, () => ann);
  assert.equal(tableLines([NAME], rows).length, 200_001);
});

Deno.test("tableSettings: columns by name or heading, in the order written", () => {
  for (const text of ["bytes,name", "BYTES,Name", "size,who", " size , who "]) {
    assert.deepEqual(settings("--columns", text).columns, [BYTES, NAME], text);
  }
  assert.deepEqual(settings("--columns", "name,name").columns, [NAME, NAME]);
  assert.equal(settings().columns, undefined);
});

Deno.test("tableSettings: sorts numbers by value, texts, lists by length", () => {
  const order = (...args: readonly string[]): (string | null)[] =>
    settings(...args).sorted(ROWS).map(({ name }) => name);
  assert.deepEqual(order(), ["ann", "Bob", null, "cleo"]);
  assert.deepEqual(order("--reverse"), ["cleo", null, "Bob", "ann"]);
  assert.deepEqual(order("--sort=name"), ["Bob", "ann", "cleo", null]);
  assert.deepEqual(order("--sort=bytes"), ["Bob", "cleo", "ann", null]);
  assert.deepEqual(order("--sort=busy"), ["Bob", "cleo", "ann", null]);
  assert.deepEqual(order("--sort=pids"), ["Bob", "ann", "cleo", null]);
});

Deno.test("tableSettings: unknown values are last in both orders", () => {
  const order = (...args: readonly string[]): (string | null)[] =>
    settings(...args).sorted(ROWS).map(({ name }) => name);
  assert.deepEqual(order("--sort=bytes", "-r"), ["ann", "Bob", "cleo", null]);
  assert.deepEqual(order("--sort=pids", "-r"), ["cleo", "ann", "Bob", null]);
});

Deno.test("tableSettings: sorting leaves the given rows as they are", () => {
  const rows = [ann, bob];
  settings("--sort=bytes").sorted(rows);
  settings("-r").sorted(rows);
  assert.deepEqual(rows, [ann, bob]);
});
