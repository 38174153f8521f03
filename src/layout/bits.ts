/**
 * Bit-fields: integers of any number of bits inside the bytes of a struct.
 */

import { checkLayout, makeLayout } from "./check.ts";
import type { BitsLayout, Scalar, ScalarLayout } from "./layout.ts";
import { describe, gone, mistyped } from "./refusal.ts";
import { bigInteger, integer, label } from "./scalar.ts";

/**
 * Returns the layout of a bit-field, as `type name : width` in C. Its place is that of gcc: it shares bytes
 * with the bit-fields beside it, and outside packed structs it does not cross a boundary of its type.
 *
 * A value is that of its type: a number, a `bigint` for the 64-bit types, a boolean for `bool`. Setting a
 * value that does not fit into the bits throws a `RangeError`. Setting it reads and writes back the other
 * bits of its bytes, as C does: peers must not write to them at the same time.
 *
 * @param type An integer, not big-endian, or `bool`. For a plain `char` C's compilers differ.
 * @param width 1 to the bits of the type; 0 for an `anonymous` one, which ends a unit of its type.
 * @throws {TypeError} `type` is not such a scalar, or `width` is not a number.
 * @throws {RangeError} `width` is not such an integer.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, struct, u32 } from "@sysv/shm";
 * import { bits } from "@sysv/shm/layout";
 *
 * const Flags = struct({ mode: bits(u32, 3), level: bits(i32, 5), rest: bits(u32, 24) });
 * assert.equal(Flags.size, 4);
 * const flags = Flags.view(new ArrayBuffer(4));
 * flags.level = -3;
 * assert.equal(flags.level, -3);
 * assert.throws(() => flags.mode = 8, RangeError);
 * ```
 */
export function bits<T extends Scalar>(type: ScalarLayout<T>, width: number): BitsLayout<T> {
  checkLayout(type, "bits(type, width)");
  const widest = type.name === "bool" ? 1 : type.size * 8;
  if (type.kind !== "scalar" || !/^(bool|[iu][0-9]+)$/.test(type.name)) {
    throw new TypeError("bits(type, width) takes an integer type, not big-endian, or bool");
  }
  if (!Number.isInteger(width) || width < 0 || width > widest) {
    const Refusal = typeof width === "number" ? RangeError : TypeError;
    throw new Refusal(
      `bits(type, width) takes a width from 0 to ${widest} for ${type.cType}, got ${
        describe(width)
      }`,
    );
  }
  return placedBits(type, width, 0);
}

/** Returns the bit-field whose lowest bit is bit `bitOffset` of its first byte. */
export function placedBits<T extends Scalar>(
  type: ScalarLayout<T>,
  width: number,
  bitOffset: number,
): BitsLayout<T> {
  const size = Math.ceil((bitOffset + width) / 8);
  const access = type.name.endsWith("64") ? wide : narrow;
  return makeLayout({
    kind: "bits",
    type,
    width,
    bitOffset,
    size,
    alignment: type.alignment,
    ...access(type as ScalarLayout, width, bitOffset, size) as Pick<BitsLayout<T>, "get" | "set">,
  });
}

type Access = Pick<BitsLayout, "get" | "set">;

/** A bit-field of at most 32 bits, in at most 5 bytes: their number is exact. */
function narrow({ name: type }: ScalarLayout, width: number, shift: number, size: number): Access {
  const [unit, range] = [2 ** shift, 2 ** width];
  const signed = type.startsWith("i");
  const [min, max] = signed ? [-range / 2, range / 2 - 1] : [0, range - 1];
  const says = `${width} bit${width === 1 ? "" : "s"}`;
  const whole = (data: DataView, at: number): number => {
    let number = 0;
    for (let i = size - 1; i >= 0; i--) number = number * 256 + byte(data, at + i);
    return number;
  };
  const field = (number: number): number => Math.floor(number / unit) % range;
  return {
    get(data, at): Scalar {
      const value = field(whole(data, at));
      if (type === "bool") return value === 1;
      return signed && value > max ? value - range : value;
    },
    set(data, at, value, name, index): void {
      const checked = type === "bool"
        ? Number(boolean(value, label(name, index)))
        : integer(value, min, max, says, name, index);
      const before = whole(data, at);
      let number = before + ((checked < 0 ? checked + range : checked) - field(before)) * unit;
      for (let i = 0; i < size; i++, number = Math.floor(number / 256)) {
        data.setUint8(at + i, number % 256);
      }
    },
  };
}

/** A bit-field of a 64-bit type, in at most 9 bytes. */
function wide({ name: type }: ScalarLayout, width: number, shift: number, size: number): Access {
  const unit = BigInt(shift);
  const range = 1n << BigInt(width);
  const signed = type.startsWith("i");
  const [min, max] = signed ? [-range / 2n, range / 2n - 1n] : [0n, range - 1n];
  const says = `${width} bit${width === 1 ? "" : "s"}`;
  const whole = (data: DataView, at: number): bigint => {
    let number = 0n;
    for (let i = size - 1; i >= 0; i--) number = number << 8n | BigInt(byte(data, at + i));
    return number;
  };
  const field = (number: bigint): bigint => BigInt.asUintN(width, number >> unit);
  return {
    get(data, at): bigint {
      const value = field(whole(data, at));
      return signed ? BigInt.asIntN(width, value) : value;
    },
    set(data, at, value, name, index): void {
      const checked = bigInteger(value, min, max, says, name, index);
      const before = whole(data, at);
      let number = before + ((BigInt.asUintN(width, checked) - field(before)) << unit);
      for (let i = 0; i < size; i++, number >>= 8n) {
        data.setUint8(at + i, Number(number & 0xffn));
      }
    },
  };
}

function boolean(value: unknown, name: string): boolean {
  if (typeof value === "boolean") return value;
  throw mistyped(name, "a boolean", value);
}

/** Offsets are those of the layout, so a `DataView` throws only if the memory is gone. */
function byte(data: DataView, at: number): number {
  try {
    return data.getUint8(at);
  } catch {
    throw gone();
  }
}
