/** What a subcommand is to `cli.ts`. */

import type { OptionTable } from "./usage.ts";

/** A subcommand of the command line. */
export interface Command {
  /** What it is called. */
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Its options, by which the command line is read. */
  readonly options: OptionTable;
  /** All of its `--help`. */
  readonly help: string;
  /** Runs it and gives the exit code: 0 done, 1 failed; 128 + n when a signal cut it short. */
  run(args: readonly string[]): Promise<number>;
}
