/** What `Segment.view` takes: the layouts of this library, and custom ones with a size and a view. */

import { checkFunction, checkNumber } from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";

/**
 * The part of a layout that {@linkcode Segment.view} uses. Every layout that `struct` returns has it.
 *
 * @typeParam View the type of the live view
 *
 * @example
 * ```ts
 * import { Segment } from "@sysv/shm";
 * import type { Viewable } from "@sysv/shm/sysv";
 * import assert from "node:assert/strict";
 *
 * // A custom layout: the first bytes as a live array
 * const Head: Viewable<Uint8Array> = {
 *   size: 4,
 *   view: (memory, offset) => new Uint8Array(memory, offset, 4),
 * };
 * using segment = Segment.create({ size: 64 });
 * segment.remove();
 * segment.view(Head)[0] = 7;
 * assert.equal(segment.bytes[0], 7);
 * ```
 */
export interface Viewable<View> {
  /** The number of bytes that a view covers. */
  readonly size: number;
  /** Returns a live view of the bytes at `offset` of `memory`. */
  view(memory: ArrayBuffer, offset: number, options: { readonly readOnly: boolean }): View;
}

/**
 * Checks a custom layout.
 *
 * @throws {TypeError} not an object with a size and a function `view`
 */
export function checkViewable(layout: unknown): void {
  const takes = "a layout such as struct() makes, or an object with size and view()";
  if (typeof layout !== "object" || layout === null) throw mistyped("layout", takes, layout);
  const { size, view } = layout as Partial<Viewable<unknown>>;
  checkNumber(size, "layout.size");
  checkFunction(view, "layout.view");
}
