/** `cli.ts rm`: marks segments for removal, or removes semaphore sets. */

import { command } from "../command.ts";
import { tellOutcomes } from "../objects/named_objects.ts";
import { SEGMENTS, SEMAPHORE_SETS } from "../objects/removable.ts";
import { REMOVAL_OPTIONS, remove } from "../objects/removal.ts";
import { ORPHANS_HELP } from "../objects/selection.ts";
import { TARGET_HELP } from "../objects/target.ts";

const help = (options: string): string =>
  `Mark segments for removal: those named, or all that the options choose.

Usage: cli.ts rm [options] KEY|ID...
       cli.ts rm [options] --mine|--orphans|--older-than AGE

A segment without attaches is removed at once. An attached one loses its key and
goes with the last detach: you are asked first, and without a terminal it is
kept. Nothing is removed before all are found and all questions answered.

${TARGET_HELP}

--mine, --orphans and --older-than choose what all given ones choose, not
together with KEY or ID. What they choose is shown with its evidence, and you
are asked once; without a terminal that needs --yes. What may be needed is asked
about one by one, unless --force is given.

${ORPHANS_HELP}
--orphans reports what it leaves alone although the creator is gone, and why;
--force removes that too. A creator in another pid namespace cannot be seen: run
this in its container or on the host, or name the segment. A segment that
\`create\` or ipcmk made and no process has used yet is an orphan. Only the owner,
the creator and root may remove one: \`rm --mine --orphans\`.

--semaphores removes semaphore sets, at once. You are asked first if a process
waits on one, the last user is alive, or the segment with its key is attached.

Options:
${options}

JSON: id, key (null if unknown), keyHex, removed, nattch (attaches that are
left; null if unknown), error (or null).

Exit codes: 0 all are removed, or kept by your answer; 1 one was not there or
could not be removed, the rest were; 2 wrong usage, nothing removed.

Examples:
  deno run --allow-ffi cli.ts rm 1111 0xcafe id:5
  deno run --allow-ffi cli.ts rm --mine --orphans --older-than 2h --dry-run
  deno run --allow-ffi cli.ts rm --mine --orphans --older-than 2h --yes
  deno run --allow-ffi cli.ts rm --semaphores 1111
`;

export const rmCommand = command({
  options: {
    ...REMOVAL_OPTIONS,
    semaphores: { short: "s", help: "semaphore sets in place of segments" },
  },
  completes: "segments",
  help,
  async run(parsed): Promise<number> {
    const outcomes = parsed.options.semaphores === true
      ? remove(SEMAPHORE_SETS, parsed)
      : remove(SEGMENTS, parsed);
    return await tellOutcomes(outcomes, parsed.options.json === true);
  },
});
