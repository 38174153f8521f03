/**
 * What can be completed, read from the commands themselves, in the form in which the scripts for all
 * shells need it. For `completions_command.ts` and the scripts it prints.
 */

import type { Command, CommandEntry } from "../command.ts";
import type { OptionSpec } from "../usage.ts";

/** What the value of an option, or an argument, is completed with. */
export type Completion =
  | { readonly kind: "words"; readonly words: readonly string[]; readonly list: boolean }
  | { readonly kind: "keys" | "ids" | "segments" | "files" | "nothing" };

/** One option of a command. */
export interface OptionWords {
  /** `--columns`, `-c`: as they are typed, the long form first. */
  readonly forms: readonly string[];
  readonly help: string;
  /** What its value is completed with; `undefined` if it takes none. */
  readonly value: Completion | undefined;
}

/** One command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  /** What its first argument is one of; none if it is like the others. */
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

/** A command that was loaded, with what it is called. */
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

/** A shell there is a script for. */
export type Shell = typeof SHELLS[number];

/** The shell of that name, or `undefined`. */
export function shellNamed(name: string): Shell | undefined {
  return SHELLS.find((shell) => shell === name);
}

function argumentOf(completes: Command["completes"]): Completion {
  if (completes === "shells") return { kind: "words", words: SHELLS, list: false };
  return { kind: completes ?? "files" };
}

/** By what the help calls it: a KEY is a key wherever it stands. */
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

/** A name for the functions of a script, made of the program's. */
export function functionName(program: string): string {
  return `_${program.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}

/** A text as one word of bash or zsh, in which nothing is special. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The words, as bash and zsh match them, by which a command turns to semaphore sets. */
export function semaphorePatterns(commands: readonly CommandWords[]): string {
  return commands.filter(({ semaphores }) => semaphores).flatMap(({ name, options }) =>
    options.find(({ forms }) => forms[0] === "--semaphores")!.forms
      .map((form) => shellQuote(`${name} ${form}`))
  ).join(" | ");
}
