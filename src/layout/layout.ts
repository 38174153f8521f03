/**
 * The types of layouts. A layout describes a C type as plain data: its size and the offsets of its parts.
 * Every other file of this folder imports this file, and this file imports none. Programs get these types
 * by inference and rarely write one, except {@linkcode ViewOf}, {@linkcode ValueOf} and
 * {@linkcode InputOf}.
 */

/**
 * The TypeScript types of scalars. A 64-bit integer is a `bigint`, a `char` is a one-character string.
 */
export type Scalar = boolean | number | bigint | string;

/** The names of the scalars. */
export type ScalarName =
  | "bool"
  | "char"
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "f32"
  | "f64";

/** The layout of a number, boolean or character. There are exactly twelve, from `bool` to `f64`. */
export interface ScalarLayout<T extends Scalar = Scalar> {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "scalar";
  /** The name in this library, such as `"i32"`. */
  readonly name: ScalarName;
  /** The name in C, such as `"int32_t"`. */
  readonly cType: string;
  /** The size in bytes. */
  readonly size: number;
  /** The alignment in bytes: the address is a multiple of it, unless the struct is packed. */
  readonly alignment: number;
  /** Reads the scalar at byte `at` of `data`. It throws a `TypeError` if the memory is gone. */
  readonly get: (data: DataView, at: number) => T;
  /**
   * Writes the scalar at byte `at` of `data`. If it refuses the value, it writes nothing and throws a
   * `TypeError` or `RangeError` that names the field (and the element, if it is one).
   */
  readonly set: (data: DataView, at: number, value: unknown, name: string, index?: number) => void;
}

/** The layout of a `char[size]` that holds UTF-8 text and a NUL. `cString` makes it. */
export interface CStringLayout {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "cString";
  /** The size in bytes, including the NUL. */
  readonly size: number;
  /** Always 1. */
  readonly alignment: number;
}

/** The layout of an array of `length` elements. `array` makes it. */
export interface ArrayLayout<E extends Layout = Layout> {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "array";
  /** The layout of each element. */
  readonly element: E;
  /** The number of elements. */
  readonly length: number;
  /** The size in bytes. */
  readonly size: number;
  /** The alignment of the elements in bytes. */
  readonly alignment: number;
}

/** A field with a larger alignment. `aligned` makes it. Only a field of a struct can have it. */
export interface AlignedLayout<L extends Layout = Layout> {
  /** Distinguishes it from layouts. */
  readonly kind: "aligned";
  /** The layout of the field. */
  readonly layout: L;
  /** The requested alignment in bytes. */
  readonly align: number;
}

/** A layout: anything that can be the element of an array. */
export type Layout = ScalarLayout | CStringLayout | ArrayLayout | AnyStructLayout;

/** Anything that can be a field of a struct. */
export type FieldLayout = Layout | AlignedLayout;

/** The fields that `struct` takes, in their order in memory. */
export type Fields = Readonly<Record<string, FieldLayout>>;

/**
 * The offset, size and layout of a field in its struct.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f64, i32, struct } from "@sysv/shm";
 *
 * const Point = struct({ x: i32, y: f64 });
 * assert.equal(Point.fields.y.offset, 8);
 * assert.equal(Point.fields.y.size, 8);
 * assert.equal(Point.fields.y.layout, f64);
 * ```
 */
export interface Field<L extends FieldLayout = FieldLayout> {
  /** The offset in bytes from the start of the struct, as C's `offsetof`. */
  readonly offset: number;
  /** The size in bytes. */
  readonly size: number;
  /** The layout of the field; for an `aligned` field, the inner layout. */
  readonly layout: L extends AlignedLayout<infer Inner> ? Inner : Exclude<L, AlignedLayout>;
  /** The alignment requested by `aligned`, in bytes. */
  readonly align?: number;
}

/** The largest alignment of fields, as in C's `#pragma pack(n)`. */
export type Pack = 1 | 2 | 4 | 8 | 16;

/**
 * Options of `struct` that change C's default layout.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f64, i32, struct } from "@sysv/shm";
 * import type { StructOptions } from "@sysv/shm/layout";
 *
 * const options: StructOptions = { pack: 1 };
 * assert.equal(struct({ x: i32, y: f64 }, options).size, 12);
 * ```
 */
export interface StructOptions {
  /** No field is aligned to more than this many bytes, as under `#pragma pack(n)`. */
  readonly pack?: Pack;
  /** The whole struct is aligned to at least this many bytes, a power of two: `aligned(n)` in C. */
  readonly align?: number;
}

/** Options of a live view. */
export interface ViewOptions {
  /** Make the view and everything reachable from it read-only. Defaults to false. */
  readonly readOnly?: boolean;
}

