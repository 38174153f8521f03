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

/** The names of the scalars. Those with `be` are big-endian, all others little-endian. */
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
  | "f64"
  | "u16be"
  | "u32be"
  | "u64be";

/** The layout of a number, boolean or character. There are exactly fifteen: one for each name. */
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
  /** The text may have all bytes of the field and then no NUL. It exists only if that is so. */
  readonly full?: boolean;
}

/**
 * Options of `cString`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cString } from "@sysv/shm";
 * import type { CStringOptions } from "@sysv/shm/layout";
 *
 * const options: CStringOptions = { full: true };
 * assert.equal(cString(6, options).size, 6);
 * ```
 */
export interface CStringOptions {
  /** The text may have all bytes of the field and then no NUL. Defaults to false. */
  readonly full?: boolean;
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

/**
 * The layout of an array at the end of a struct whose length the struct does not say. `flexible` makes it.
 * Only a field of a struct or union can have it.
 */
export interface FlexibleLayout<E extends Layout = Layout> {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "flexible";
  /** The layout of each element. */
  readonly element: E;
  /** Always 0: the elements do not count as part of the struct. */
  readonly size: number;
  /** The alignment of the elements in bytes. */
  readonly alignment: number;
}

/**
 * The layout of a bit-field. `bits` makes it. Only a field of a struct or union can have it. In the
 * `fields` of its struct it has its place: `bitOffset` and `size`.
 */
export interface BitsLayout<T extends Scalar = Scalar> {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "bits";
  /** The type it is declared with: an integer or `bool`. */
  readonly type: ScalarLayout<T>;
  /** The number of bits. */
  readonly width: number;
  /** The place of its lowest bit in its first byte, 0 to 7. */
  readonly bitOffset: number;
  /** The number of bytes that hold a part of it. */
  readonly size: number;
  /** The alignment of its type in bytes. */
  readonly alignment: number;
  /** Reads the bit-field whose first byte is byte `at` of `data`, as a scalar does. */
  readonly get: ScalarLayout<T>["get"];
  /** Writes the bit-field whose first byte is byte `at` of `data`, as a scalar does. It reads and writes
   * back the other bits of its bytes, as C does: peers must not write to them at the same time. */
  readonly set: ScalarLayout<T>["set"];
}

/**
 * A member without a name. `anonymous` makes it. The fields of an anonymous struct or union are fields
 * of the struct around it, as in C. Only a field of a struct or union can have it.
 */
export interface AnonymousLayout<
  L extends AnyStructLayout | BitsLayout = AnyStructLayout | BitsLayout,
> {
  /** Distinguishes it from layouts. */
  readonly kind: "anonymous";
  /** The struct, union or bit-field. */
  readonly layout: L;
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

/** A layout. All but the last two kinds can be the element of an array. */
export type Layout =
  | ScalarLayout
  | CStringLayout
  | ArrayLayout
  | AnyStructLayout
  | BitsLayout
  | FlexibleLayout;

/** Anything that can be a field of a struct. */
export type FieldLayout = Layout | AlignedLayout | AnonymousLayout;

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
  readonly layout: L extends AlignedLayout<infer Inner> ? Inner
    : Exclude<L, AlignedLayout | AnonymousLayout>;
  /** The alignment requested by `aligned`, in bytes. */
  readonly align?: number;
}

/** A member of a struct or union as it is declared: a field, or a member without a name. */
export interface Member extends Field {
  /** The name; `undefined` for an `anonymous` member. */
  readonly name: string | undefined;
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
 * The layout of a struct or union with any fields. Arrays, nested structs and declarations use this type.
 */
export interface AnyStructLayout {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "struct" | "union";
  /** The size in bytes, including padding: C's `sizeof`. */
  readonly size: number;
  /** The alignment in bytes: C's `alignof`. The address should be a multiple of it. */
  readonly alignment: number;
  /** The fields with their offsets, in order; those of anonymous members are among them. */
  readonly fields: Readonly<Record<string, Field>>;
  /** All members in order, with those without a name. It exists only if there is such a member. */
  readonly members?: readonly Member[];
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
  /** Distinguishes the kinds of layouts. */
  readonly kind: "struct";
  /** The fields with their offsets, in order; those of anonymous members are among them. */
  readonly fields: { readonly [K in keyof Named<F>]: Field<Named<F>[K]> };

