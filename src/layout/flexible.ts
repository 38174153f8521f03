/**
 * Flexible arrays: C's `element name[]` at the end of a struct, and gcc's `element name[0]`.
 */

import { checkElement, makeLayout } from "./check.ts";
import type { FlexibleLayout, Layout } from "./layout.ts";

/**
 * Returns the layout of a flexible array: its elements lie behind the struct, and only the caller can say
 * how many they are. The array has an offset and no size.
 *
 * In a view it has all the elements that the buffer, or the segment, still holds from there on. It is bytes
 * for an element `char`. `read` and `write` do not copy it, as an assignment in C does not. Use the view's.
 *
 * @throws {TypeError} `element` is not a layout that an array can have.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, struct, u16 } from "@sysv/shm";
 * import { flexible } from "@sysv/shm/layout";
 *
 * const Samples = struct({ count: i32, samples: flexible(u16) });
 * assert.equal(Samples.size, 4);
 * const samples = Samples.view(new ArrayBuffer(20));
 * assert.equal(samples.samples.length, 8);
 * samples.samples.set([1, 2, 3]);
 * samples.count = 3;
 * ```
 */
export function flexible<E extends Layout>(element: E): FlexibleLayout<E> {
  checkElement(element, "flexible(element)");
  return makeLayout({ kind: "flexible", element, size: 0, alignment: element.alignment });
}
