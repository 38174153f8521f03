/** Numbers and accounts in words, the same in all commands. Internal: used by the commands. */

import { formatSize } from "./size.ts";

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