/**
 * The layout of a struct with any fields. Arrays, nested structs and declarations use this type.
 */
export interface AnyStructLayout {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "struct";
  /** The size in bytes, including padding: C's `sizeof`. */
  readonly size: number;
  /** The alignment in bytes: C's `alignof`. The address should be a multiple of it. */
  readonly alignment: number;
  /** The fields with their offsets, in order. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The requested bound on field alignment. */
  readonly pack?: Pack;
  /** The requested alignment of the whole struct in bytes. */
  readonly align?: number;
  /** Returns a live view, see {@linkcode StructLayout}. */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): object;
}

/**
 * The layout of a C struct, as `struct` returns it. Its methods do not use `this` and can be detached.
 */
export interface StructLayout<F extends Fields> extends AnyStructLayout {
  /** The fields with their offsets, in order. */
  readonly fields: { readonly [K in keyof F]: Field<F[K]> };

  /**
   * Returns a live view. Its fields read and write the memory in place, little-endian, at any offset.
   *
   * - An array of numbers or `bigint`s is a real typed array if the view is writable and the memory
   *   aligned. Its `sort`, `reverse` and `copyWithin` work on a copy, because peers may write to the
   *   memory at the same time; decode only copies of it. Any other array is an {@linkcode ArrayView} of
   *   at most 65536 elements; the getter of a longer one throws a `RangeError` (`read` has no limit).
   * - A setter that refuses a value throws a `TypeError` (wrong type, unknown or missing field) or a
   *   `RangeError` (out of range, wrong length, too long), and writes nothing. A whole array or nested
   *   struct can be assigned, too; in TypeScript use `write` or `set` for that.
   * - After the memory is gone (segment detached, buffer transferred) every field throws a `TypeError`
   *   with that reason. Typed arrays obtained before are empty then.
   *
   * Fields are read one by one: a value that a peer writes at the same time can be read half written.
   *
   * @throws {RangeError} The struct does not fit into the buffer at that byte offset.
   * @throws {TypeError} `buffer` is not an `ArrayBuffer` or `SharedArrayBuffer`.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { array, cString, i32, struct, u8 } from "@sysv/shm";
   *
   * const Point = struct({ x: i32, name: cString(8), tag: array(u8, 4) });
   * const buffer = new ArrayBuffer(64);
   * const point = Point.view(buffer, 16);
   * point.x = -1;
   * point.name = "p";
   * point.tag[0] = 7;
   * assert.deepEqual([...new Uint8Array(buffer, 16, 6)], [255, 255, 255, 255, 0x70, 0]);
   * assert.throws(() => point.x = 2 ** 31, RangeError);
   * ```
   */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): StructView<F>;

  /**
   * Returns a copy of the fields as a plain object, with plain arrays. The bytes are copied before they
   * are decoded, so a peer that writes at the same time cannot change the result.
   *
   * @throws {RangeError} The struct does not fit into the buffer at that byte offset.
   * @throws {TypeError} `buffer` is not an `ArrayBuffer` or `SharedArrayBuffer`.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { array, i32, struct, u8 } from "@sysv/shm";
   *
   * const Point = struct({ x: i32, tag: array(u8, 2) });
   * assert.deepEqual(Point.read(new ArrayBuffer(8)), { x: 0, tag: [0, 0] });
   * ```
   */
  read(buffer: ArrayBufferLike, offset?: number): StructValue<F>;

  /**
   * Writes all fields, or none: all values are checked before the first byte is written. Padding becomes
   * zero. A view is also a valid value, so this copies from one struct to another.
   *
   * @throws {TypeError} A field is missing, unknown or of the wrong type; the error names it.
   * @throws {RangeError} A value is out of range, an array has the wrong length, a text is too long, or
   * the struct does not fit into the buffer at that byte offset.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { array, i32, struct, u8 } from "@sysv/shm";
   *
   * const Point = struct({ x: i32, tag: array(u8, 2) });
   * const buffer = new ArrayBuffer(8);
   * Point.write(buffer, { x: 1, tag: [2, 3] });
   * assert.throws(() => Point.write(buffer, { x: 9, tag: [2, 256] }), RangeError);
   * assert.deepEqual(Point.read(buffer), { x: 1, tag: [2, 3] });
   * ```
   */
  write(buffer: ArrayBufferLike, value: StructInput<F>, offset?: number): void;

  /**
   * Returns the complete struct as C11 and C++11 text: includes, nested structs (`Name_field`), packing
   * and alignment. Static asserts on the size and on every offset make the compiler reject a different
   * layout.
   *
   * gcc warns rightly (`-Wpacked-not-aligned`) if a packed struct contains a struct with `align`.
   *
   * @throws {TypeError} `name` is not a C identifier, or already has a meaning in C or C++.
   *
   * @example
   * ```ts
   * import assert from "node:assert/strict";
   * import { i32, struct } from "@sysv/shm";
   *
   * const text = struct({ x: i32 }).declare("Point");
   * assert.match(text, /typedef struct Point \{\n {2}int32_t x;\n\} Point;/);
   * assert.match(text, /_Static_assert\(sizeof\(struct Point\) == 4, /);
   * ```
   */
  declare(name: string): string;
}

