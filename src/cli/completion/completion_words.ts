/**
 * The words that can be completed, read from the commands themselves, in the form that the scripts for
 * all shells need. Internal: used by `completions_command.ts` and the scripts for each shell.
 */

import type { Command, CommandEntry } from "../command.ts";
import type { OptionSpec } from "../usage.ts";

/** The kind of completion of an option's value or of an argument. */
export type Completion =
  | { readonly kind: "words"; readonly words: readonly string[]; readonly list: boolean }
  | { readonly kind: "keys" | "ids" | "segments" | "files" | "nothing" };

/** One option of a command. */
export interface OptionWords {
  /** The forms as they are typed, the long one first: `--columns`, `-c`. */
  readonly forms: readonly string[];
  readonly help: string;
  /** The completion of its value; `undefined` if it takes no value. */
  readonly value: Completion | undefined;
}

/** One command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  /** The possible values of its first argument; empty if it has no verbs. */
  readonly verbs: readonly string[];
  readonly argument: Completion;
  /** Whether its option `--semaphores` makes keys and ids those of semaphore sets. */
  readonly semaphores: boolean;
}

/** The options before any command. */
export const GLOBAL_OPTIONS: readonly OptionWords[] = [
  { forms: ["--help", "-h"], help: "list the commands", value: undefined },
  { forms: ["--version", "-V"], help: "show the version", value: undefined },
];

/** A loaded command with its name. */
export type NamedCommand = Command & Omit<CommandEntry, "load">;

/** The words of all commands. */
export function commandWords(commands: readonly NamedCommand[]): CommandWords[] {
  return commands.map(({ name, summary, options, verbs = [], completes }) => ({
    name,
    summary: oneLine(summary),
    options: Object.entries(options).map(([long, spec]): OptionWords => ({
      forms: spec.short === undefined ? [`--${long}`] : [`--${long}`, `-${spec.short}`],
      help: oneLine(spec.help),
      value: valueOf(spec),
    })),
    verbs,
    argument: argumentOf(completes),
    semaphores: Object.hasOwn(options, "semaphores"),
  }));
}

const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell that has a script. */
export type Shell = typeof SHELLS[number];

/** The shell with that name, or `undefined`. */
export function shellNamed(name: string): Shell | undefined {
  return SHELLS.find((shell) => shell === name);
}

function argumentOf(completes: Command["completes"]): Completion {
  if (completes === "shells") return { kind: "words", words: SHELLS, list: false };
  return { kind: completes ?? "files" };
}

/** The completion of a value, by its name in the help: a KEY is a key in every command. */
function valueOf({ value, choices, list }: OptionSpec): Completion | undefined {
  if (value === undefined) return undefined;
  if (choices !== undefined) return { kind: "words", words: choices, list: list === true };
  if (value === "KEY") return { kind: "keys" };
  if (value === "ID") return { kind: "ids" };
  return { kind: value === "FILE" ? "files" : "nothing" };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/** A name for the functions of a script, derived from the program's name. */
export function functionName(program: string): string {
  return `_${program.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}

/** A text quoted as one word of bash or zsh. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The words, as patterns of bash and zsh, that make a command work on semaphore sets. */
export function semaphorePatterns(commands: readonly CommandWords[]): string {
  return commands.filter(({ semaphores }) => semaphores).flatMap(({ name, options }) =>
    options.find(({ forms }) => forms[0] === "--semaphores")!.forms
      .map((form) => shellQuote(`${name} ${form}`))
  ).join(" | ");
}