  /**
   * Returns a live view. Its fields read and write the memory in place, little-endian, at any offset.
   *
   * - An array of numbers or `bigint`s is a real typed array if the view is writable and the memory
   *   aligned. Its `sort`, `reverse` and `copyWithin` work on a copy, because peers may write to the
   *   memory at the same time; decode only copies of it. Any other array is a real array of fixed
   *   length, see {@linkcode ReadonlyArrayView}. Its `sort`, `reverse`, `copyWithin` and `fill` move bytes
   *   in the same way; `push`, `pop`, `shift`, `unshift` and `splice` throw a `TypeError` and change nothing.
   * - A setter that refuses a value throws a `TypeError` (wrong type, unknown or missing field) or a
   *   `RangeError` (out of range, wrong length, too long), and writes nothing. A whole array or nested
   *   struct can be assigned, too; in TypeScript use `write` or `set` for that.
   * - The view of a struct or array is assigned to a place of the same layout as bytes, whatever is in
   *   them. So is a typed array to an array of the same numbers.
   * - The fields are own properties, as of a plain object: spread, `Object.entries`, deep comparison and
   *   `structuredClone` see them. A clone of a typed array holds a copy of its whole buffer; clone what
   *   `read` returns to avoid that, and where an array that is not a typed array has more than 4096
   *   elements, or structs with more than 4096 fields in all: its clone is a `DataCloneError`.
   * - In JSON an integer beyond 2^53 - 1 is a string of its digits, and NaN, the infinities and -0 are
   *   their names.
   * - After the memory is gone (segment detached, buffer transferred) every field throws a `TypeError`
   *   with that reason. Typed arrays obtained before are empty then.
   * - Making a view takes about a third of a microsecond for each field. Keep it for as long as the memory
   *   is attached; `read` costs less for a single look.
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
  view(
    buffer: ArrayBufferLike,
    offset: number | undefined,
    options: { readonly readOnly: true },
  ): ReadonlyStructView<F>;
  /** Returns a live view that can be written to, unless `options` say otherwise at run time. */
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
   * zero. A view is also a valid value: one of the same layout is copied as bytes, with its padding, and
   * text that is not UTF-8 or has no NUL stays as it is.
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
   * A struct that messages can be of has its message type with it, for peers of `Channel.of` in C:
   * `#define Point_MESSAGE_TYPE "..."`, the option `type` of `c/shm_channel.h`.
   *
   * gcc warns rightly (`-Wpacked-not-aligned`) if a packed struct contains a struct with `align`. A field
   * whose name is a keyword of C++ alone makes it C text. So does an empty struct: its size in C++ is 1.
   *
   * @throws {TypeError} `name` is not a C identifier, or has a meaning in C, in C++ or in the headers of
   * the text; compilers or these headers define the name of a field as a macro; or an anonymous member has
   * another `pack` than the struct around it.
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

/** A copy of elements: of numbers it is an array or a typed array, otherwise an array. */
export type ArrayCopy<T> = [T] extends [number | bigint] ? ArrayLike<T> & Iterable<T> : T[];

/**
 * An array in a live view, as far as it can be read: a typed array where possible, and otherwise a real
 * array of fixed length. Code written for the interface works with both.
 *
 * The elements of an array of structs, or of arrays, are their views. They are made at the first access to
 * the array, or one by one if there are many. Every other element is read from the memory at each access.
 * Reading by index is slow there, as V8 has no fast way: about 100 ns, and `at(index)` and `for...of` take
 * about 10.
 *
 * Assigning to an index that does not exist, or to an element that is a view, throws a `TypeError`. Unless
 * there are many, its text is the engine's, without the field's name: a check would slow down each access.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, bool, struct } from "@sysv/shm";
 * import type { ReadonlyArrayView } from "@sysv/shm/layout";
 *
 * const Panel = struct({ lamps: array(bool, 3) });
 * const bytes = Uint8Array.of(0, 1, 1);
 * const lamps: ReadonlyArrayView<boolean> = Panel.view(bytes.buffer, 0, { readOnly: true }).lamps;
 * assert.deepEqual(lamps.map((lit) => lit ? "on" : "off"), ["off", "on", "on"]);
 * assert.equal(JSON.stringify(lamps), "[false,true,true]");
 * ```
 */
export interface ReadonlyArrayView<T> {
  /** The number of elements. */
  readonly length: number;
  /** The element at this index, or `undefined` past the end. */
  readonly [index: number]: T;
  /** Returns the element at this index, from the end if negative; `undefined` if out of range. */
  at(index: number): T | undefined;
  /** Iterates over the elements in order. */
  [Symbol.iterator](): IterableIterator<T>;
  /** As of an array. */
  entries(): IterableIterator<[number, T]>;
  /** As of an array. */
  keys(): IterableIterator<number>;
  /** As of an array. */
  values(): IterableIterator<T>;
  /** As of an array. */
  forEach(visit: (value: T, index: number) => void): void;
  /** As of an array, or of a typed array for numbers and `bigint`s. The result is a copy. */
  readonly map: [T] extends [number | bigint]
    ? (convert: (value: T, index: number) => T) => ArrayCopy<T>
    : <U>(convert: (value: T, index: number) => U) => U[];
  /** As of an array, or of a typed array for numbers and `bigint`s. The result is a copy. */
  filter(test: (value: T, index: number) => boolean): ArrayCopy<T>;
  /** As of an array, or of a typed array for numbers and `bigint`s. The result is a copy. */
  slice(start?: number, end?: number): ArrayCopy<T>;
  /** As of an array. */
  find(test: (value: T, index: number) => boolean): T | undefined;
  /** As of an array. */
  findIndex(test: (value: T, index: number) => boolean): number;
  /** As of an array. */
  findLast(test: (value: T, index: number) => boolean): T | undefined;
  /** As of an array. */
  findLastIndex(test: (value: T, index: number) => boolean): number;
  /** As of an array. */
  some(test: (value: T, index: number) => boolean): boolean;
  /** As of an array. */
  every(test: (value: T, index: number) => boolean): boolean;
  /** As of an array. */
  includes(value: T, from?: number): boolean;
  /** As of an array. */
  indexOf(value: T, from?: number): number;
  /** As of an array. */
  lastIndexOf(value: T): number;
  /** As of an array. */
  reduce<U>(combine: (result: U, value: T, index: number) => U, start: U): U;
  /** As of an array. */
  join(separator?: string): string;
}

/**
 * An array of structs or arrays in a writable view. Its elements are their views, which can be written to.
 * Assigning to an index throws a `TypeError`. Copy into the element with `set`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, i32, struct } from "@sysv/shm";
 *
 * const Point = struct({ x: i32, y: i32 });
 * const { points } = struct({ points: array(Point, 3) }).view(new ArrayBuffer(24));
 * points[0]!.x = 7;
 * points.set([{ x: 1, y: 2 }, points[0]!], 1);
 * assert.deepEqual(points.map(({ x }) => x), [7, 1, 7]);
 * ```
 */
export interface ArrayOfViews<T, Input = T> extends ReadonlyArrayView<T> {
  /**
   * Writes these elements, starting at the index `offset`. Views of the same layout are copied as bytes.
   *
   * @throws {RangeError} They do not fit, or one of them is out of range.
   */
  set(values: ArrayLike<Input>, offset?: number): void;
}

/**
 * An array of numbers, booleans, characters or texts in a writable view.
 *
 * What is a typed array, and what is not, differ in one way: writing an index or value out of range throws
 * here, as everywhere in a view. A typed array ignores such an index and wraps such a value.
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
export interface ArrayView<T, Input = T> extends ArrayOfViews<T, Input> {
  /** The element at this index, or `undefined` past the end. */
  [index: number]: T;
}

/**
 * The layout of a C union, as `union` returns it. All its fields begin at its first byte. Its methods are
 * those of {@linkcode StructLayout}, with these differences:
 *
 * - `read` returns all members, each decoded from the same bytes. Only the caller can say which one is valid.
 * - `write` takes an object with exactly one member; the other bytes of the union become zero.
 *
 * The setter of one field of a view writes only the bytes of this field, as in C.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, f32, struct, u32, u8 } from "@sysv/shm";
 * import { union } from "@sysv/shm/layout";
 *
 * const Word = union({ number: f32, bits: u32, bytes: array(u8, 4) });
 * const Cell = struct({ kind: u8, word: Word });
 * const buffer = new ArrayBuffer(Cell.size);
 * Cell.write(buffer, { kind: 1, word: { number: 1 } });
 * assert.equal(Cell.view(buffer).word.bits, 0x3f800000);
 * ```
 */
export interface UnionLayout<F extends Fields> extends AnyStructLayout {
  /** Distinguishes the kinds of layouts. */
  readonly kind: "union";
  /** The fields, all at offset 0, in order; those of anonymous members are among them. */
  readonly fields: { readonly [K in keyof Named<F>]: Field<Named<F>[K]> };
  /** Returns a live view, see {@linkcode StructLayout}. Its fields alias the same bytes. */
  view(
    buffer: ArrayBufferLike,
    offset: number | undefined,
    options: { readonly readOnly: true },
  ): ReadonlyStructView<F>;
  /** Returns a live view that can be written to, unless `options` say otherwise at run time. */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): StructView<F>;
  /** Returns a copy of all members, see {@linkcode StructLayout}. */
  read(buffer: ArrayBufferLike, offset?: number): StructValue<F>;
  /** Writes one member, see {@linkcode StructLayout}. */
  write(buffer: ArrayBufferLike, value: UnionInput<F>, offset?: number): void;
  /** Returns the union as C text, see {@linkcode StructLayout}. */
  declare(name: string): string;
}

/** The fields of an anonymous member. A bit-field without a name has none. */
export type PromotedFields<L> = L extends AnonymousLayout<infer Inner>
  ? Inner extends StructLayout<infer F> | UnionLayout<infer F> ? Named<F> : unknown
  : never;

/** The intersection of the members of a union type. */
export type Intersection<U> = (U extends unknown ? (u: U) => void : never) extends
  (i: infer I) => void ? I
  : never;

/** The names of the fields whose layouts are of the kind `L`. */
export type KeysOf<F, L> = { [K in keyof F]: F[K] extends L ? K : never }[keyof F];

/** The fields by their names in C: those of anonymous members are fields of the struct. */
export type Named<F extends Fields> = [KeysOf<F, AnonymousLayout>] extends [never] ? F
  :
    & Omit<F, KeysOf<F, AnonymousLayout>>
    & Intersection<PromotedFields<F[KeysOf<F, AnonymousLayout>]>>;

/** The type of the live view of a struct or union with these fields. */
export type StructView<F extends Fields> = {
  -readonly [K in keyof Named<F>]: ViewOf<Named<F>[K]>;
};

/** The type of the read-only live view of a struct or union with these fields. */
export type ReadonlyStructView<F extends Fields> = {
  readonly [K in keyof Named<F>]: ReadonlyViewOf<Named<F>[K]>;
};

/** The type of the plain copy of a struct or union with these fields; a flexible array is not in it. */
export type StructValue<F extends Fields> = {
  -readonly [K in keyof Named<F> as Named<F>[K] extends FlexibleLayout ? never : K]: ValueOf<
    Named<F>[K]
  >;
};

/** The fields that a value of a struct or union gives by name. */
export type NamedInput<F extends Fields> = {
  readonly [K in keyof F as F[K] extends FlexibleLayout | AnonymousLayout ? never : K]: InputOf<
    F[K]
  >;
};

/** The type of what a value gives for the anonymous members of a struct. */
export type AnonymousInput<F extends Fields> = [KeysOf<F, AnonymousLayout>] extends [never]
  ? unknown
  : Intersection<AnonymousMemberInput<F[KeysOf<F, AnonymousLayout>]>>;

/** The type of what a value gives for one anonymous member. */
export type AnonymousMemberInput<L> = L extends AnonymousLayout<infer Inner>
  ? Inner extends StructLayout<infer F> ? StructInput<F>
  : Inner extends UnionLayout<infer F> ? UnionInput<F>
  : unknown
  : never;

/** The type of values that can be written to a struct with these fields; a flexible array is not in it. */
export type StructInput<F extends Fields> = NamedInput<F> & AnonymousInput<F>;

/** The type of values that can be written to a union with these fields: exactly one of them. */
export type UnionInput<F extends Fields> = Partial<NamedInput<F>> & Partial<AnonymousInput<F>>;

/** The view of a flexible array. An array of `char` is bytes: where text ends is not part of the layout. */
export type FlexibleView<E> = E extends ScalarLayout<string> ? ArrayView<number>
  : ViewOf<ArrayLayout<E extends Layout ? E : never>>;

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
export type ViewOf<L> = [Layout] extends [L] ? unknown
  : L extends ScalarLayout<infer T> ? T
  : L extends CStringLayout ? string
  : L extends ArrayLayout<infer E>
    ? E extends ScalarLayout | CStringLayout ? ArrayView<ViewOf<E>, InputOf<E>>
    : ArrayOfViews<ViewOf<E>, InputOf<E>>
  : L extends FlexibleLayout<infer E> ? FlexibleView<E>
  : L extends BitsLayout<infer T> ? T
  : L extends AlignedLayout<infer Inner> ? ViewOf<Inner>
  : L extends StructLayout<infer F> | UnionLayout<infer F> ? StructView<F>
  : never;

/**
 * The type of a layout in a read-only live view.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { array, struct, u8 } from "@sysv/shm";
 * import type { ReadonlyViewOf } from "@sysv/shm/layout";
 *
 * const Packet = struct({ data: array(u8, 2) });
 * function sum(packet: ReadonlyViewOf<typeof Packet>): number {
 *   return packet.data.reduce((sum, byte) => sum + byte, 0);
 * }
 *
 * const bytes = Uint8Array.of(3, 4);
 * assert.equal(sum(Packet.view(bytes.buffer, 0, { readOnly: true })), 7);
 * assert.equal(sum(Packet.view(bytes.buffer)), 7);
 * ```
 */
export type ReadonlyViewOf<L> = [Layout] extends [L] ? unknown
  : L extends ScalarLayout<infer T> ? T
  : L extends CStringLayout ? string
  : L extends ArrayLayout<infer E> ? ReadonlyArrayView<ReadonlyViewOf<E>>
  : L extends FlexibleLayout<infer E>
    ? ReadonlyArrayView<E extends ScalarLayout<string> ? number : ReadonlyViewOf<E>>
  : L extends BitsLayout<infer T> ? T
  : L extends AlignedLayout<infer Inner> ? ReadonlyViewOf<Inner>
  : L extends StructLayout<infer F> | UnionLayout<infer F> ? ReadonlyStructView<F>
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
  : L extends BitsLayout<infer T> ? T
  : L extends AlignedLayout<infer Inner> ? ValueOf<Inner>
  : L extends StructLayout<infer F> | UnionLayout<infer F> ? StructValue<F>
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
  : L extends CStringLayout ? string | Uint8Array
  : L extends ArrayLayout<infer E> ? ArrayLike<InputOf<E>>
  : L extends BitsLayout<infer T> ? T
  : L extends AlignedLayout<infer Inner> ? InputOf<Inner>
  : L extends StructLayout<infer F> ? StructInput<F>
  : L extends UnionLayout<infer F> ? UnionInput<F>
  : never;
