/**
 * The facts of every object, segment or semaphore set: the part of the record that `--json` prints for
 * both, and the text form of some facts. Internal: used by the commands.
 */

import { accountName } from "../../../ffi/accounts.ts";
import { formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import { hexKey } from "../text/wording.ts";

/** The facts of every object in `--json`. Numbers are numbers; null is unknown. */
export interface ObjectFacts {
  /** Signed 32-bit; 0 for a private object and for a segment marked for removal. */
  readonly key: number;
  /** The key as text: 8 hexadecimal digits. */
  readonly keyHex: string;
  readonly id: number;
  /** Names are null if the system has none. */
  readonly owner: string | null;
  readonly group: string | null;
  readonly uid: number;
  readonly gid: number;
  readonly creator: string | null;
  readonly creatorGroup: string | null;
  readonly cuid: number;
  readonly cgid: number;
  /** Permission bits as a number (0o600 is 384), and as octal text. */
  readonly mode: number;
  readonly perms: string;
}

/** Account names, each looked up once. */
export class AccountNames {
  readonly #known = new Map<string, string | null>();

  name(kind: "user" | "group", id: number): string | null {
    const entry = `${kind} ${id}`;
    const known = this.#known.get(entry);
    if (known !== undefined) return known;
    const name = accountName(kind, id) ?? null;
    this.#known.set(entry, name);
    return name;
  }
}

/** The facts that segments and semaphore sets share. */
export function objectFacts(stat: ObjectStat, names: AccountNames): ObjectFacts {
  return {
    key: stat.key,
    keyHex: hexKey(stat.key),
    id: stat.id,
    owner: names.name("user", stat.uid),
    group: names.name("group", stat.gid),
    uid: stat.uid,
    gid: stat.gid,
    creator: names.name("user", stat.cuid),
    creatorGroup: names.name("group", stat.cgid),
    cuid: stat.cuid,
    cgid: stat.cgid,
    mode: stat.mode,
    perms: formatMode(stat.mode),
  };
}
