/** `cli.ts chown`: gives segments to another user or group. */

import { accountId, type AccountKind } from "../../../ffi/accounts.ts";
import type { Command } from "../command.ts";
import { changeSegments } from "../objects/segment_change.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { TARGET_HELP, TARGET_OPTIONS } from "../objects/target.ts";
import { optionsHelp, type OptionTable, parse } from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { accountText } from "../text/wording.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  json: { help: "a JSON array of what became of each; the stable form" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

const help = (): string =>
  `Give segments to another user or group.

Usage: cli.ts chown USER[:GROUP] KEY|ID...
       cli.ts chown :GROUP KEY|ID...

USER and GROUP are names, or numbers; +5 is a number even where a name is 5.
What is not said stays. The creator is the same for ever and keeps its rights:
it may still read, write, change and remove the segment as its owner may. Only
the owner, the creator and root may change the owner.

${TARGET_HELP}

Options:
${optionsHelp(OPTIONS)}

JSON: id, key (null where not known), keyHex, before and after (null if there is
none), each with uid, gid, owner and group (names, or null), error (or null).

Exit codes: 0 all are changed; 1 one was not there or could not be changed, or
there is no such user or group; 2 wrong usage, nothing changed.

Examples:
  deno run --allow-ffi cli.ts chown postgres 0xcafe
  deno run --allow-ffi cli.ts chown :staff 1111 id:5
`;

/** The subcommand. */
export const chownCommand: Command = {
  options: OPTIONS,
  completes: "segments",
  help,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals: [owner, ...positionals], repeated } = parse(args, OPTIONS);
    if (owner === undefined) throw new UsageError("which owner? give USER, USER:GROUP or :GROUP");
    const change = parseOwner(owner);
    const names = new AccountNames();
    return await changeSegments({ positionals, repeated }, options.json === true, {
      change: () => change,
      facts: ({ uid, gid }) => ({
        uid,
        gid,
        owner: names.name("user", uid),
        group: names.name("group", gid),
      }),
      name: "owner",
      text: ({ uid, gid, owner, group }) => `${accountText(owner, uid)}:${accountText(group, gid)}`,
    });
  },
};

/** The new owner of a segment; a missing field stays as it is. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Reads `USER`, `USER:GROUP` or `:GROUP`.
 *
 * @throws {UsageError} the text has none of these forms
 * @throws {CommandFailure} there is no such user or group
 */
export function parseOwner(text: string): Owner {
  const colon = text.indexOf(":");
  const user = colon === -1 ? text : text.slice(0, colon);
  const group = colon === -1 ? undefined : text.slice(colon + 1);
  if (group === "" || (user === "" && group === undefined)) {
    throw new UsageError(`"${text}" is no owner: write USER, USER:GROUP or :GROUP`);
  }
  return {
    ...(user === "" ? {} : { uid: account("user", user) }),
    ...(group === undefined ? {} : { gid: account("group", group) }),
  };
}

/** The largest possible id; the next, -1, means that there is none. */
const MAX_ACCOUNT_ID = 0xfffffffe;

/** The id of a name, even one of digits, or else of a number. Source: chown(1), POSIX. */
function account(kind: AccountKind, text: string): number {
  const named = accountId(kind, text);
  if (named !== undefined) return named;
  if (!/^\+?[0-9]+$/.test(text)) throw new CommandFailure(`there is no ${kind} "${text}"`);
  const id = Number(text);
  if (id > MAX_ACCOUNT_ID) throw new UsageError(`${kind} id ${text} is above ${MAX_ACCOUNT_ID}`);
  return id;
}
