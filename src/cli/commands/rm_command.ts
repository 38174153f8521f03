/** `cli.ts rm`: marks segments for removal, or removes semaphore sets. */

import { command } from "../command.ts";
import { tellOutcomes } from "../objects/named_objects.ts";
import { SEGMENTS, SEMAPHORE_SETS } from "../objects/removable.ts";
import { remove } from "../objects/removal.ts";
import { ORPHANS_HELP, SELECTION_OPTIONS } from "../objects/selection.ts";
import { TARGET_HELP, TARGET_OPTIONS } from "../objects/target.ts";
import type { OptionTable } from "../usage.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  ...SELECTION_OPTIONS,
  semaphores: { short: "s", help: "semaphore sets in place of segments" },
  "dry-run": { short: "n", help: "say what would be done, and do nothing" },
  yes: { short: "y", help: "do not ask about those that the options choose" },
  force: { short: "f", help: "do not ask about anything, be it in use" },
  json: { help: "a JSON array of what became of each; the stable form" },
} as const satisfies OptionTable;

const help = (options: string): string =>
  `Mark segments for removal: those named, or all that the options choose.

Usage: cli.ts rm [options] KEY|ID...
       cli.ts rm [options] --mine|--orphans|--older-than AGE

A segment that no process is attached to goes at once. One that is attached
loses its key at once, and goes with the last detach; before that is done to it
you are asked, and where there is no terminal to ask on it is left alone.
Nothing is removed before all are found and all questions answered.

${TARGET_HELP}

Several of --mine, --orphans and --older-than choose what all of them do; they
do not go with KEY or ID. What they choose is shown, each with what is known of
it, and you are asked once; without a terminal that needs --yes. What may be
needed is asked about one by one, and only --force does without.

${ORPHANS_HELP}
--orphans says what it leaves alone although its creator is gone, and why;
--force takes that too. A creator of another pid namespace cannot be seen: run
it there, in the container or on its host, or name what is to go. A segment that
\`create\` or ipcmk made and no process has used yet is an orphan too. Only the
owner, the creator and root may remove one, so --orphans is often
--mine --orphans.

--semaphores removes semaphore sets, at once. You are asked where a process
waits on one, used it last and is alive, or has the segment with its key
attached.

Options:
${options}

JSON: id, key (null where not known), keyHex, removed, nattch (attaches it still
goes with; null if not known), error (null if none).

Exit codes: 0 all are removed, or left alone because you said so; 1 one was not
there or could not be removed, the rest were; 2 wrong usage, nothing removed.

Examples:
  deno run --allow-ffi cli.ts rm 1111 0xcafe id:5
  deno run --allow-ffi cli.ts rm --mine --orphans --older-than 2h --dry-run
  deno run --allow-ffi cli.ts rm --mine --orphans --older-than 2h --yes
  deno run --allow-ffi cli.ts rm --semaphores 1111
`;

/** The subcommand. */
export const rmCommand = command({
  options: OPTIONS,
  completes: "segments",
  help,
  async run(parsed): Promise<number> {
    const outcomes = parsed.options.semaphores === true
      ? remove(SEMAPHORE_SETS, parsed)
      : remove(SEGMENTS, parsed);
    return await tellOutcomes(outcomes, parsed.options.json === true);
  },
});
