/** Numbers and accounts in words, as several commands write them. For the commands of this folder. */

import { formatSize } from "./size.ts";

/** `1 page`, `2 pages`. */
export function plural(count: number | bigint, noun: string): string {
  return `${count} ${noun}${Number(count) === 1 ? "" : "s"}`;
}

/** A size exactly, and from a kilobyte up as people read it too: `2049 bytes (2K)`. */
export function sizeInWords(bytes: number): string {
  const exact = plural(bytes, "byte");
  return bytes < 1024 ? exact : `${exact} (${formatSize(bytes)})`;
}

/** A user or group by name and number: `root (0)`; by number where it has no name. */
export function accountInWords(name: string | null, id: number): string {
  return name === null ? String(id) : `${name} (${id})`;
}

const THOUSANDS = ["", "k", "M", "G", "T"] as const;

/** How often in a second, in at most four characters: `0`, `7.5`, `950`, `1.2k`, `31M`. */
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
