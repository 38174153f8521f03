/**
 * The facts of every object, segment or semaphore set: the part of the record that `--json` prints for
 * both, and the text form of some facts. Internal: used by the commands.
 */

import { accountName } from "../../../ffi/accounts.ts";
import { formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import { UNKNOWN } from "../text/table.ts";

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

/** A key as tables and `ipcs` show it. */
export function hexKey(key: number): string {
  return `0x${(key >>> 0).toString(16).padStart(8, "0")}`;
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

/** A time in the reader's time zone: `2026-11-23 17:23:26`, or without the seconds. */
export function localTime(iso: string | null, seconds = true): string {
  if (iso === null) return UNKNOWN;
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return `${day} ${time.map(two).join(":")}`;
}

const HALF_A_YEAR_MS = 183 * 24 * 3600e3;

/** A time in 11 characters, as `ls --time-style=iso`: `11-23 17:23`, or `2025-11-23` if long ago. */
export function shortTime(iso: string | null, now = Date.now()): string {
  const [day = "", time = ""] = localTime(iso, false).split(" ");
  const past = iso !== null && Math.abs(now - Date.parse(iso)) > HALF_A_YEAR_MS;
  return past || time === "" ? day : `${day.slice(-"MM-DD".length)} ${time}`;
}

/** A user or group by name, or by number if it has no name. */
export function accountText(name: string | null, id: number): string {
  return name ?? String(id);
}
