/** How a command tells that it failed: what it prints, and its exit code. For `cli.ts`. */

import { ShmError } from "../../ffi/shm_error.ts";
import { explained } from "./advice.ts";
import { type CommandEntry, CommandFailure } from "./command.ts";
import { report, reportError, StandardStreamError } from "./output.ts";
import { programName } from "./program_name.ts";
import { UsageError } from "./usage.ts";

/** Says why the command of `entry` failed, if one was named, and gives the exit code. */
export async function reportFailure(
  error: unknown,
  entry: CommandEntry | undefined,
): Promise<number> {
  // Nobody reads what a command goes on to print: it ends, as one that has printed all
  if (error instanceof Deno.errors.BrokenPipe) return 0;
  if (error instanceof UsageError) {
    reportError(error.message);
    report(`try: ${programName()} ${entry === undefined ? "" : `${entry.name} `}--help`);
    return 2;
  }
  // What the system refused is a mistake or a circumstance; only our own bugs show a stack
  if (error instanceof ShmError) {
    reportError(explained(error, (await entry?.load())?.options));
    return 1;
  }
  if (error instanceof StandardStreamError || error instanceof CommandFailure) {
    reportError(error.message);
    return 1;
  }
  throw error;
}
