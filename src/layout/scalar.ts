/**
 * The C scalars that have the same size on all supported platforms. Programs use them as fields
 * and elements. This folder reads and writes memory with their `get` and `set`.
 *
 * Each scalar has its own function bodies, because V8 optimises per place in the source: one body shared
 * by all would be several times slower.
 */

import type { Scalar, ScalarLayout, ScalarName } from "./layout.ts";
import { makeLayout } from "./check.ts";
import { gone, mistyped, outOfRange } from "./refusal.ts";

/** Makes the layout of a scalar. Internal, as the functions below. */
export function scalar<T extends Scalar>(
  name: ScalarName,
  cType: string,
  size: number,
  get: ScalarLayout<T>["get"],
  set: ScalarLayout["set"],
): ScalarLayout<T> {
  return makeLayout({ kind: "scalar", name, cType, size, alignment: size, get, set });
}

/** Checks the offset of a write: `DataView` would convert another type to a number and write there. */
export function place(at: unknown): number {
  if (typeof at === "number") return at;
  throw mistyped("at", "a number", at);
}

/** The error for a failed read or write at `at` of `data`. */
export function failed(data: unknown, at: unknown): Error {
  if (!(data instanceof DataView)) return mistyped("data", "a DataView", data);
  if (typeof at !== "number") return mistyped("at", "a number", at);
  try {
    return outOfRange("at", `a place within ${data.byteLength} bytes`, at);
  } catch {
    return gone();
  }
}

/** The name of a field, or of an element of it. */
export function label(name: string, index: number | undefined): string {
  return index === undefined ? name : `${name}[${index}]`;
}

/** Returns `value` if it is an integer of this range. */
export function integer(
  value: unknown,
  min: number,
  max: number,
  type: string,
  name: string,
  index: number | undefined,
): number {
  if (typeof value === "number" && value >= min && value <= max && Number.isInteger(value)) {
    return value;
  }
  const refuse = typeof value === "number" ? outOfRange : mistyped;
  throw refuse(label(name, index), `an integer from ${min} to ${max} (${type})`, value);
}

/** Returns `value` if it is a `bigint` of this range. */
export function bigInteger(
  value: unknown,
  min: bigint,
  max: bigint,
  type: string,
  name: string,
  index: number | undefined,
): bigint {
  if (typeof value === "bigint" && value >= min && value <= max) return value;
  const refuse = typeof value === "bigint" ? outOfRange : mistyped;
  throw refuse(label(name, index), `a bigint from ${min} to ${max} (${type})`, value);
}

function float(value: unknown, type: ScalarName, name: string, index: number | undefined): number {
  if (typeof value === "number") return value;
  throw mistyped(label(name, index), `a number (${type})`, value);
}

/**
 * A boolean in one byte: `true` writes 1, and any byte other than 0 reads as true. Setting another type
 * throws a `TypeError`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { bool, struct } from "@sysv/shm";
 *
 * const view = struct({ ready: bool }).view(new ArrayBuffer(1));
 * view.ready = true;
 * assert.equal(view.ready, true);
 * ```
 */
