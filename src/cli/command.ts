/** The interface of a subcommand, and the error by which it reports that it failed. */

import type { OptionTable } from "./usage.ts";

/** The facts about a subcommand that are known before it is loaded. */
export interface CommandEntry {
  /** Its name. */
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
  readonly completes?: "segments" | "files" | "shells" | "nothing";
  /** Returns its `--help` text. */
  help(): string;
  /** Runs it and returns the exit code: 0 success, 1 failure, 128 + n if signal n ended it. */
  run(args: readonly string[]): Promise<number>;
}

/** The reason why a command failed, in one line; exit code 1. */
export class CommandFailure extends Error {}
