/** What a subcommand is to the rest of the command, and how it says that it failed. */

import type { OptionTable } from "./usage.ts";

/** What is known of a subcommand before it is loaded. */
export interface CommandEntry {
  /** What it is called. */
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Loads it, and what it needs of the library. */
  load(): Promise<Command>;
}

/** A subcommand of the command line. */
export interface Command {
  /** Its options, by which the command line is read. */
  readonly options: OptionTable;
  /** What its first argument is one of, if it does several things. */
  readonly verbs?: readonly string[];
  /** What its arguments are, behind a verb, for completion; files if not said. */
  readonly completes?: "segments" | "files" | "shells" | "nothing";
  /** All of its `--help`, which is written when it is asked for. */
  help(): string;
  /** Runs it and gives the exit code: 0 done, 1 failed; 128 + n when a signal cut it short. */
  run(args: readonly string[]): Promise<number>;
}

/** Why a command could not do what was asked, in one line; exit code 1. */
export class CommandFailure extends Error {}
