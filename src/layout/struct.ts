/**
 * C structs: the offset of each field, and the functions that view, read and write a struct in memory.
 *
 * Sizes and offsets are those of gcc on Linux. They are the same on x86-64 and aarch64.
 */

import { checkAlignment, checkLayout, checkName, makeLayout } from "./check.ts";
import { load, store } from "./codec.ts";
import { checkFlag, checkNumber, optionsReader } from "./arguments.ts";
import { declare } from "./declare.ts";
import type {
  Field,
  FieldLayout,
  Fields,
  Pack,
  StructInput,
  StructLayout,
  StructOptions,
  StructValue,
  StructView,
  ViewOptions,
} from "./layout.ts";
import { describe, gone } from "./refusal.ts";
import { viewsOf } from "./struct_view.ts";

const PACKS: readonly unknown[] = [1, 2, 4, 8, 16] satisfies Pack[];

const readStructOptions = optionsReader({
  pack(pack: unknown): Pack {
    if (PACKS.includes(pack)) return pack as Pack;
    throw new RangeError(`pack is 1, 2, 4, 8 or 16, got ${describe(pack)}`);
  },
  align: (align: unknown) => checkAlignment(align, "the alignment of a struct"),
});
const readViewOptions = optionsReader({ readOnly: checkFlag });

/** The smallest multiple of `alignment` that is not less than `offset`. */
function roundUp(offset: number, alignment: number): number {
  // Not with `&`: offsets can go beyond 32 bits.
  return Math.ceil(offset / alignment) * alignment;
}

function place(name: string, declared: FieldLayout, end: number, pack: number): Field {
  const what = `field "${name}"`;
  const aligned = declared?.kind === "aligned";
  const layout = aligned ? declared.layout : declared;
  checkLayout(layout, what);
  const align = aligned ? { align: checkAlignment(declared.align, what) } : {};
  const offset = roundUp(end, alignmentOf({ layout, ...align }, pack));
  return Object.freeze({ offset, size: layout.size, layout, ...align });
}

/** C's rule: the larger of the natural and the requested alignment, and at most `pack`. */
function alignmentOf({ layout, align = 1 }: Pick<Field, "layout" | "align">, pack: number): number {
  return Math.min(Math.max(layout.alignment, align), pack);
}

function checkFields(fields: Fields): void {
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(`struct(fields) takes an object, got ${describe(fields)}`);
  }
  const prototype = Object.getPrototypeOf(fields);
  if (prototype !== null && prototype !== Object.prototype) {
    throw new TypeError('struct(fields) takes a plain object, without a "__proto__" of its own');
  }
  const names = Object.keys(fields);
  if (names.length === 0) throw new TypeError("struct(fields) takes at least one field");
  for (const name of names) checkName(name, "the name of a field");
}

/** A `DataView` of exactly the bytes of one struct. */
function memory(buffer: ArrayBufferLike, offset: number, size: number): DataView {
  if (!(buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer)) {
    throw new TypeError(
      `a struct lies in an ArrayBuffer or SharedArrayBuffer, got ${describe(buffer)}`,
    );
  }
  checkNumber(offset, "offset");
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + size > buffer.byteLength) {
    if (buffer instanceof ArrayBuffer && buffer.detached) throw gone();
    throw new RangeError(
      `a struct of ${size} bytes at offset ${offset} is outside the buffer of ${buffer.byteLength} bytes`,
    );
  }
  return new DataView(buffer, offset, size);
}

/**
 * Returns the layout of a C struct with these fields, in this order. Make it once, as a constant of the
 * program: it costs much more than a view.
 *
 * @param fields The fields: a name that C and C++ accept, and a layout, for each.
 * @param options `pack` and `align`, as `#pragma pack` and `aligned` in C.
 * @throws {TypeError} There is no field, or a field has a name or a layout that is not possible in C.
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
  checkFields(fields);
  const read = readStructOptions(options);
  const { pack = Infinity, align = 1 } = read;

  const placed: Record<string, Field> = {};
  let end = 0;
  let alignment = align;
  for (const [name, layout] of Object.entries(fields)) {
    const field = place(name, layout, end, pack);
    placed[name] = field;
    end = field.offset + field.size;
    alignment = Math.max(alignment, alignmentOf(field, pack));
    if (!Number.isSafeInteger(roundUp(end, alignment))) {
      throw new RangeError(`a struct is at most 2^53-1 bytes: field "${name}" goes beyond`);
    }
  }
  const size = roundUp(end, alignment);

  let views: ReturnType<typeof viewsOf> | undefined;
  const layout: StructLayout<F> = makeLayout({
    kind: "struct",
    size,
    alignment,
    // Only the loop above loses the types of the fields.
    fields: Object.freeze(placed) as StructLayout<F>["fields"],
    ...read,
    view(
      buffer: ArrayBufferLike,
      offset = 0,
      options?: ViewOptions,
    ): StructView<F> {
      const { readOnly = false } = readViewOptions(options);
      // The first view makes the class: most structs inside this library are never viewed
      views ??= viewsOf(layout);
      return views(memory(buffer, offset, size), readOnly) as StructView<F>;
    },
    read(buffer: ArrayBufferLike, offset = 0): StructValue<F> {
      return load(layout, memory(buffer, offset, size), 0) as StructValue<F>;
    },
    write(buffer: ArrayBufferLike, value: StructInput<F>, offset = 0): void {
      store(layout, memory(buffer, offset, size), 0, value, "");
    },
    declare(name: string): string {
      return declare(layout, name);
    },
  });
  return layout;
}
