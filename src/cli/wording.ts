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
