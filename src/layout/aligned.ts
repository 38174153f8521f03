/**
 * Fields with an explicit alignment. For programs.
 */

import { checkAlignment, checkLayout } from "./check.ts";
import type { AlignedLayout, Layout } from "./layout.ts";

/**
 * A field aligned to at least `align` bytes: C's `__attribute__((aligned(n)))`. As in C it never lowers
 * an alignment, and the `pack` of the struct bounds it.
 *
 * @param align Bytes, a power of two up to 2^28.
 * @throws {TypeError} `layout` is not a layout, or is aligned already.
 * @throws {RangeError} `align` is not such a power of two.
 *
 * @example Two words on cache lines of their own
 * ```ts
 * import assert from "node:assert/strict";
 * import { aligned, struct, u32 } from "@sysv/shm";
 *
 * const Positions = struct({ head: aligned(u32, 128), tail: aligned(u32, 128) });
 * assert.equal(Positions.fields.tail.offset, 128);
 * assert.equal(Positions.size, 256);
 * ```
 */
export function aligned<L extends Layout>(layout: L, align: number): AlignedLayout<L> {
  checkLayout(layout, "aligned(layout, align)");
  checkAlignment(align, "aligned(layout, align)");
  return Object.freeze({ kind: "aligned", layout, align });
}
