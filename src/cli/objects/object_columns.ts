/**
 * The columns that tables of segments and of semaphore sets have in common, and how the few that are
 * shown unless others are asked for are made to fit a terminal of 80 characters together. For
 * `segment_columns.ts` and `semaphore_columns.ts`.
 */

import { accountText, type ObjectFacts } from "./object_facts.ts";
import type { Column } from "../text/table.ts";

/** Who an object belongs to and who may use it. */
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

/** How a column reads that leaves something out for the sake of the width. */
export type ShortTexts<Facts> = Readonly<Partial<Record<keyof Facts, (facts: Facts) => string>>>;

/** Those of `columns` that `names` says, shortened as `short` says: chosen by a person they show all. */
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
