/**
 * All that can be told of a segment, as every command tells it: the record that `--json` prints, of
 * which names and meaning are the stable contract, and how people read parts of it.
 */

import { accountName, processExists } from "../../../ffi/libc.ts";
import type { SegmentStat } from "../../sysv/segment_stat.ts";
import { formatMode, type ObjectStat } from "../../sysv/object_stat.ts";
import { type Attacher, attachers, type Residence, residences } from "./processes.ts";
import { UNKNOWN } from "../text/table.ts";

/** What `--json` says of every object. Numbers are numbers, null is unknown. */
export interface ObjectFacts {
  /** Signed 32-bit; 0 for a private object and for a segment marked for removal. */
  readonly key: number;
  /** The same as people write it: 8 hexadecimal digits. */
  readonly keyHex: string;
  readonly id: number;
  /** Names are null where the system knows none. */
  readonly owner: string | null;
  readonly group: string | null;
  readonly uid: number;
  readonly gid: number;
  readonly creator: string | null;
  readonly creatorGroup: string | null;
  readonly cuid: number;
  readonly cgid: number;
  /** Permission bits as a number (0o600 is 384), and as people write them. */
  readonly mode: number;
  readonly perms: string;
}

/** A segment in `--json`. Times are ISO 8601 in UTC, null is unknown or never. */
export interface SegmentFacts extends ObjectFacts {
  /** Bytes. */
  readonly size: number;
  /** Attaches there are, in all processes. */
  readonly nattch: number;
  /** What is special about it: `dest` (marked for removal), `locked`, `orphan`, with commas. */
  readonly status: string;
  readonly markedForRemoval: boolean;
  readonly locked: boolean;
  /** Nobody is attached, and the process that created it is gone. */
  readonly orphan: boolean;
  /** Last attach, last detach, creation or last change. */
  readonly atime: string | null;
  readonly dtime: string | null;
  readonly ctime: string | null;
  /** The process that created it, and the one that attached or detached last. */
  readonly cpid: number | null;
  readonly lpid: number | null;
  /** Processes that have it attached; null without -A. Of other users' only what we may see. */
  readonly pids: readonly number[] | null;
  /** Bytes in memory and swapped out; null without -A. */
  readonly resident: number | null;
  readonly swapped: number | null;
}

/** A key as tables and `ipcs` show it. */
export function hexKey(key: number): string {
  return `0x${(key >>> 0).toString(16).padStart(8, "0")}`;
}

/** Whether nobody is attached and its creator is gone; one of another pid namespace is not known so. */
export function isOrphan({ nattch, cpid }: SegmentStat): boolean {
  return nattch === 0 && cpid !== 0 && !processExists(cpid);
}

/** Account names, each asked for once. */
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

/** The facts that segments and semaphore sets have in common. */
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

/** Gathers the facts of segments; what costs much is asked for once, at the first. */
export class FactsReader {
  readonly #names = new AccountNames();
  readonly #attachers: ReadonlyMap<number, readonly Attacher[]> | undefined;
  readonly #residences: ReadonlyMap<number, Residence> | undefined;

  /** `extras: false` leaves out what comes from /proc. */
  constructor({ extras = true }: { readonly extras?: boolean } = {}) {
    this.#attachers = extras ? attachers() : undefined;
    this.#residences = extras ? residences() : undefined;
  }

  /** Who is attached; `undefined` without -A. */
  attachersOf(id: number): readonly Attacher[] | undefined {
    return this.#attachers === undefined ? undefined : this.#attachers.get(id) ?? [];
  }

  /** The facts of one segment. */
  facts(stat: SegmentStat): SegmentFacts {
    const residence = this.#residences?.get(stat.id);
    const { markedForRemoval, locked } = stat;
    const orphan = isOrphan(stat);
    return {
      ...objectFacts(stat, this.#names),
      size: stat.size,
      nattch: stat.nattch,
      status: statusOf({ markedForRemoval, locked, orphan }),
      markedForRemoval,
      locked,
      orphan,
      atime: stat.atime?.toISOString() ?? null,
      dtime: stat.dtime?.toISOString() ?? null,
      ctime: stat.ctime?.toISOString() ?? null,
      cpid: stat.cpid === 0 ? null : stat.cpid,
      lpid: stat.lpid === 0 ? null : stat.lpid,
      pids: this.attachersOf(stat.id)?.map(({ pid }) => pid) ?? null,
      resident: residence?.resident ?? null,
      swapped: residence?.swapped ?? null,
    };
  }
}

/** What is special about a segment, in single words. */
export function statusOf(
  facts: Pick<SegmentFacts, "markedForRemoval" | "locked" | "orphan">,
): string {
  const words = [
    facts.markedForRemoval ? "dest" : "",
    facts.locked ? "locked" : "",
    facts.orphan ? "orphan" : "",
  ];
  return words.filter((word) => word !== "").join(",");
}

/** A time in the reader's own zone: `2026-11-23 17:23:26`, or without the seconds. */
export function localTime(iso: string | null, seconds = true): string {
  if (iso === null) return UNKNOWN;
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return `${day} ${time.map(two).join(":")}`;
}

const HALF_A_YEAR_MS = 183 * 24 * 3600e3;

/** A time in 11 characters, as `ls --time-style=iso`: `11-23 17:23`, or `2025-11-23` when long past. */
export function shortTime(iso: string | null, now = Date.now()): string {
  const [day = "", time = ""] = localTime(iso, false).split(" ");
  const past = iso !== null && Math.abs(now - Date.parse(iso)) > HALF_A_YEAR_MS;
  return past || time === "" ? day : `${day.slice(-"MM-DD".length)} ${time}`;
}

/** A user or group by name, or by number where it has no name. */
export function accountText(name: string | null, id: number): string {
  return name ?? String(id);
}
