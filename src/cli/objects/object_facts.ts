/** The facts of every object, segment or semaphore set: their values in `--json`, and columns. */

import { accountName } from "../../../ffi/accounts.ts";
import { formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import { accountText, hexKey } from "../text/wording.ts";
import { type FactsOf, factTable } from "./facts.ts";

/** The value of `key`, made at the first call. */
export function cached<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  if (!map.has(key)) map.set(key, make());
  return map.get(key)!;
}

/** Account names, each looked up once. */
export class AccountNames {
  readonly #known = new Map<string, string | null>();

  name(kind: "user" | "group", id: number): string | null {
    return cached(this.#known, `${kind} ${id}`, () => accountName(kind, id) ?? null);
  }
}

/** The facts that segments and semaphore sets share. */
export const OBJECT_FACTS = factTable<
  { readonly stat: ObjectStat; readonly names: AccountNames }
>()({
  /** Signed 32-bit; 0 for a private object and for a segment marked for removal. */
  key: {
    title: "KEY",
    value: ({ stat }) => stat.key,
    text: hexKey,
    rank: (key: number) => key >>> 0,
  },
  /** The key as text: 8 hexadecimal digits. */
  keyHex: { title: "KEYHEX", value: ({ stat }) => hexKey(stat.key) },
  id: { title: "ID", right: true, value: ({ stat }) => stat.id },
  /** Names are null if the system has none. */
  owner: { title: "OWNER", value: ({ stat, names }) => names.name("user", stat.uid), or: "uid" },
  group: { title: "GROUP", value: ({ stat, names }) => names.name("group", stat.gid), or: "gid" },
  uid: { title: "UID", right: true, value: ({ stat }) => stat.uid },
  gid: { title: "GID", right: true, value: ({ stat }) => stat.gid },
  creator: {
    title: "CREATOR",
    value: ({ stat, names }) => names.name("user", stat.cuid),
    or: "cuid",
  },
  creatorGroup: {
    title: "CREATORGROUP",
    value: ({ stat, names }) => names.name("group", stat.cgid),
    or: "cgid",
  },
  cuid: { title: "CUID", right: true, value: ({ stat }) => stat.cuid },
  cgid: { title: "CGID", right: true, value: ({ stat }) => stat.cgid },
  /** Permission bits as a number (0o600 is 384), and as octal text. */
  mode: { title: "MODE", value: ({ stat }) => stat.mode, text: formatMode },
  perms: { title: "PERMS", value: ({ stat }) => formatMode(stat.mode) },
});

/** The facts of every object in `--json`. */
export type ObjectFacts = FactsOf<typeof OBJECT_FACTS>;

const MAX_NAME = 8;

/** The owner's name in eight characters, `+` in place of more, as ps(1) shows it. */
export function shortOwner({ owner, uid }: ObjectFacts): string {
  const name = accountText(owner, uid);
  return name.length <= MAX_NAME ? name : `${name.slice(0, MAX_NAME - 1)}+`;
}
