/** `cli.ts chown`: gives segments to another user or group. */

import { accountId, type AccountKind } from "../../../ffi/accounts.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { changeCommand } from "../objects/segment_change.ts";
import { accountText } from "../text/wording.ts";

const names = new AccountNames();

export const chownCommand = changeCommand({
  name: "owner",
  missing: "owner: USER, USER:GROUP or :GROUP",
  about: `Give segments to another user or group.

Usage: cli.ts chown USER[:GROUP] KEY|ID...
       cli.ts chown :GROUP KEY|ID...

USER and GROUP are names, or numbers; +5 is a number even where a name is 5.
What is not given stays. The creator stays the same and keeps its rights: it may
still read, write, change and remove the segment as its owner may. Only the
owner, the creator and root may change the owner. A user or group that does not
exist is a failure, and nothing is changed.`,
  json: "uid, gid, owner and group (names, or null)",
  examples: `  deno run --allow-ffi cli.ts chown postgres 0xcafe
  deno run --allow-ffi cli.ts chown :staff 1111 id:5`,
  read: (text) => {
    const owner = parseOwner(text);
    return () => owner;
  },
  facts: ({ uid, gid }) => ({
    uid,
    gid,
    owner: names.name("user", uid),
    group: names.name("group", gid),
  }),
  text: ({ uid, gid, owner, group }) => `${accountText(owner, uid)}:${accountText(group, gid)}`,
});

/** The new owner of a segment; a missing field stays as it is. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** Reads `USER`, `USER:GROUP` or `:GROUP`; a `CommandFailure` if there is no such account. */
export function parseOwner(text: string): Owner {
  const colon = text.indexOf(":");
  const user = colon === -1 ? text : text.slice(0, colon);
  const group = colon === -1 ? undefined : text.slice(colon + 1);
  if (group === "" || (user === "" && group === undefined)) {
    throw new UsageError(`"${text}" is not an owner: write USER, USER:GROUP or :GROUP`);
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
