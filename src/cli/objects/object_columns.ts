/**
 * The columns that tables of segments and of semaphore sets share, and the short texts with which the
 * default columns fit a terminal of 80 characters. Internal: used by `segment_columns.ts` and
 * `semaphore_columns.ts`.
 */

import type { ObjectFacts } from "./object_facts.ts";
import type { Column } from "../text/table.ts";
import { accountText } from "../text/wording.ts";

/** The columns for the key, the id, the owner and the permissions of an object. */
export const OBJECT_COLUMNS: readonly Column<ObjectFacts>[] = [
  { name: "key", title: "KEY", text: ({ keyHex }) => keyHex, rank: ({ key }) => key >>> 0 },
  { name: "keyHex", title: "KEYHEX" },
  { name: "id", title: "ID", right: true },
  { name: "owner", title: "OWNER", text: ({ owner, uid }) => accountText(owner, uid) },
  { name: "group", title: "GROUP", text: ({ group, gid }) => accountText(group, gid) },
  { name: "uid", title: "UID", right: true },
  { name: "gid", title: "GID", right: true },
  { name: "creator", title: "CREATOR", text: ({ creator, cuid }) => accountText(creator, cuid) },
  {
    name: "creatorGroup",
    title: "CREATORGROUP",
    text: ({ creatorGroup, cgid }) => accountText(creatorGroup, cgid),
  },
  { name: "cuid", title: "CUID", right: true },
  { name: "cgid", title: "CGID", right: true },
  { name: "mode", title: "MODE", text: ({ perms }) => perms },
  { name: "perms", title: "PERMS" },
];

/** The texts of columns that are shortened to save width. */
export type ShortTexts<Facts> = Readonly<Partial<Record<keyof Facts, (facts: Facts) => string>>>;

/** The `columns` with these `names`, shortened by `short`; columns that a user chooses are not. */
export function defaultColumns<Facts>(
  columns: readonly Column<Facts>[],
  names: readonly (string & keyof Facts)[],
  short: ShortTexts<Facts>,
): Column<Facts>[] {
  return names.map((name): Column<Facts> => {
    const column = columns.find((each) => each.name === name)!;
    const text = short[name];
    return text === undefined ? column : { ...column, text };
  });
}

const MAX_NAME = 8;

/** The owner's name in eight characters, `+` in place of more, as ps(1) shows it. */
export function shortOwner({ owner, uid }: ObjectFacts): string {
  const name = accountText(owner, uid);
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}+`;
}
