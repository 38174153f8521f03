/** Reports the failure of a command: the message and the exit code. Internal: used by `cli.ts`. */

import { ShmError } from "../../ffi/shm_error.ts";
import { explained } from "./advice.ts";
import type { CommandEntry } from "./command.ts";
import { report, reportError, StandardStreamError } from "./output.ts";
import { programName } from "./program_name.ts";
import { CommandFailure, UsageError } from "./errors.ts";

/** Prints why the command of `entry` failed, if one was named, and returns the exit code. */
export async function reportFailure(
  error: unknown,
  entry: CommandEntry | undefined,
): Promise<number> {
  // The reader is gone: the command ends as if it had printed everything
  if (error instanceof Deno.errors.BrokenPipe) return 0;
  if (error instanceof UsageError) {
    reportError(error.message);
    report(`try: ${programName()} ${entry === undefined ? "" : `${entry.name} `}--help`);
    return 2;
  }
  // A refusal by the system is a mistake or a circumstance; only our own bugs show a stack
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
