/**
 * Values that already have the bytes of a layout: they are copied as bytes, whatever is in them. Internal.
 */

import { lengthOf } from "./arguments.ts";
import type { Layout } from "./layout.ts";
import { LiveMemory } from "./live_memory.ts";
import { gone } from "./refusal.ts";

/** The typed arrays whose bytes are those of elements of a scalar, by its name. */
const TYPED: Readonly<Record<string, string>> = {
  i8: "Int8Array",
  u8: "Uint8Array",
  i16: "Int16Array",
  u16: "Uint16Array",
  i32: "Int32Array",
  u32: "Uint32Array",
  i64: "BigInt64Array",
  u64: "BigUint64Array",
  f32: "Float32Array",
  f64: "Float64Array",
};

/** The engine's own getter, which an object that only looks like a typed array cannot deceive. */
const { get: typedArrayName } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!;

/** Returns the bytes of `value` if they are those of a value of this layout, and `undefined` otherwise. */
export function sourceBytes(layout: Layout, value: unknown): Uint8Array | undefined {
  if (isPlain(value)) return undefined;
  const memory = LiveMemory.of(value);
  if (memory !== undefined) {
    return isSame(memory.layout, layout) ? bytesOf(memory.data, 0, layout.size) : undefined;
  }
  if (layout.kind !== "array" || !isTyped(layout.element, value)) return undefined;
  if (lengthOf(value) !== layout.length) return undefined;
  return new Uint8Array(value.buffer, value.byteOffset, layout.size);
}

/**
 * Whether this is certainly no view: most values are plain objects, and the constructor of a view is never
 * `Object`. V8 takes 30 ns to find that an object does not have the private field of a view.
 */
function isPlain(value: unknown): boolean {
  return typeof value === "object" && value !== null && value.constructor === Object;
}

function isTyped(element: Layout, value: unknown): value is Uint8Array {
  return element.kind === "scalar" && ArrayBuffer.isView(value) &&
    typedArrayName!.call(value) === TYPED[element.name];
}

/** Whether equal bytes mean equal values. */
function isSame(one: Layout, other: Layout): boolean {
  if (one === other) return true;
  if (one.kind !== "array" || other.kind !== "array") {
    return one.kind === "cString" && other.kind === "cString" && one.size === other.size;
  }
  return one.length === other.length && isSame(one.element, other.element);
}

/** Copies the bytes of `value` to `at`, if it has those of a value of this layout. */
export function copyBytes(layout: Layout, value: unknown, data: DataView, at: number): boolean {
  const bytes = sourceBytes(layout, value);
  if (bytes === undefined) return false;
  bytesOf(data, at, layout.size).set(bytes);
  return true;
}

/** The bytes of a value at `at`. */
export function bytesOf(data: DataView, at: number, size: number): Uint8Array {
  try {
    return new Uint8Array(data.buffer, data.byteOffset + at, size);
  } catch {
    throw gone();
  }
}
