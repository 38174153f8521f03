/** The interface of a subcommand, and how one is made from its options, its help and what it does. */

import { UsageError } from "./errors.ts";
import { optionsHelp, type OptionSpec, type OptionTable, parse, type Parsed } from "./usage.ts";

/** The facts about a subcommand that are known before it is loaded. */
export interface CommandEntry {
  readonly name: string;
  /** A short description of what it does. */
  readonly summary: string;
  /** Loads it, and the parts of the library that it needs. */
  load(): Promise<Command>;
}

/** A subcommand of the command line. */
export interface Command {
  /** Its options: the table by which the command line is parsed. */
  readonly options: OptionTable;
  /** The possible values of its first argument, if it has several verbs. */
  readonly verbs?: readonly string[];
  /** The kind of its arguments, after a verb, for completion. Defaults to files. */
  readonly completes?: "segments" | "files" | "nothing";
  /** Returns its `--help` text. */
  help(): string;
  /** Runs it and returns the exit code: 0 success, 1 failure, 128 + n if signal n ended it. */
  run(args: readonly string[]): Promise<number>;
}

const HELP_OPTION = { help: { short: "h", help: "show this" } } as const satisfies OptionTable;

interface CommandParts<Table extends OptionTable> extends Pick<Command, "verbs"> {
  /** Its options, without `--help`. */
  readonly options: Table;
  /** As in {@linkcode Command}. Defaults to files; with `nothing`, an argument is a mistake. */
  readonly completes?: Command["completes"];
  /** Advice for a user who gives an argument to a command that takes none. */
  readonly refusal?: string;
  /** Returns its `--help` text, given the lines about its options. That of a verb is in its command's. */
  help?(options: string): string;
  /** Runs it. Returns the exit code; none is 0. */
  run(parsed: Parsed<string & keyof Table>): Promise<number | void>;
}

/** Makes a command, whose command line is parsed before it runs. */
export function command<const Table extends OptionTable>(parts: CommandParts<Table>): Command {
  const options = { ...parts.options, ...HELP_OPTION };
  const { verbs, completes = "files", refusal } = parts;
  return {
    options,
    ...(verbs === undefined ? {} : { verbs }),
    completes,
    help: () => parts.help?.(optionsHelp(options)) ?? "",
    run: async (args) => {
      const parsed = parse(args, options);
      const extra = parsed.positionals[verbs === undefined ? 0 : 1];
      if (extra !== undefined && completes === "nothing") {
        const hint = refusal === undefined ? "" : `: ${refusal}`;
        throw new UsageError(`unexpected argument ${extra}${hint}`);
      }
      return await parts.run(parsed) ?? 0;
    },
  };
}

/** Makes a command of several verbs. `noun` is what they are about; `help` gets the lines of all options. */
export function verbCommand(
  { verbs, noun, completes = "segments", help }: {
    readonly verbs: Readonly<Record<string, Command>>;
    readonly noun: string;
    /** As in {@linkcode Command}. Defaults to segments. */
    readonly completes?: Command["completes"];
    help(options: string): string;
  },
): Command {
  const names = Object.keys(verbs);
  const options: Record<string, OptionSpec> = {};
  // An option that several verbs have has one line, that of the first
  for (const verb of Object.values(verbs)) {
    for (const [name, spec] of Object.entries(verb.options)) options[name] ??= spec;
  }
  delete options.help;
  Object.assign(options, HELP_OPTION);
  return {
    options,
    verbs: names,
    completes,
    help: () => help(optionsHelp(options)),
    async run([name, ...args]: readonly string[]): Promise<number> {
      if (name !== undefined && Object.hasOwn(verbs, name)) return await verbs[name]!.run(args);
      const problem = name === undefined ? "Missing verb" : `no ${JSON.stringify(name)} of ${noun}`;
      const all = `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
      throw new UsageError(`${problem}: ${all} comes first`);
    },
  };
}
