/**
 * Members without a name.
 */

import { checkLayout } from "./check.ts";
import type { AnonymousLayout, AnyStructLayout, BitsLayout } from "./layout.ts";
import { describe } from "./refusal.ts";

/**
 * Returns a member without a name. The key that it has in `struct` or `union` is not used.
 *
 * As in C, the fields of an anonymous struct or union become fields of the struct around it: in its views,
 * its values and its `fields`. An anonymous bit-field is padding; with 0 bits it ends a unit of its type.
 *
 * @throws {TypeError} `layout` is not a struct, a union or a bit-field.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f32, i32, struct } from "@sysv/shm";
 * import { anonymous, union } from "@sysv/shm/layout";
 *
 * const Setting = struct({ kind: i32, _: anonymous(union({ number: i32, factor: f32 })) });
 * assert.equal(Setting.fields.factor.offset, 4);
 * const buffer = new ArrayBuffer(Setting.size);
 * Setting.write(buffer, { kind: 1, factor: 0.5 });
 * assert.equal(Setting.view(buffer).factor, 0.5);
 * ```
 */
export function anonymous<L extends AnyStructLayout | BitsLayout>(layout: L): AnonymousLayout<L> {
  checkLayout(layout, "anonymous(layout)");
  if (layout.kind !== "struct" && layout.kind !== "union" && layout.kind !== "bits") {
    throw new TypeError(
      `anonymous(layout) takes a struct, a union or a bit-field, got ${describe(layout)}`,
    );
  }
  return Object.freeze({ kind: "anonymous", layout });
}
