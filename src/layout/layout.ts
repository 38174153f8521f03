/**
 * What a C type is to this library: plain data that says how many bytes it takes and where its parts
 * lie. This file holds the words for it, as types; every other file of the room imports it, and it
 * imports none. Programs meet the types through inference and seldom write one down, except
 * {@linkcode ViewOf}, {@linkcode ValueOf} and {@linkcode InputOf}.
 */

/**
 * What a scalar is in TypeScript. 64-bit integers are `bigint`, a `char` is a one-character string.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i64, type Scalar, struct } from "@sysv/shm";
 *
 * const value: Scalar = struct({ n: i64 }).view(new ArrayBuffer(8)).n;
 * assert.equal(value, 0n);
 * ```
 */
export type Scalar = boolean | number | bigint | string;

/**
 * The names of the scalars.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f32, type ScalarName } from "@sysv/shm";
 *
 * const name: ScalarName = f32.name;
 * assert.equal(name, "f32");
 * ```
 */
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

/**
 * One number, truth value or character. There are twelve, from `bool` to `f64`; nobody makes more.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, type ScalarLayout } from "@sysv/shm";
 *
 * const layout: ScalarLayout<number> = i32;
 * assert.equal(layout.size, 4);
 * assert.equal(layout.cType, "int32_t");
 * ```
 */
export interface ScalarLayout<T extends Scalar = Scalar> {
  /** Tells layouts apart. */
  readonly kind: "scalar";
  /** Its name here, such as `"i32"`. */
  readonly name: ScalarName;
  /** Its name in C, such as `"int32_t"`. */
  readonly cType: string;
  /** Bytes it takes. */
  readonly size: number;
  /** Its address is a multiple of this many bytes, unless the struct is packed. */
  readonly alignment: number;
  /** Reads it at byte `at` of `data`. A `TypeError` says that the memory is gone. */
  readonly get: (data: DataView, at: number) => T;
  /**
   * Writes it at byte `at` of `data`, or throws a `TypeError` or `RangeError` that names the field
   * (and the element, if it is one) and writes nothing.
   */
  readonly set: (data: DataView, at: number, value: unknown, name: string, index?: number) => void;
}

/**
 * `char[size]` that holds UTF-8 text and a NUL. Made by `cString`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cString, type CStringLayout } from "@sysv/shm";
 *
 * const layout: CStringLayout = cString(16);
 * assert.equal(layout.size, 16);
 * ```
 */
export interface CStringLayout {
  /** Tells layouts apart. */
  readonly kind: "cString";
  /** Bytes it takes, the NUL included. */
  readonly size: number;
  /** Always 1. */
  readonly alignment: number;
}

/**
 * `length` elements side by side. Made by `array`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, type ArrayLayout, type ScalarLayout, u16 } from "@sysv/shm";
 *
 * const layout: ArrayLayout<ScalarLayout<number>> = array(u16, 3);
 * assert.equal(layout.size, 6);
 * ```
 */
export interface ArrayLayout<E extends Layout = Layout> {
  /** Tells layouts apart. */
  readonly kind: "array";
  /** What each element is. */
  readonly element: E;
  /** How many elements. */
  readonly length: number;
  /** Bytes it takes. */
  readonly size: number;
  /** That of its elements. */
  readonly alignment: number;
}

/**
 * A field whose alignment was raised. Made by `aligned`; only a field of a struct can be one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { aligned, type AlignedLayout, type ScalarLayout, u32 } from "@sysv/shm";
 *
 * const layout: AlignedLayout<ScalarLayout<number>> = aligned(u32, 64);
 * assert.equal(layout.align, 64);
 * ```
 */
export interface AlignedLayout<L extends Layout = Layout> {
  /** Tells it from layouts proper. */
  readonly kind: "aligned";
  /** What the field is. */
  readonly layout: L;
  /** The alignment asked for, in bytes. */
  readonly align: number;
}

/**
 * What can be the element of an array.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, type Layout, u16 } from "@sysv/shm";
 *
 * const bits = (layout: Layout): number => layout.size * 8;
 * assert.equal(bits(array(u16, 3)), 48);
 * ```
 */
export type Layout = ScalarLayout | CStringLayout | ArrayLayout | AnyStructLayout;

