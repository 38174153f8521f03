/**
 * Fields with an explicit alignment.
 */

import { checkAlignment, checkLayout } from "./check.ts";
import type { AlignedLayout, Layout } from "./layout.ts";

/**
 * Returns a field aligned to at least `align` bytes: C's `__attribute__((aligned(n)))`. As in C, it never
 * reduces an alignment, and the `pack` of the struct limits it.
 *
 * @param align Bytes, a power of two up to 2^28.
 * @throws {TypeError} `layout` is not a layout, or is already aligned.
 * @throws {RangeError} `align` is not such a power of two.
 *
 * @example Two fields on separate cache lines
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
  if (layout.kind === "bits") {
    throw new TypeError("aligned(layout, align): compilers do not agree on an aligned bit-field");
  }
  checkAlignment(align, "aligned(layout, align)");
  return Object.freeze({ kind: "aligned", layout, align });
}
