/** Asks the user at the terminal a yes-or-no question. Internal: used by the commands. */

import { report, reportRaw, StandardStreamError } from "../output.ts";
import { CommandFailure } from "../errors.ts";

const ANSWER_BYTES = 1024;
const NEWLINE = 0x0a;

/**
 * Asks on standard error and reads a line of standard input; only `y` or `yes` means yes. Both must be
 * terminals.
 *
 * @throws {CommandFailure} one of them is not a terminal; `otherwise` is the advice for that case
 * @throws {StandardStreamError} the terminal is gone
 */
export function confirm(question: string, otherwise: string): boolean {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) {
    throw new CommandFailure(`${question} There is no terminal to ask on: ${otherwise}`);
  }
  reportRaw(`${question} [y/N] `);
  const answer = readAnswer();
  // Ctrl-D leaves the cursor after the question
  if (answer === undefined) report("");
  return answer === "y" || answer === "yes";
}

/** The typed line, or `undefined` if its end never came. A long line is read to its end. */
function readAnswer(): string | undefined {
  const bytes = new Uint8Array(ANSWER_BYTES);
  let answer = "";
  for (;;) {
    const count = read(bytes);
    if (count === null) return undefined;
    answer += new TextDecoder().decode(bytes.subarray(0, count));
    if (bytes[count - 1] === NEWLINE) return answer.trim().toLowerCase();
  }
}

function read(bytes: Uint8Array): number | null {
  try {
    return Deno.stdin.readSync(bytes);
  } catch (error) {
    report("");
    throw new StandardStreamError("read the answer", error);
  }
}