/**
 * What can be a field of a struct.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { aligned, type FieldLayout, struct, u8 } from "@sysv/shm";
 *
 * const field: FieldLayout = aligned(u8, 64);
 * assert.equal(struct({ field }).size, 64);
 * ```
 */
export type FieldLayout = Layout | AlignedLayout;

/**
 * The fields of a struct as `struct` takes them, in their order in memory.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { type Fields, struct, u8 } from "@sysv/shm";
 *
 * const header = { kind: u8, flags: u8 } satisfies Fields;
 * assert.equal(struct({ ...header, length: u8 }).size, 3);
 * ```
 */
export type Fields = Readonly<Record<string, FieldLayout>>;

/**
 * Where a field lies in its struct.
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
  /** Bytes from the start of the struct, as C's `offsetof`. */
  readonly offset: number;
  /** Bytes it takes. */
  readonly size: number;
  /** What it is. For an `aligned` field, what was aligned. */
  readonly layout: L extends AlignedLayout<infer Inner> ? Inner : Exclude<L, AlignedLayout>;
  /** The alignment `aligned` asked for, in bytes. */
  readonly align?: number;
}

/**
 * A bound on the alignment of fields, as in C's `#pragma pack(n)`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f64, type Pack, struct, u8 } from "@sysv/shm";
 *
 * const sizes = ([1, 2, 4, 8] satisfies Pack[]).map((pack) =>
 *   struct({ kind: u8, value: f64 }, { pack }).size
 * );
 * assert.deepEqual(sizes, [9, 10, 12, 16]);
 * ```
 */
export type Pack = 1 | 2 | 4 | 8 | 16;

/**
 * How a struct is laid out, where it differs from C's default.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { f64, i32, struct, type StructOptions } from "@sysv/shm";
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

/**
 * How to look at memory.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, struct, type ViewOptions } from "@sysv/shm";
 *
 * const options: ViewOptions = { readOnly: true };
 * const view = struct({ x: i32 }).view(new ArrayBuffer(4), 0, options);
 * assert.throws(() => view.x = 1, TypeError);
 * ```
 */
export interface ViewOptions {
  /** Nothing that can be reached from the view writes. Default: false. */
  readonly readOnly?: boolean;
}

/**
 * What every struct is, whatever its fields: what arrays, nested structs and declarations need.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { type AnyStructLayout, i32, struct } from "@sysv/shm";
 *
 * const names = (layout: AnyStructLayout): string[] => Object.keys(layout.fields);
 * assert.deepEqual(names(struct({ x: i32, y: i32 })), ["x", "y"]);
 * ```
 */
export interface AnyStructLayout {
  /** Tells layouts apart. */
  readonly kind: "struct";
  /** Bytes it takes, the padding included: C's `sizeof`. */
  readonly size: number;
  /** Its address should be a multiple of this many bytes: C's `alignof`. */
  readonly alignment: number;
  /** Where each field lies, in order. */
  readonly fields: Readonly<Record<string, Field>>;
  /** The bound on field alignment asked for. */
  readonly pack?: Pack;
  /** The alignment of the whole asked for, in bytes. */
  readonly align?: number;
  /** A live view, see {@linkcode StructLayout}. */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): object;
}

/**
 * A C struct: what `struct` returns. Its methods need no `this` and may be taken off it.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, type ScalarLayout, struct, type StructLayout } from "@sysv/shm";
 *
 * const Pair: StructLayout<{ a: ScalarLayout<number>; b: ScalarLayout<number> }> = struct({
 *   a: i32,
 *   b: i32,
 * });
 * assert.equal(Pair.size, 8);
 * ```
 */
export interface StructLayout<F extends Fields> extends AnyStructLayout {
  /** Where each field lies, in order. */
  readonly fields: { readonly [K in keyof F]: Field<F[K]> };

