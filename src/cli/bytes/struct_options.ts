/**
 * The options that give a struct in C: as text or as a header, which of its structs, and macros. Used by
 * `dump` and `watch`.
 */

import { errnoName } from "../../../ffi/errno.ts";
import { readFileStart } from "../../../ffi/files.ts";
import { type ParsedStruct, type ParseOptions, parseStruct } from "../../cparse/parse_struct.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { type OptionTable, type Parsed, valueOf } from "../usage.ts";

/** Beside `--struct`, whose help differs between the commands. */
export const STRUCT_OPTIONS = {
  "struct-file": { value: "FILE", help: "as --struct, from a C header" },
  "struct-name": { value: "NAME", help: "the struct with this tag or typedef" },
  define: { value: "NAME=VALUE", multiple: true, help: "a macro for the C text; may repeat" },
  undefine: { value: "NAME", multiple: true, help: "no macro of this name; may repeat" },
} as const satisfies OptionTable;

/** The longest file: parseStruct takes no longer text. */
const LONGEST_FILE = 2 ** 24;

/** The layout that the options give, if there is one. */
export function structOf(
  { options, repeated }: Parsed<"struct" | keyof typeof STRUCT_OPTIONS>,
): ParsedStruct | undefined {
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
  const chosen: ParseOptions = {
    ...(typeof name === "string" ? { name } : {}),
    define: definesOf(repeated.define ?? [], repeated.undefine ?? []),
  };
  const text = typeof file === "string" ? readText(file) : struct;
  return valueOf(
    file === undefined ? "struct" : "struct-file",
    text,
    (each) => parseStruct(each, chosen),
  );
}

/** As the option -D of compilers: without a value a macro is 1. */
function definesOf(
  defined: readonly string[],
  undefined_: readonly string[],
): Record<string, string | boolean> {
  const pairs = defined.map((each): [string, string | boolean] => {
    const [name = "", ...value] = each.split("=");
    return [nameOf("define", name), value.length === 0 ? true : value.join("=")];
  });
  const without = undefined_.map((name): [string, boolean] => [nameOf("undefine", name), false]);
  return Object.fromEntries([...pairs, ...without]);
}

function nameOf(option: string, name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name;
  throw new UsageError(`option --${option}: ${JSON.stringify(name)} is not a C name`);
}

function readText(path: string): string {
  const bytes = readFileStart(path, LONGEST_FILE + 1);
  if (typeof bytes === "number") {
    throw new CommandFailure(`cannot read ${path}: ${errnoName(-bytes)}`);
  }
  if (bytes.length > LONGEST_FILE) {
    throw new UsageError(`option --struct-file: ${path} is longer than ${LONGEST_FILE} bytes`);
  }
  return new TextDecoder().decode(bytes);
}
