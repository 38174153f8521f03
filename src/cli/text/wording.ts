/** Numbers, keys, accounts and times as text, the same in all commands. */

import { hexKey } from "../../sysv/key.ts";
import { formatSize } from "./size.ts";

/** The text of an unknown fact. */
export const UNKNOWN = "-";

/** `1 page`, `2 pages`; `1 process`, `2 processes`. */
export function plural(count: number | bigint, noun: string, several = `${noun}s`): string {
  return `${count} ${Number(count) === 1 ? noun : several}`;
}

const AGE_UNITS = [["d", 86400e3], ["h", 3600e3], ["min", 60e3], ["s", 1e3]] as const;

/** The age of a time in its largest unit: `3 h`. */
export function ageInWords(time: Date): string {
  const age = Math.max(0, Date.now() - time.getTime());
  const [unit, length] = AGE_UNITS.find(([, each]) => age >= each) ?? ["s", 1e3];
  return `${Math.floor(age / length)} ${unit}`;
}

/** The time of day, to the second. */
export function timeOfDay(time: Date): string {
  return time.toTimeString().slice(0, "hh:mm:ss".length);
}

/** The exact size, and from a kilobyte up also the short form: `2049 bytes (2K)`. */
export function sizeInWords(bytes: number): string {
  const exact = plural(bytes, "byte");
  return bytes < 1024 ? exact : `${exact} (${formatSize(bytes)})`;
}

/** A user or group by name and number: `root (0)`; by number alone if it has no name. */
export function accountInWords(name: string | null, id: number): string {
  return name === null ? String(id) : `${name} (${id})`;
}

const THOUSANDS = ["", "k", "M", "G", "T"] as const;

/** A rate per second in at most four characters: `0`, `7.5`, `950`, `1.2k`, `31M`. */
export function formatRate(perSecond: number): string {
  let value = perSecond;
  let power = 0;
  while (Math.round(value) >= 1000 && power < THOUSANDS.length - 1) {
    value /= 1000;
    power++;
  }
  const short = Math.round(value * 10) / 10;
  return `${short < 10 ? short : Math.round(value)}${THOUSANDS[power]}`;
}

export { hexKey };

/** A process in another pid namespace: the kernel returns 0 as its id. */
export const UNSEEN = "unknown (of another pid namespace)";

/** A process that has a part in an object, if there is one. */
export function pidText(pid: number | undefined): string {
  return pid === undefined ? "none" : `pid ${pid === 0 ? UNSEEN : pid}`;
}

/** A fact that is true or not, in a table. */
export function yesNo(is: boolean): string {
  return is ? "yes" : "no";
}

/** A key in the text of results. */
export function keyText(key: number): string {
  return key === 0 ? "no key" : `key ${hexKey(key)}`;
}

/** A time in JSON: ISO 8601 in UTC, or null if it is unknown or never was. */
export function isoTime(time: Date | null): string | null {
  return time === null ? null : time.toISOString();
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
