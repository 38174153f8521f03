/** Parses and formats sizes and offsets in bytes: `4096`, `0x1000`, `64K`, `64KiB`, `64KB`. */

/** The letters of the units in ascending order: each unit is 1024 (or 1000) times the one before. */
const UNITS = "KMGTP";

const FORM = /^(?:0x([0-9a-f]+)|([0-9]+)(?:\.([0-9]{1,9}))?(?:([KMGTP])(iB|B)?|B)?)$/i;

/**
 * A number of bytes: decimal with an optional unit, or hexadecimal without. As in ipcmk(1), K and KiB are
 * 1024 and KB is 1000; the same for M, G, T and P. A fraction must give whole bytes: `1.5K` is 1536.
 *
 * @throws {TypeError} the text has none of these forms
 * @throws {RangeError} not a whole number of bytes, or more than 2^53 - 1
 */
export function parseSize(text: string): number {
  const match = FORM.exec(text);
  const [, hex, whole, fraction = "", unit, suffix = ""] = match ?? [];
  if (match === null || (fraction !== "" && unit === undefined)) {
    throw new TypeError(`"${text}" is not a size such as 4096, 0x1000, 64K, 64KiB, 64KB or 1.5M`);
  }
  const base = /^b$/i.test(suffix) ? 1000n : 1024n;
  const factor = unit === undefined ? 1n : base ** BigInt(UNITS.indexOf(unit.toUpperCase()) + 1);
  const digits = hex === undefined ? BigInt(whole! + fraction) : BigInt(`0x${hex}`);
  const scaled = digits * factor;
  const divisor = 10n ** BigInt(fraction.length);
  if (scaled % divisor !== 0n) throw new RangeError(`${text} is not a whole number of bytes`);
  const bytes = scaled / divisor;
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`${text} is more than 2^53 - 1 bytes`);
  }
  return Number(bytes);
}

/** A size for people, in at most five characters up to petabytes: `512`, `4K`, `1.5M`, `>999P`. */
export function formatSize(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = "";
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  if (value >= 1000 && unit === UNITS.at(-1)) return `>999${unit}`;
  if (unit === "") return String(Math.round(value));
  const short = value < 10 ? Math.round(value * 10) / 10 : Math.round(value);
  return `${short}${unit}`;
}
