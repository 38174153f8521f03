/**
 * The options that give a struct in C: as text or as a header, which of its structs, and macros. Used by
 * `dump`, `watch` and `struct`.
 */

import { errnoName } from "../../../ffi/errno.ts";
import { readFileStart } from "../../../ffi/files.ts";
import type { ParsedStruct, ParseOptions } from "../../cparse/parse_struct.ts";
import type { Fields, StructLayout } from "../../layout/layout.ts";
import { isMessageLayout } from "../../layout/message_text.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { type OptionTable, type Parsed, valueOf } from "../usage.ts";

/** What the text does not say itself. */
export const MACRO_OPTIONS = {
  define: { value: "NAME=VALUE", multiple: true, help: "a macro for the C text; may repeat" },
  undefine: { value: "NAME", multiple: true, help: "no macro of this name; may repeat" },
} as const satisfies OptionTable;

/** Beside `--struct`, whose help differs between the commands. */
export const STRUCT_OPTIONS = {
  "struct-file": { value: "FILE", help: "as --struct, from a C header" },
  "struct-name": { value: "NAME", help: "the struct with this tag or typedef" },
  ...MACRO_OPTIONS,
} as const satisfies OptionTable;

/** The longest file: parseStruct takes no longer text. */
export const LONGEST_FILE = 2 ** 24;

/** The layout that the options give, if there is one. The parser is loaded only for that. */
export async function structOf(
  { options, repeated }: Parsed<"struct" | keyof typeof STRUCT_OPTIONS>,
): Promise<ParsedStruct | undefined> {
  const { struct, "struct-file": file, "struct-name": name } = options;
  if (struct === undefined && file === undefined) {
    for (const option of ["struct-name", "define", "undefine"] as const) {
      if (options[option] !== undefined) {
        throw new UsageError(`option --${option} needs --struct or --struct-file`);
      }
    }
    return undefined;
  }
  if (struct !== undefined && file !== undefined) {
    throw new UsageError("give --struct or --struct-file, not both");
  }
  const chosen = parseOptions(name, repeated);
  const text = typeof file === "string"
    ? textOf(readHeader(file), `option --struct-file: ${file}`)
    : struct;
  const { parseStruct } = await import("../../cparse/parse_struct.ts");
  return valueOf(
    file === undefined ? "struct" : "struct-file",
    text,
    (each) => parseStruct(each, chosen),
  );
}

/** The layout of messages that the options give, if there is one: a struct of one length. */
export async function messageStructOf(
  parsed: Parameters<typeof structOf>[0],
): Promise<StructLayout<Fields> | undefined> {
  const layout = await structOf(parsed);
  if (layout === undefined || isMessageLayout(layout)) {
    return layout as StructLayout<Fields> | undefined;
  }
  throw new UsageError(
    "option --struct: not a union, and without a flexible array: it has one length",
  );
}

/** The options of the parser. As the option -D of compilers: without a value a macro is 1. */
export function parseOptions(
  name: string | true | undefined,
  { define: defined = [], undefine: undefined_ = [] }: Parsed<
    keyof typeof MACRO_OPTIONS
  >["repeated"],
): ParseOptions {
  const pairs = defined.map((each): [string, string | boolean] => {
    const [name = "", ...value] = each.split("=");
    return [nameOf("define", name), value.length === 0 ? true : value.join("=")];
  });
  const without = undefined_.map((name): [string, boolean] => [nameOf("undefine", name), false]);
  const define = Object.fromEntries([...pairs, ...without]);
  return { ...(typeof name === "string" ? { name } : {}), define };
}

function nameOf(option: string, name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name;
  throw new UsageError(`option --${option}: ${JSON.stringify(name)} is not a C name`);
}

/** The bytes of a header, but at most one more than the longest has. */
export function readHeader(path: string): Uint8Array {
  const bytes = readFileStart(path, LONGEST_FILE + 1);
  if (typeof bytes === "number") {
    throw new CommandFailure(`cannot read ${path}: ${errnoName(-bytes)}`);
  }
  return bytes;
}

/** The text of a header. `what` is what an error calls it. */
export function textOf(bytes: Uint8Array, what: string): string {
  if (bytes.length > LONGEST_FILE) {
    throw new UsageError(`${what} is longer than ${LONGEST_FILE} bytes`);
  }
  return new TextDecoder().decode(bytes);
}
