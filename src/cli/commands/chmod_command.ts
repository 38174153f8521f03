/** `cli.ts chmod`: changes who may read and write segments. */

import { formatMode } from "../../sysv/object_stat.ts";
import { UsageError } from "../errors.ts";
import { changeCommand } from "../objects/segment_change.ts";
import { type ModeChange, parseMode } from "../text/mode.ts";

export const chmodCommand = changeCommand({
  name: "mode",
  missing: "mode, for example 640 or g+w",
  about: `Change who may read and write segments.

Usage: cli.ts chmod MODE KEY|ID...

MODE is octal, or as chmod(1) takes it: classes u, g, o and a (the owner, the
group, the others, all), one of + - =, and r, w, x or a class to copy. Without a
class all are meant, whatever the umask. Execute is for attaching with SHM_EXEC.
It counts for the next attach; a process that is attached stays so. Only the
owner, the creator and root may change it.`,
  json: "mode (a number: 384 is 0600) and perms (text)",
  examples: `  deno run --allow-ffi cli.ts chmod 660 1111
  deno run --allow-ffi cli.ts chmod g=u,o= 0xcafe id:5`,
  read: (text) => {
    const change = modeArgument(text);
    return ({ mode }) => ({ mode: change(mode) });
  },
  facts: ({ mode }) => ({ mode, perms: formatMode(mode) }),
  text: ({ perms }) => perms,
});

function modeArgument(text: string): ModeChange {
  try {
    return parseMode(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message);
  }
}
