/**
 * C arrays of a fixed length. `array_view.ts` holds the arrays in live views.
 */

import { checkElement, makeLayout } from "./check.ts";
import { describe } from "./refusal.ts";
import type { ArrayLayout, Layout } from "./layout.ts";

/**
 * Returns the layout of an array, as `element name[length]` in C. An element can be a scalar, a
 * `cString`, a struct or another array, but not an `aligned` layout.
 *
 * @param length The number of elements.
 * @throws {TypeError} `element` is not a layout.
 * @throws {RangeError} `length` is not a positive integer, or the array is larger than 2^53-1 bytes.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, f32, struct } from "@sysv/shm";
 *
 * const Matrix = struct({ rows: array(array(f32, 4), 4) });
 * assert.equal(Matrix.size, 64);
 * const view = Matrix.view(new ArrayBuffer(64));
 * view.rows[1]?.set([1, 2, 3, 4]);
 * assert.equal(view.rows.at(1)?.at(3), 4);
 * ```
 */
export function array<E extends Layout>(element: E, length: number): ArrayLayout<E> {
  checkElement(element, "array(element, length)");
  if (!Number.isSafeInteger(length) || length < 1) {
    const Refusal = typeof length === "number" ? RangeError : TypeError;
    throw new Refusal(
      `array(element, length) takes a positive integer length, got ${describe(length)}`,
    );
  }
  const size = element.size * length;
  if (!Number.isSafeInteger(size)) {
    throw new RangeError(
      `array(element, length) is at most 2^53-1 bytes, got ${length} x ${element.size}`,
    );
  }
  return makeLayout({ kind: "array", element, length, size, alignment: element.alignment });
}
