/**
 * C structs: fields one after the other, with the offsets of gcc on Linux.
 */

import type { Fields, StructLayout, StructOptions } from "./layout.ts";
import { makeRecord } from "./record.ts";

/**
 * Returns the layout of a C struct with these fields, in this order. Make it once, as a constant of the
 * program: it costs much more than a view.
 *
 * @param fields The fields: a name that C accepts, and a layout, for each. Without fields the size is 0.
 * @param options `pack` and `align`, as `#pragma pack` and `aligned` in C.
 * @throws {TypeError} A field has a name or a layout that is not possible in C.
 * @throws {RangeError} `pack` or `align` is not a number that C accepts, or the struct is too large.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, cString, f64, i32, struct, u8 } from "@sysv/shm";
 *
 * const Point = struct({ x: i32, y: f64, name: cString(16), tag: array(u8, 4) });
 * assert.equal(Point.fields.y.offset, 8);
 * assert.equal(Point.size, 40);
 *
 * const Line = struct({ from: Point, to: Point });
 * const line = Line.view(new ArrayBuffer(Line.size));
 * line.to.name = "end";
 * assert.equal(line.to.name, "end");
 * ```
 *
 * @example A packed struct
 * ```ts
 * import assert from "node:assert/strict";
 * import { f64, struct, u8 } from "@sysv/shm";
 *
 * assert.equal(struct({ kind: u8, value: f64 }, { pack: 1 }).size, 9);
 * ```
 */
export function struct<F extends Fields>(fields: F, options: StructOptions = {}): StructLayout<F> {
  return makeRecord("struct", fields, options) as StructLayout<F>;
}
