/** Figures for people: three digits and a unit. */

const UNKNOWN = "-";

function digits(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.01) return value.toExponential(1);
  const text = value.toPrecision(3);
  return text.includes("e") ? String(Math.round(value)) : text;
}

/** Scales by thousands: 25300000 and "msg/s" is `25.3 M msg/s`. */
function scaled(value: number, unit: string): string {
  if (!Number.isFinite(value)) return UNKNOWN;
  for (const [factor, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    // 999.6 thousand would be written as 1000 thousand
    if (value >= factor * 0.9995) return `${digits(value / factor)} ${prefix}${unit}`;
  }
  return `${digits(value)} ${unit}`.trimEnd();
}

/** Messages a second. */
export function rateText(value: number): string {
  return scaled(value, " msg/s").replace("  ", " ");
}

/** A time of nanoseconds, in the unit it is read best in. */
export function timeText(nanoseconds: number): string {
  if (!Number.isFinite(nanoseconds)) return UNKNOWN;
  for (const [factor, unit] of [[1e9, "s"], [1e6, "ms"], [1e3, "us"]] as const) {
    if (nanoseconds >= factor * 0.9995) return `${digits(nanoseconds / factor)} ${unit}`;
  }
  return `${digits(nanoseconds)} ns`;
}

/** How many times as much. */
export function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? `${digits(ratio)}x` : UNKNOWN;
}

/** A plain number. */
export function numberText(value: number): string {
  return Number.isFinite(value) ? digits(value) : UNKNOWN;
}

/** A share as per cent. */
export function shareText(share: number): string {
  return Number.isFinite(share) ? `${digits(share * 100)}%` : UNKNOWN;
}

/** Mebibytes of memory. */
export function memoryText(bytes: number): string {
  return Number.isFinite(bytes) ? `${digits(bytes / 2 ** 20)} MiB` : UNKNOWN;
}

/** Bytes of a message: 8 B, 64 KiB, 16 MiB. */
export function sizeText(bytes: number): string {
  if (bytes >= 1 << 20) return `${bytes / (1 << 20)} MiB`;
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}
