/**
 * Values of fields in JSON. Internal: used by the `toJSON` of views, and by the command.
 */

/**
 * The number in JSON. An integer beyond 2^53 - 1, which most readers would round, is a string of its
 * digits. NaN, the infinities and -0, which JSON lacks or writes as 0, are their names.
 */
export function jsonNumber(value: number | bigint): number | string {
  const number = Number(value);
  if (typeof value === "bigint") return Number.isSafeInteger(number) ? number : String(value);
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : String(value);
}

/** The plain value of a field in JSON. */
export function jsonValue(value: unknown): unknown {
  if (typeof value === "number" || typeof value === "bigint") return jsonNumber(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(jsonValue);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, jsonValue(part)]));
}
