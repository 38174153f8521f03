/** `cli.ts chmod`: changes who may read and write segments. */

import { formatMode } from "../../sysv/object_stat.ts";
import type { Command } from "../command.ts";
import { changeSegments } from "../objects/segment_change.ts";
import { TARGET_HELP, TARGET_OPTIONS } from "../objects/target.ts";
import { optionsHelp, type OptionTable, parse } from "../usage.ts";
import { type ModeChange, parseMode } from "../text/mode.ts";
import { UsageError } from "../errors.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  json: { help: "a JSON array of what became of each; the stable form" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

const help = (): string =>
  `Change who may read and write segments.

Usage: cli.ts chmod MODE KEY|ID...

MODE is octal, or as chmod(1) takes it: classes u, g, o and a (the owner, the
group, the others, all), one of + - =, and r, w, x or a class to copy. Without a
class all are meant, whatever the umask. Execute is for attaching with SHM_EXEC.
It counts for the next attach; who is attached stays so. Only the owner, the
creator and root may change it.

${TARGET_HELP}

Options:
${optionsHelp(OPTIONS)}

JSON: id, key (null where not known), keyHex, before and after (null if there is
none), each with mode (a number: 384 is 0600) and perms (text), error (or null).

Exit codes: 0 all are changed; 1 one was not there or could not be changed, the
rest were; 2 wrong usage, nothing changed.

Examples:
  deno run --allow-ffi cli.ts chmod 660 1111
  deno run --allow-ffi cli.ts chmod g=u,o= 0xcafe id:5
`;

/** The subcommand. */
export const chmodCommand: Command = {
  options: OPTIONS,
  completes: "segments",
  help,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals: [mode, ...positionals], repeated } = parse(args, OPTIONS);
    if (mode === undefined) throw new UsageError("which mode? give one such as 640 or g+w");
    const change = modeArgument(mode);
    return await changeSegments({ positionals, repeated }, options.json === true, {
      change: (stat) => ({ mode: change(stat.mode) }),
      facts: (stat) => ({ mode: stat.mode, perms: formatMode(stat.mode) }),
      name: "mode",
      text: ({ perms }) => perms,
    });
  },
};

function modeArgument(text: string): ModeChange {
  try {
    return parseMode(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message);
  }
}
