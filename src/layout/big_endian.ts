/**
 * Big-endian integers, as protocols and file formats hold them: the `__be16` to `__be64` of Linux.
 */

import type { ScalarLayout } from "./layout.ts";
import { bigInteger, failed, integer, place, scalar } from "./scalar.ts";

/**
 * An unsigned 16-bit integer in big-endian order. It takes and refuses the values of `u16`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { struct } from "@sysv/shm";
 * import { u16be } from "@sysv/shm/layout";
 *
 * const buffer = new ArrayBuffer(2);
 * struct({ port: u16be }).view(buffer).port = 0x1234;
 * assert.deepEqual([...new Uint8Array(buffer)], [0x12, 0x34]);
 * ```
 */
export const u16be: ScalarLayout<number> = scalar(
  "u16be",
  "__be16",
  2,
  (data, at) => {
    try {
      return data.getUint16(at);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, 0, 0xffff, "u16be", name, index);
    try {
      data.setUint16(place(at), checked);
    } catch {
      throw failed(data, at);
    }
  },
);

/** An unsigned 32-bit integer in big-endian order. It takes and refuses the values of `u32`. */
export const u32be: ScalarLayout<number> = scalar(
  "u32be",
  "__be32",
  4,
  (data, at) => {
    try {
      return data.getUint32(at);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = integer(value, 0, 0xffffffff, "u32be", name, index);
    try {
      data.setUint32(place(at), checked);
    } catch {
      throw failed(data, at);
    }
  },
);

/** An unsigned 64-bit integer in big-endian order. It takes and refuses the values of `u64`. */
export const u64be: ScalarLayout<bigint> = scalar(
  "u64be",
  "__be64",
  8,
  (data, at) => {
    try {
      return data.getBigUint64(at);
    } catch {
      throw failed(data, at);
    }
  },
  (data, at, value, name, index) => {
    const checked = bigInteger(value, 0n, 0xffffffffffffffffn, "u64be", name, index);
    try {
      data.setBigUint64(place(at), checked);
    } catch {
      throw failed(data, at);
    }
  },
);
