/** What a subcommand is to `cli.ts`. */

/** A subcommand of the command line. */
export interface Command {
  /** What it is called. */
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** All of its `--help`. */
  readonly help: string;
  /** Runs it and gives the exit code: 0 done, 1 failed; 128 + n when a signal cut it short. */
  run(args: readonly string[]): Promise<number>;
}