export const bool: ScalarLayout<boolean> = scalar(
  "bool",
  "bool",
  1,
  (data, at) => {
    try {
      return data.getUint8(at) !== 0;
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    if (typeof value !== "boolean") throw mistyped(label(name, index), "a boolean", value);
    try {
      data.setUint8(place(at), value ? 1 : 0);
    } catch {
      throw failed(data, at);
    }
  },
);

const ONE_BYTE_CHARACTER = "one character from U+0000 to U+00FF (char)";

/**
 * One byte as a one-character string from U+0000 to U+00FF. It does not matter whether C's `char` is
 * signed. Setting another string throws a `RangeError`, another type a `TypeError`. For text use `cString`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { char, struct } from "@sysv/shm";
 *
 * const view = struct({ grade: char }).view(new ArrayBuffer(1));
 * view.grade = "A";
 * assert.equal(view.grade, "A");
 * assert.throws(() => view.grade = "AB", RangeError);
 * ```
 */
export const char: ScalarLayout<string> = scalar(
  "char",
  "char",
  1,
  (data, at) => {
    try {
      return String.fromCharCode(data.getUint8(at));
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    if (typeof value !== "string") throw mistyped(label(name, index), ONE_BYTE_CHARACTER, value);
    const code = value.charCodeAt(0);
    if (value.length !== 1 || code > 0xff) {
      throw outOfRange(label(name, index), ONE_BYTE_CHARACTER, value);
    }
    try {
      data.setUint8(place(at), code);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * A signed 8-bit integer, -128 to 127. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 */
export const i8: ScalarLayout<number> = scalar(
  "i8",
  "int8_t",
  1,
  (data, at) => {
    try {
      return data.getInt8(at);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, -0x80, 0x7f, "i8", name, index);
    try {
      data.setInt8(place(at), checked);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * An unsigned 8-bit integer, 0 to 255. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 */
export const u8: ScalarLayout<number> = scalar(
  "u8",
  "uint8_t",
  1,
  (data, at) => {
    try {
      return data.getUint8(at);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, 0, 0xff, "u8", name, index);
    try {
      data.setUint8(place(at), checked);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * A signed 16-bit integer, -32768 to 32767. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 */
export const i16: ScalarLayout<number> = scalar(
  "i16",
  "int16_t",
  2,
  (data, at) => {
    try {
      return data.getInt16(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, -0x8000, 0x7fff, "i16", name, index);
    try {
      data.setInt16(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * An unsigned 16-bit integer, 0 to 65535. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 */
export const u16: ScalarLayout<number> = scalar(
  "u16",
  "uint16_t",
  2,
  (data, at) => {
    try {
      return data.getUint16(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, 0, 0xffff, "u16", name, index);
    try {
      data.setUint16(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * A signed 32-bit integer, -2147483648 to 2147483647. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, struct } from "@sysv/shm";
 *
 * const view = struct({ n: i32 }).view(new ArrayBuffer(4));
 * view.n = -1;
 * assert.equal(view.n, -1);
 * assert.throws(() => view.n = 2 ** 31, RangeError);
 * ```
 */
export const i32: ScalarLayout<number> = scalar(
  "i32",
  "int32_t",
  4,
  (data, at) => {
    try {
      return data.getInt32(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, -0x80000000, 0x7fffffff, "i32", name, index);
    try {
      data.setInt32(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * An unsigned 32-bit integer, 0 to 4294967295. Setting another number throws a
 * `RangeError`, another type a `TypeError`.
 */
export const u32: ScalarLayout<number> = scalar(
  "u32",
  "uint32_t",
  4,
  (data, at) => {
    try {
      return data.getUint32(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, 0, 0xffffffff, "u32", name, index);
    try {
      data.setUint32(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * A signed 64-bit integer: a `bigint` from -2^63 to 2^63-1. Setting another `bigint` throws a
 * `RangeError`, another type a `TypeError`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i64, struct } from "@sysv/shm";
 *
 * const view = struct({ n: i64 }).view(new ArrayBuffer(8));
 * view.n = -(2n ** 63n);
 * assert.equal(view.n, -(2n ** 63n));
 * assert.throws(() => view.n = 2n ** 63n, RangeError);
 * ```
 */
export const i64: ScalarLayout<bigint> = scalar(
  "i64",
  "int64_t",
  8,
  (data, at) => {
    try {
      return data.getBigInt64(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = bigInteger(
      value,
      -0x8000000000000000n,
      0x7fffffffffffffffn,
      "i64",
      name,
      index,
    );
    try {
      data.setBigInt64(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * An unsigned 64-bit integer: a `bigint` from 0 to 2^64-1. Setting another `bigint` throws a
 * `RangeError`, another type a `TypeError`.
 */
export const u64: ScalarLayout<bigint> = scalar(
  "u64",
  "uint64_t",
  8,
  (data, at) => {
    try {
      return data.getBigUint64(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = bigInteger(value, 0n, 0xffffffffffffffffn, "u64", name, index);
    try {
      data.setBigUint64(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/**
 * A 32-bit float. Any number is accepted and rounded to the nearest 32-bit float. Setting another type
 * throws a `TypeError`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f32, struct } from "@sysv/shm";
 *
 * const view = struct({ n: f32 }).view(new ArrayBuffer(4));
 * view.n = 0.5;
 * assert.equal(view.n, 0.5);
 * ```
 */
export const f32: ScalarLayout<number> = scalar(
  "f32",
  "float",
  4,
  (data, at) => {
    try {
      return data.getFloat32(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = float(value, "f32", name, index);
    try {
      data.setFloat32(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);

/** A 64-bit float. Any number is accepted. Setting another type throws a `TypeError`. */
export const f64: ScalarLayout<number> = scalar(
  "f64",
  "double",
  8,
  (data, at) => {
    try {
      return data.getFloat64(at, true);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = float(value, "f64", name, index);
    try {
      data.setFloat64(place(at), checked, true);
    } catch {
      throw failed(data, at);
    }
  },
);
