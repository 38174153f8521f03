/** Asking the person at the terminal yes or no. For the commands of this folder. */

import { CommandFailure } from "./command.ts";
import { report, reportRaw } from "./output.ts";

const MAX_ANSWER_BYTES = 1024;

/**
 * Asks on standard error and reads a line of standard input; only `y` or `yes` is yes. A person must
 * be at both.
 *
 * @throws {CommandFailure} nobody is there; `otherwise` says what to do then
 */
export function confirm(question: string, otherwise: string): boolean {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) {
    throw new CommandFailure(`${question} There is no terminal to ask on: ${otherwise}`);
  }
  reportRaw(`${question} [y/N] `);
  const bytes = new Uint8Array(MAX_ANSWER_BYTES);
  const count = Deno.stdin.readSync(bytes);
  // Ctrl-D leaves the cursor behind the question
  if (count === null) report("");
  const answer = new TextDecoder().decode(bytes.subarray(0, count ?? 0)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}