  /**
   * A live view: its fields are the memory, read and written in place, little-endian, at any offset.
   *
   * - A number or `bigint` array in it is a real typed array where the view is writable and the
   *   memory aligned; its `sort`, `reverse` and `copyWithin` work on a copy, as others may write to the
   *   memory meanwhile, and only copies of it are to be decoded. Any other array is an {@linkcode ArrayView} of at most 65536 elements; the
   *   getter of a longer one throws a `RangeError` (`read` has no such bound).
   * - A setter that refuses a value throws a `TypeError` (wrong type, unknown or missing field) or a
   *   `RangeError` (out of range, wrong length, too long), and writes nothing. A whole array or nested
   *   struct can be assigned too; TypeScript wants that written as `write` or as `set`.
   * - Once the memory is gone (its segment detached, its buffer transferred) every field throws a
   *   `TypeError` that says so. Typed arrays taken before are empty then.
   *
   * Fields are read one by one: what another process writes meanwhile can be seen half done.
   *
   * @throws {RangeError} The struct does not fit into the buffer at that offset (bytes).
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
   * A copy of the fields as a plain object, arrays as plain arrays. The bytes are copied first, so
   * what another process writes meanwhile cannot change it.
   *
   * @throws {RangeError} The struct does not fit into the buffer at that offset (bytes).
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
   * Writes all fields, or none: everything is checked before the first byte is written. Padding
   * becomes zero. A view is a value too, so this also copies from one struct to another.
   *
   * @throws {TypeError} A field is missing, unknown or of the wrong type; the error names it.
   * @throws {RangeError} A value is out of range, an array has another length, a text is too long, or
   * the struct does not fit into the buffer at that offset (bytes).
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
   * The same struct in C11 and C++11, complete: includes, nested structs (`Name_field`), packing and
   * alignment. Static asserts on the size and on every offset make the compiler refuse it wherever
   * it would differ.
   *
   * gcc warns (`-Wpacked-not-aligned`) where a packed struct holds one with `align`, and it is right.
   *
   * @throws {TypeError} `name` is not a C identifier, or means something in C or C++ already.
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
 * An array in a live view. It is a typed array where it can be, and otherwise an object that does
 * what this interface says, so code written against the interface works with both.
 *
 * They differ in one way: an index or value out of range throws here when written, as elsewhere in
 * a view, while a typed array ignores the index and wraps the value, as typed arrays do.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, type ArrayView, struct, u8 } from "@sysv/shm";
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
  /** How many elements. */
  readonly length: number;
  /** The element at this index, or `undefined` past the end. */
  [index: number]: T;
  /** The element at this index, counted from the end if negative; `undefined` out of range. */
  at(index: number): T | undefined;
  /**
   * Writes these elements from `offset` (an index) on.
   *
   * @throws {RangeError} They do not fit, or one of them is out of range.
   */
  set(values: ArrayLike<Input>, offset?: number): void;
  /** The elements in order. */
  [Symbol.iterator](): IterableIterator<T>;
}

/**
 * The live view of a struct with these fields.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, type ScalarLayout, struct, type StructView } from "@sysv/shm";
 *
 * const view: StructView<{ x: ScalarLayout<number> }> = struct({ x: i32 }).view(new ArrayBuffer(4));
 * view.x = 5;
 * assert.equal(view.x, 5);
 * ```
 */
export type StructView<F extends Fields> = { -readonly [K in keyof F]: ViewOf<F[K]> };

/**
 * The plain copy of a struct with these fields.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, type ScalarLayout, struct, type StructValue } from "@sysv/shm";
 *
 * const value: StructValue<{ x: ScalarLayout<number> }> = struct({ x: i32 }).read(new ArrayBuffer(4));
 * assert.deepEqual(value, { x: 0 });
 * ```
 */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * What can be written to a struct with these fields.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { i32, type ScalarLayout, struct, type StructInput } from "@sysv/shm";
 *
 * const input: StructInput<{ x: ScalarLayout<number> }> = { x: 5 };
 * const buffer = new ArrayBuffer(4);
 * struct({ x: i32 }).write(buffer, input);
 * assert.equal(new Int32Array(buffer)[0], 5);
 * ```
 */
export type StructInput<F extends Fields> = { readonly [K in keyof F]: InputOf<F[K]> };

/**
 * What a layout is in a live view: `ViewOf<typeof Point>`.
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
 * What `read` makes of a layout: plain values, objects and arrays.
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
 * What `write` takes for a layout: plain values, anything with a length and indexes for an array,
 * and views.
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