/**
 * An array in a live view. It is a typed array where possible, and otherwise an object with this
 * interface. Code written for the interface works with both.
 *
 * They differ in one way: writing an index or value out of range throws here, as everywhere in a view. A
 * typed array ignores such an index and wraps such a value.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, struct, u8 } from "@sysv/shm";
 * import type { ArrayView } from "@sysv/shm/layout";
 *
 * const Packet = struct({ data: array(u8, 4) });
 * const buffer = new ArrayBuffer(4);
 * const data: ArrayView<number> = Packet.view(buffer).data;
 * data.set([1, 2], 2);
 * assert.deepEqual([...data], [0, 0, 1, 2]);
 * assert.equal(data.at(-1), 2);
 * assert.equal(data[4], undefined);
 * ```
 */
export interface ArrayView<T, Input = T> {
  /** The number of elements. */
  readonly length: number;
  /** The element at this index, or `undefined` past the end. */
  [index: number]: T;
  /** Returns the element at this index, from the end if negative; `undefined` if out of range. */
  at(index: number): T | undefined;
  /**
   * Writes these elements, starting at the index `offset`.
   *
   * @throws {RangeError} They do not fit, or one of them is out of range.
   */
  set(values: ArrayLike<Input>, offset?: number): void;
  /** Iterates over the elements in order. */
  [Symbol.iterator](): IterableIterator<T>;
}

/** The type of the live view of a struct with these fields. */
export type StructView<F extends Fields> = { -readonly [K in keyof F]: ViewOf<F[K]> };

/** The type of the plain copy of a struct with these fields. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/** The type of values that can be written to a struct with these fields. */
export type StructInput<F extends Fields> = { readonly [K in keyof F]: InputOf<F[K]> };

/**
 * The type of a layout in a live view: `ViewOf<typeof Point>`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, struct, type ViewOf } from "@sysv/shm";
 *
 * const Point = struct({ x: i32, y: i32 });
 * function mirror(point: ViewOf<typeof Point>): void {
 *   [point.x, point.y] = [point.y, point.x];
 * }
 *
 * const point = Point.view(new ArrayBuffer(8));
 * point.x = 1;
 * mirror(point);
 * assert.equal(point.y, 1);
 * ```
 */
export type ViewOf<L> = L extends ScalarLayout<infer T> ? T
  : L extends CStringLayout ? string
  : L extends ArrayLayout<infer E> ? ArrayView<ViewOf<E>, InputOf<E>>
  : L extends AlignedLayout<infer Inner> ? ViewOf<Inner>
  : L extends StructLayout<infer F> ? StructView<F>
  : never;

/**
 * The type that `read` returns for a layout: plain values, objects and arrays.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, struct, u8, type ValueOf } from "@sysv/shm";
 *
 * const Packet = struct({ data: array(u8, 2) });
 * const value: ValueOf<typeof Packet> = { data: [1, 2] };
 * value.data.reverse();
 * assert.deepEqual(value, { data: [2, 1] });
 * ```
 */
export type ValueOf<L> = L extends ScalarLayout<infer T> ? T
  : L extends CStringLayout ? string
  : L extends ArrayLayout<infer E> ? ValueOf<E>[]
  : L extends AlignedLayout<infer Inner> ? ValueOf<Inner>
  : L extends StructLayout<infer F> ? StructValue<F>
  : never;

/**
 * The type that `write` takes for a layout: plain values, anything with a length and indexes for an
 * array, and views.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, type InputOf, struct, u8 } from "@sysv/shm";
 *
 * const Packet = struct({ data: array(u8, 2) });
 * const input: InputOf<typeof Packet> = { data: Uint8Array.of(1, 2) };
 * const buffer = new ArrayBuffer(2);
 * Packet.write(buffer, input);
 * assert.deepEqual(Packet.read(buffer), { data: [1, 2] });
 * ```
 */
export type InputOf<L> = L extends ScalarLayout<infer T> ? T
  : L extends CStringLayout ? string
  : L extends ArrayLayout<infer E> ? ArrayLike<InputOf<E>>
  : L extends AlignedLayout<infer Inner> ? InputOf<Inner>
  : L extends StructLayout<infer F> ? StructInput<F>
  : never;
