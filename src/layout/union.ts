/**
 * C unions: all fields begin at the same byte.
 */

import type { Fields, StructOptions, UnionLayout } from "./layout.ts";
import { makeRecord } from "./record.ts";

/**
 * Returns the layout of a C union with these fields. Its size is that of the largest field, rounded up to
 * its alignment.
 *
 * @param fields The fields: a name that C accepts, and a layout, for each.
 * @param options `pack` and `align`, as for `struct`.
 * @throws {TypeError} A field has a name or a layout that is not possible in C.
 * @throws {RangeError} `pack` or `align` is not a number that C accepts.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f32, u32 } from "@sysv/shm";
 * import { union } from "@sysv/shm/layout";
 *
 * const Word = union({ number: f32, bits: u32 });
 * const buffer = new ArrayBuffer(Word.size);
 * Word.write(buffer, { number: 1 });
 * assert.deepEqual(Word.read(buffer), { number: 1, bits: 0x3f800000 });
 * ```
 */
export function union<F extends Fields>(fields: F, options: StructOptions = {}): UnionLayout<F> {
  return makeRecord("union", fields, options) as unknown as UnionLayout<F>;
}
