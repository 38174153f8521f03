/** `cli.ts dump`: bytes of a segment as hex and text, and as the fields of a C struct. */

import type { AnyStructLayout } from "../../layout/layout.ts";
import { Segment } from "../../sysv/segment.ts";
import {
  type ByteRange,
  LENGTH_OPTION,
  OFFSET_OPTION,
  pieces,
  rangeIn,
  rangeWanted,
  READING_HELP,
} from "../bytes/byte_range.ts";
import { confirmMemory } from "../objects/missing_memory.ts";
import { command } from "../command.ts";
import { paint, printableJson, printLine, printRaw } from "../output.ts";
import {
  colourOf,
  countFields,
  fieldMark,
  type FieldRow,
  fieldRows,
} from "../bytes/struct_fields.ts";
import { STRUCT_OPTIONS, structOf } from "../bytes/struct_options.ts";
import { type Column, tableLines } from "../text/table.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { countOption, type OptionTable, type Parsed } from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { hexKey, plural } from "../text/wording.ts";
import { hexLines, hexOffset } from "../bytes/hex.ts";

const OPTIONS = {
  ...OFFSET_OPTION,
  ...LENGTH_OPTION,
  "no-squeezing": { short: "v", help: "print equal lines, in place of one *" },
  struct: { value: "DECL", help: "show the fields of a struct declared in C" },
  ...STRUCT_OPTIONS,
  count: { value: "N", help: "with --struct: N of them, one after the other" },
  force: { short: "f", help: "do not ask, whatever memory it takes" },
  full: { help: "with --struct: all of long strings and arrays" },
  json: { help: "one JSON object; the stable form" },
  ...TARGET_OPTIONS,
} as const satisfies OptionTable;

/** The most fields that are shown, and the most bytes of a struct, which is decoded in memory. */
const LIMITS = { fields: 65536, bytes: 16 * 2 ** 20 } as const;

const help = (options: string): string =>
  `Show bytes of a segment as hex and text, exactly as hexdump -C prints them.

Usage: cli.ts dump KEY|id:ID [options]

${TARGET_HELP}

${READING_HELP}

Options:
${options}

DECL is a list of fields in C, such as 'bool can_read; char msg[2048]', or whole
structs, of which the last is shown. FILE is a header in C of at most 16 MiB.
--struct-name chooses a struct; then the rest of the text does not matter unless
that struct needs it. Where the text depends on a macro that it does not define,
--define says its value, and --undefine that there is none. Sizes and offsets
are those of gcc on 64-bit Linux. The fields have the offsets of the dump, and
on a terminal the same colours. At most 65536 fields and 16 MiB: see --count and
--offset.

--json: key, keyHex, id, size; offset and length of what is shown; bytes in hex;
with --struct, fields: path, offset (from the start of the segment), size, type,
value, arrays and strings whole. An integer beyond 2^53 - 1 is a string of its
digits; NaN, Infinity, -Infinity and -0 are strings. A bool byte other than 0
and 1 is its number. A char is one character, U+0000 to U+00FF; in a char[],
bytes that are not UTF-8 are U+FFFD.

Exit codes: 0 shown; 1 no such segment, not permitted, or out of range; 2 wrong
usage, also a DECL that cannot be read.

Examples:
  deno run --allow-ffi cli.ts dump 0xcafe --offset 0x10 --length 64
  deno run --allow-ffi cli.ts dump 1111 --struct 'bool can_read; char msg[2048]'
  deno run --allow-ffi cli.ts dump id:5 --struct-file point.h --count 3
`;

interface Records {
  readonly layout: AnyStructLayout;
  readonly count: number;
  readonly full: boolean;
}

type CommandLine = Parsed<keyof typeof OPTIONS>;

export const dumpCommand = command({
  options: OPTIONS,
  completes: "segments",
  help,
  async run(parsed): Promise<void> {
    const { options } = parsed;
    const wanted = rangeWanted(options);
    const records = await recordsOf(parsed);
    const { id, key } = findSegment(targetOf(parsed));
    using segment = Segment.attach(id, { readOnly: true, trust: true });
    const range = records === undefined
      ? rangeIn(segment, wanted)
      : recordsIn(segment, wanted.offset, records);
    if (options.force !== true) confirmMemory(segment, range);
    // Fields and bytes come from one copy, so that they cannot contradict each other
    const copy = records && segment.read(range.offset, range.length);
    const rows = records && copy && rowsOf(copy, range.offset, records);
    const bytes = copy === undefined ? pieces(segment, range) : [copy];
    if (options.json === true) {
      await printRecord(
        { key, keyHex: hexKey(key), id, size: segment.size, ...range },
        bytes,
        rows,
      );
    } else {
      if (rows !== undefined) await printFields(rows);
      await printLines(hexLines(bytes, {
        base: range.offset,
        repeat: options["no-squeezing"] === true,
        mark: rows && fieldMark(rows),
      }));
    }
  },
});

