/**
 * C structs as values: sizes, offsets, live views and plain values of them. It needs no permission and no
 * Linux.
 *
 * @example Read a C struct out of bytes
 * ```ts
 * import { cString, i32, struct } from "@sysv/shm/layout";
 * import assert from "node:assert/strict";
 *
 * const Job = struct({ done: i32, name: cString(28) });
 * const bytes = new ArrayBuffer(Job.size);
 * Job.write(bytes, { done: 42, name: "build" });
 * assert.deepEqual(Job.read(bytes), { done: 42, name: "build" });
 * ```
 *
 * @module
 */

export { aligned } from "./aligned.ts";
export { anonymous } from "./anonymous.ts";
export { array } from "./array.ts";
export { u16be, u32be, u64be } from "./big_endian.ts";
export { bits } from "./bits.ts";
export { bytesOf } from "./bytes_of.ts";
export { cString } from "./c_string.ts";
export { flexible } from "./flexible.ts";
export { bool, char, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./scalar.ts";
export { struct } from "./struct.ts";
export { union } from "./union.ts";
export type {
  AlignedLayout,
  AnonymousInput,
  AnonymousLayout,
  AnonymousMemberInput,
  AnyStructLayout,
  ArrayCopy,
  ArrayLayout,
  ArrayOfViews,
  ArrayView,
  BitsLayout,
  CStringLayout,
  CStringOptions,
  Field,
  FieldLayout,
  Fields,
  FlexibleLayout,
  FlexibleView,
  InputOf,
  Intersection,
  KeysOf,
  Layout,
  Member,
  Named,
  NamedInput,
  Pack,
  PromotedFields,
  ReadonlyArrayView,
  ReadonlyStructView,
  ReadonlyViewOf,
  Scalar,
  ScalarLayout,
  ScalarName,
  StructInput,
  StructLayout,
  StructOptions,
  StructValue,
  StructView,
  UnionInput,
  UnionLayout,
  ValueOf,
  ViewOf,
  ViewOptions,
} from "./layout.ts";
