/** `cli.ts struct`: prints a C struct as the TypeScript source of its layout, or as C with assertions. */

import { parseNamed } from "../../cparse/parse_struct.ts";
import { isTaken } from "../../layout/check.ts";
import { declare } from "../../layout/declare.ts";
import { typescriptSource } from "../../layout/typescript_source.ts";
import {
  LONGEST_FILE,
  MACRO_OPTIONS,
  parseOptions,
  readHeader,
  textOf,
} from "../bytes/struct_options.ts";
import { readInput } from "../bytes/whole_input.ts";
import { command } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { printRaw } from "../output.ts";

const help = (options: string): string =>
  `Print a C struct as TypeScript source, whose fields have types.

Usage: cli.ts struct FILE [options]

FILE is a header in C of at most 16 MiB; - is stdin. Its last struct is printed,
or the one that --name chooses; then the rest of the text does not matter unless
that struct needs it. Where the text depends on a macro that it does not define,
--define says its value, and --undefine that there is none. Sizes and offsets
are those of gcc on 64-bit Linux.

The source is a module that exports the struct by its name in C, and each struct
in it. One without a name is called Struct, or after the struct around it and
its field; a name that TypeScript uses gets a _ at its end. --c prints the same
layout in C, with an assertion of its size and of each offset, and the type that
messages of this struct have for peers in C; a struct of a system header is
there named after its field.

Options:
${options}

Exit codes: 0 printed; 1 the file cannot be read, or C cannot declare the struct
outside its header; 2 wrong usage, also a text that cannot be read as C.

Examples:
  deno run --allow-ffi cli.ts struct point.h > point.ts
  deno run --allow-ffi cli.ts struct job.h --name job --define NAME_SIZE=32
  echo 'int done; char name[28];' | deno run --allow-ffi cli.ts struct - --c
`;

/** The name of a struct that has none in C. */
const NAMELESS = "Struct";

export const structCommand = command({
  options: {
    name: { value: "NAME", help: "the struct with this tag or typedef" },
    ...MACRO_OPTIONS,
    c: { help: "C with assertions, in place of TypeScript" },
  },
  help,
  async run({ options, repeated, positionals: [file, extra] }): Promise<void> {
    if (file === undefined) throw new UsageError("Missing FILE: a C header, or - for stdin");
    if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
    const chosen = parseOptions(options.name, repeated);
    const bytes = file === "-"
      ? await new Blob(await readInput(LONGEST_FILE)).bytes()
      : readHeader(file);
    const what = file === "-" ? "standard input" : file;
    const { layout, names, ownNames } = attempt(
      () => parseNamed(textOf(bytes, what), chosen),
      UsageError,
      what,
    );
    const own = ownNames();
    const name = chosen.name ?? own.get(layout) ?? NAMELESS;
    await printRaw(
      options.c === true
        ? attempt(
          () => declare(layout, isTaken(name) ? `${name}_` : name, own),
          CommandFailure,
          what,
        )
        : typescriptSource(layout, names(), name),
    );
  },
});

/** What `make` returns. What the library refuses is a failure of the kind `Failure`. */
function attempt<T>(make: () => T, Failure: new (message: string) => Error, what: string): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new Failure(`${what}: ${error.message}`);
  }
}