async function recordsOf(parsed: CommandLine): Promise<Records | undefined> {
  const { options } = parsed;
  const layout = await structOf(parsed);
  if (layout === undefined) {
    for (const name of ["count", "full"] as const) {
      if (options[name] !== undefined) throw new UsageError(`option --${name} needs --struct`);
    }
    return undefined;
  }
  if (options.length !== undefined) {
    throw new UsageError("--struct says how long it is: use --count, not --length");
  }
  const count = countOption("count", options.count) ?? 1;
  // JSON leaves nothing out
  const full = options.full === true || options.json === true;
  const perRecord = countFields(layout, { full }, LIMITS.fields);
  if (layout.size * count > LIMITS.bytes || perRecord * count > LIMITS.fields) {
    throw new UsageError(
      `the fields of --struct are more than ${LIMITS.fields}, or make up more than ` +
        `${LIMITS.bytes / 2 ** 20} MiB: too much at a time`,
    );
  }
  return { layout, count, full };
}

/** The range of the records, if the segment holds all of them. */
function recordsIn(segment: Segment, offset: number, { layout, count }: Records): ByteRange {
  const length = layout.size * count;
  const range = rangeIn(segment, { offset, length: undefined });
  if (length <= range.length) return { offset, length };
  throw new CommandFailure(
    `the struct has ${plural(layout.size, "byte")}${
      count === 1 ? "" : `, ${count} of them ${length}`
    }, ` +
      `and from offset ${offset} segment ${segment.id} has ${range.length}`,
  );
}

function rowsOf(copy: Uint8Array, base: number, { layout, count, full }: Records): FieldRow[] {
  const record = (index: number): FieldRow[] => {
    const at = index * layout.size;
    const prefix = count === 1 ? "" : `[${index}].`;
    return fieldRows(layout, copy.subarray(at), { base: base + at, prefix, full });
  };
  return Array.from({ length: count }, (_, index) => record(index)).flat();
}

/** Offsets as in the lines of the dump, so that a field can be found there without colours. */
const FIELD_COLUMNS: readonly Column<FieldRow>[] = [
  { name: "offset", title: "OFFSET", text: ({ offset }) => hexOffset(offset) },
  { name: "size", title: "SIZE", right: true },
  { name: "type", title: "TYPE" },
  { name: "path", title: "NAME" },
  { name: "text", title: "VALUE" },
];

async function printFields(rows: readonly FieldRow[]): Promise<void> {
  const [heading = "", ...lines] = tableLines(FIELD_COLUMNS, rows);
  await printLines([heading, ...lines.map((line, index) => paint(colourOf(index), line)), ""]);
}

/** How many lines are written at once. */
const BATCH_LINES = 1024;

async function printLines(lines: Iterable<string>): Promise<void> {
  let batch: string[] = [];
  for (const line of lines) {
    batch.push(line);
    if (batch.length < BATCH_LINES) continue;
    await printLine(batch.join("\n"));
    batch = [];
  }
  if (batch.length > 0) await printLine(batch.join("\n"));
}

/** Prints the object in pieces: the bytes of a large segment do not fit into one string. */
async function printRecord(
  head: Readonly<Record<string, number | string>>,
  bytes: Iterable<Uint8Array>,
  rows: readonly FieldRow[] | undefined,
): Promise<void> {
  const members = Object.entries(head).map(([name, value]) =>
    `  "${name}": ${JSON.stringify(value)}`
  );
  await printRaw(`{\n${members.join(",\n")},\n  "bytes": "`);
  for (const piece of bytes) await printRaw(piece.toHex());
  await printRaw('"');
  if (rows !== undefined) {
    await printLine(',\n  "fields": [');
    await printLines(rows.map(({ path, offset, size, type, value }, index) => {
      const comma = index < rows.length - 1 ? "," : "";
      return `    ${printableJson(JSON.stringify({ path, offset, size, type, value }))}${comma}`;
    }));
    await printRaw("  ]");
  }
  await printLine("\n}");
}
