/**
 * Copies between memory and plain values. Internal: used by `struct`, and by the views when a whole array
 * or nested struct is assigned, printed or converted to JSON.
 *
 * `load` and `store` go through a private copy of the bytes. In `load`, no peer can change the bytes while
 * they are decoded. In `store`, a refused value leaves the memory unchanged, even if reading the value
 * runs code of the caller.
 */

import { readText, writeText } from "./c_string.ts";
import type { AnyStructLayout, Layout, Member } from "./layout.ts";
import { gone, mistyped, outOfRange } from "./refusal.ts";

/** How many elements of an array `console.log` prints. */
const PRINTED = 100;

/** The largest length of a JavaScript array. */
const LONGEST_ARRAY = 2 ** 32 - 1;

function bytesOf(data: DataView, at: number, size: number): Uint8Array {
  try {
    return new Uint8Array(data.buffer, data.byteOffset + at, size);
  } catch {
    throw gone();
  }
}

/** Decodes a value. `limit` bounds the elements read from each array; the others are holes. */
function decode(layout: Layout, data: DataView, at: number, limit = Infinity): unknown {
  switch (layout.kind) {
    case "scalar":
    case "bits":
      return layout.get(data, at);
    case "flexible":
      return undefined;
    case "cString":
      return readText(data, at, layout.size);
    case "array": {
      const { element, length } = layout;
      const count = Math.min(length, limit);
      const values: unknown[] = [];
      for (let i = 0; i < count; i++) {
        values.push(decode(element, data, at + i * element.size, limit));
      }
      if (count < length) values.length = Math.min(length, LONGEST_ARRAY);
      return values;
    }
    default: {
      const value: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(layout.fields)) {
        if (field.layout.kind === "flexible") continue;
        value[name] = decode(field.layout, data, at + field.offset, limit);
      }
      return value;
    }
  }
}

function encodeElements(
  element: Layout,
  data: DataView,
  at: number,
  values: ArrayLike<unknown>,
  length: number,
  name: string,
): void {
  for (let i = 0; i < length; i++) {
    const place = at + i * element.size;
    if (element.kind === "scalar") element.set(data, place, values[i], name, i);
    else encode(element, data, place, values[i], `${name}[${i}]`);
  }
}

function encode(layout: Layout, data: DataView, at: number, value: unknown, name: string): void {
  switch (layout.kind) {
    case "scalar":
    case "bits":
      return layout.set(data, at, value, name);
    case "cString":
      return writeText(data, at, layout.size, value, name);
    case "array": {
      const { values, length } = arrayLike(value, name);
      if (length !== layout.length) {
        throw new RangeError(`"${name}" takes ${layout.length} elements, got ${length}`);
      }
      return encodeElements(layout.element, data, at, values, length, name);
    }
    case "flexible":
      throw new TypeError(`"${name}" is a flexible array: write to it in a view`);
    default:
      return encodeRecord(layout, data, at, value, name);
  }
}

function encodeRecord(
  layout: AnyStructLayout,
  data: DataView,
  at: number,
  value: unknown,
  name: string,
): void {
  if (typeof value !== "object" || value === null) {
    throw mistyped(name === "" ? "value" : name, "an object with a value for each field", value);
  }
  const prefix = name === "" ? "" : `${name}.`;
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(layout.fields, key)) {
      throw new TypeError(`"${prefix}${key}" is not a field of this ${layout.kind}`);
    }
  }
  encodeMembers(layout, data, at, value as Record<string, unknown>, prefix);
}

/** Encodes the members. The values of anonymous members are in the same `record`. */
function encodeMembers(
  layout: AnyStructLayout,
  data: DataView,
  at: number,
  record: Record<string, unknown>,
  prefix: string,
): void {
  const all = layout.members ??
    Object.entries(layout.fields).map(([name, field]): Member => ({ name, ...field }));
  const members = layout.kind === "union" ? oneOf(all, layout, record, prefix) : all;
  for (const { name, layout: part, offset } of members) {
    if (name !== undefined) {
      if (name in record) encode(part, data, at + offset, record[name], prefix + name);
      else if (part.kind !== "flexible") throw new TypeError(`"${prefix}${name}" is missing`);
    } else if ("fields" in part) encodeMembers(part, data, at + offset, record, prefix);
  }
}

/** The one member of a union that a value has. */
function oneOf(
  members: readonly Member[],
  { fields }: AnyStructLayout,
  record: Record<string, unknown>,
  prefix: string,
): readonly Member[] {
  const names = Object.keys(fields);
  const given = members.filter(({ name, layout }) =>
    name !== undefined
      ? name in record
      : "fields" in layout && Object.keys(layout.fields).some((inner) => inner in record)
  );
  if (given.length === 1 || names.length === 0) return given;
  const got = names.filter((name) => name in record);
  throw new TypeError(
    `a value of a union has one member of ${
      names.map((name) => `"${prefix}${name}"`).join(", ")
    }, got ${got.length === 0 ? "none" : got.map((name) => `"${name}"`).join(" and ")}`,
  );
}

function arrayLike(value: unknown, name: string): {
  readonly values: ArrayLike<unknown>;
  readonly length: number;
} {
  // A string is also accepted: it is the natural value of an array of `char`.
  if (typeof value === "string") return { values: value, length: value.length };
  if (typeof value === "object" && value !== null && "length" in value) {
    const { length } = value;
    if (typeof length === "number" && Number.isSafeInteger(length) && length >= 0) {
      return { values: value as ArrayLike<unknown>, length };
    }
  }
  throw mistyped(name, "an array", value);
}

/** Returns a plain copy of the value at `at`. */
export function load(layout: Layout, data: DataView, at: number): unknown {
  return decode(layout, new DataView(bytesOf(data, at, layout.size).slice().buffer), 0);
}

/**
 * Returns the value for `console.log`. It decodes directly from the memory and only the printed elements,
 * so that printing a view of a gigabyte copies only a little.
 */
export function glimpse(layout: Layout, data: DataView): unknown {
  return decode(layout, data, 0, PRINTED);
}

/** Writes a value at `at`. It writes nothing if it throws. Errors contain `name`. */
export function store(
  layout: Layout,
  data: DataView,
  at: number,
  value: unknown,
  name: string,
): void {
  const encoded = new DataView(new ArrayBuffer(layout.size));
  encode(layout, encoded, 0, value, name);
  bytesOf(data, at, layout.size).set(new Uint8Array(encoded.buffer));
}

/** Writes elements of an array of `length` elements, starting at index `offset`, or none. */
export function storeElements(
  element: Layout,
  length: number,
  data: DataView,
  value: unknown,
  offset: number,
  name: string,
): void {
  const { values, length: count } = arrayLike(value, name);
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw outOfRange(`${name}.set`, "a non-negative integer offset", offset);
  }
  if (offset + count > length) {
    throw new RangeError(
      `"${name}" has ${length} elements, got ${count} to write from index ${offset} on`,
    );
  }
  const encoded = new DataView(new ArrayBuffer(count * element.size));
  // Errors contain the index in `value`.
  encodeElements(element, encoded, 0, values, count, name);
  bytesOf(data, offset * element.size, encoded.byteLength).set(new Uint8Array(encoded.buffer));
}
