/**
 * The bytes behind a live view.
 */

import { LiveMemory } from "./live_memory.ts";
import { describe, mistyped } from "./refusal.ts";
import { bytesOf as bytesOfMemory } from "./source_bytes.ts";

/**
 * Returns a copy of the bytes of a live view, or of one field of it: of a text that is not UTF-8, of a
 * `char[n]` that is not text at all, or of a struct with its padding.
 *
 * To write such bytes, set a text to a `Uint8Array`.
 *
 * @param view The view of a struct, a union or an array that is not a typed array.
 * @param name The name of a field of the struct or union. Defaults to all bytes of the view.
 * @throws {TypeError} `view` is not such a view, has no such field, or its memory is gone.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 * import { bytesOf } from "@sysv/shm/layout";
 *
 * const Grid = parseStruct("char locator[6]; short distance;");
 * const view = Grid.view(new ArrayBuffer(Grid.size));
 * view.locator = new TextEncoder().encode("FN42ab");
 * assert.equal(bytesOf(view, "locator").length, 6);
 * assert.equal(view.locator, "FN42ab");
 * assert.equal(bytesOf(view).length, 8);
 * ```
 */
export function bytesOf(view: object, name?: string): Uint8Array<ArrayBuffer> {
  const memory = LiveMemory.of(view);
  if (memory === undefined) throw mistyped("view", "a live view", view);
  const { data, layout } = memory;
  let [offset, size] = [0, layout.size];
  if (name !== undefined) {
    const fields = "fields" in layout ? layout.fields : {};
    if (!Object.hasOwn(fields, name)) {
      throw new TypeError(`${describe(name)} is not a field of this view`);
    }
    ({ offset, size } = fields[name]!);
  }
  return bytesOfMemory(data, offset, size).slice() as Uint8Array<ArrayBuffer>;
}
