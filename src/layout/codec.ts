/**
 * Copies between memory and plain values. Internal: used by `struct`, and by the views when a whole array
 * or nested struct is assigned, printed or converted to JSON.
 *
 * `load` and `store` go through a private copy of the bytes. In `load`, no peer can change the bytes while
 * they are decoded. In `store`, a refused value leaves the memory unchanged, even if reading the value
 * runs code of the caller. A value that already has the bytes, such as a view of the same layout, is
 * copied as bytes.
 *
 * The functions that decode and encode a layout are made once for each layout, at its first use.
 */

import { lengthOf } from "./arguments.ts";
import { readText, writeText } from "./c_string.ts";
import type { AnyStructLayout, ArrayLayout, Layout } from "./layout.ts";
import { LiveMemory } from "./live_memory.ts";
import { membersOf } from "./members.ts";
import { gone, mistyped, outOfRange } from "./refusal.ts";

/** How many elements of an array `console.log` prints. */
const PRINTED = 100;

/** The largest length of a JavaScript array. */
const LONGEST_ARRAY = 2 ** 32 - 1;

/** Decodes a value. `limit` bounds the elements read from each array; the others are holes. */
type Decode = (data: DataView, at: number, limit: number) => unknown;

/** The memory that a value will be written to: its byte 0 is byte `start` of `data`. */
export interface Target {
  readonly data: DataView;
  readonly start: number;
}

/**
 * Encodes `value` at `at` of private memory of zeros. Errors contain `name`. Texts that `target` has can be
 * kept.
 */
type Encode = (
  data: DataView,
  at: number,
  value: unknown,
  name: string,
  target: Target,
) => void;

interface Codec {
  readonly decode: Decode;
  readonly encode: Encode;
}

const codecs = new WeakMap<Layout, Codec>();

function codecOf(layout: Layout): Codec {
  let codec = codecs.get(layout);
  if (codec === undefined) codecs.set(layout, codec = makeCodec(layout));
  return codec;
}

function makeCodec(layout: Layout): Codec {
  switch (layout.kind) {
    case "scalar":
    case "bits": {
      const { get, set } = layout;
      return { decode: get, encode: (data, at, value, name) => set(data, at, value, name) };
    }
    case "cString":
      return {
        decode: (data, at) => readText(data, at, layout.size),
        encode: (data, at, value, name, target) =>
          writeText(data, at, layout, value, name, target.data, target.start + at),
      };
    case "array":
      return arrayCodec(layout);
    case "flexible":
      return {
        decode: () => undefined,
        encode: (_data, _at, _value, name) => {
          throw new TypeError(`"${name}" is a flexible array: write to it in a view`);
        },
      };
    default:
      return { decode: recordDecoder(layout), encode: recordEncoder(layout) };
  }
}

function arrayCodec(layout: ArrayLayout): Codec {
  const { element, length } = layout;
  const { decode } = codecOf(element);
  const { size } = element;
  const encode = elementsEncoder(element);
  return {
    decode(data, at, limit): unknown[] {
      const count = Math.min(length, limit);
      const values: unknown[] = [];
      for (let i = 0; i < count; i++) values.push(decode(data, at + i * size, limit));
      if (count < length) values.length = Math.min(length, LONGEST_ARRAY);
      return values;
    },
    encode(data, at, value, name, target): void {
      const { values, length: count } = arrayLike(value, element, name);
      if (count !== length) {
        throw new RangeError(`"${name}" takes ${length} elements, got ${count}`);
      }
      if (!copyBytes(layout, value, data, at)) encode(data, at, values, length, name, target);
    },
  };
}

/**
 * The name of what is inside of an element. Making the names of all elements costs more than to encode
 * them. So an element is encoded without a name first, and with its name if it was refused.
 */
const UNNAMED = "?";

type EncodeElements = (
  data: DataView,
  at: number,
  values: ArrayLike<unknown>,
  length: number,
  name: string,
  target: Target,
) => void;

function elementsEncoder(element: Layout): EncodeElements {
  const { size } = element;
  if (element.kind === "scalar") {
    const { set } = element;
    return (data, at, values, length, name) => {
      for (let i = 0; i < length; i++) set(data, at + i * size, values[i], name, i);
    };
  }
  const { encode } = codecOf(element);
  return (data, at, values, length, name, target) => {
    for (let i = 0; i < length; i++) {
      const place = at + i * size;
      if (name === UNNAMED) {
        encode(data, place, values[i], UNNAMED, target);
        continue;
      }
      try {
        encode(data, place, values[i], UNNAMED, target);
      } catch {
        bytesOf(data, place, size).fill(0);
        encode(data, place, values[i], `${name}[${i}]`, target);
      }
    }
  };
}

/** A class for the plain objects of one struct: one of a class are made three times as fast. */
function recordDecoder(layout: AnyStructLayout): Decode {
  const fields = Object.entries(layout.fields)
    .filter(([, field]) => field.layout.kind !== "flexible")
    .map(([name, { offset, layout }]) => ({ name, offset, decode: codecOf(layout).decode }));
  function Value(this: Record<string, unknown>, data: DataView, at: number, limit: number): void {
    for (let i = 0; i < fields.length; i++) {
      const { name, offset, decode } = fields[i]!;
      this[name] = decode(data, at + offset, limit);
    }
  }
  Value.prototype = Object.prototype;
  const Plain = Value as unknown as new (data: DataView, at: number, limit: number) => object;
  return (data, at, limit) => new Plain(data, at, limit);
}

function recordEncoder(layout: AnyStructLayout): Encode {
  const encodeMembers = membersEncoder(layout);
  const names = Object.keys(layout.fields);
  const known = new Set(names);
  return (data, at, value, name, target) => {
    if (typeof value !== "object" || value === null) {
      throw mistyped(name === "" ? "value" : name, "an object with a value for each field", value);
    }
    if (copyBytes(layout, value, data, at)) return;
    const prefix = name === "" || name === UNNAMED ? name : `${name}.`;
    const keys = Object.keys(value);
    for (let i = 0; i < keys.length; i++) {
      // Mostly the keys are the names in their order
      if (keys[i] !== names[i] && !known.has(keys[i]!)) {
        throw new TypeError(`"${prefix}${keys[i]}" is not a field of this ${layout.kind}`);
      }
    }
    encodeMembers(data, at, value as Record<string, unknown>, prefix, target);
  };
}

type EncodeMembers = (
  data: DataView,
  at: number,
  record: Record<string, unknown>,
  prefix: string,
  target: Target,
) => void;

/** Encodes the members. The values of anonymous members are in the same `record`. */
function membersEncoder(layout: AnyStructLayout): EncodeMembers {
  const members = membersOf(layout).map((member) => ({
    ...member,
    flexible: member.layout.kind === "flexible",
    inner: "fields" in member.layout ? Object.keys(member.layout.fields) : [],
    encode: codecOf(member.layout).encode,
    encodeMembers: member.name === undefined && "fields" in member.layout
      ? membersEncoder(member.layout)
      : undefined,
  }));
  type Part = typeof members[number];

  const encodeMember = (
    { name, offset, flexible, encode, encodeMembers }: Part,
    data: DataView,
    at: number,
    record: Record<string, unknown>,
    prefix: string,
    target: Target,
  ): void => {
    if (name === undefined) return encodeMembers?.(data, at + offset, record, prefix, target);
    const value = record[name];
    if (value === undefined && !(name in record)) {
      if (flexible) return;
      throw new TypeError(`"${prefix}${name}" is missing`);
    }
    const path = prefix === "" ? name : prefix === UNNAMED ? UNNAMED : prefix + name;
    encode(data, at + offset, value, path, target);
  };

  if (layout.kind === "struct") {
    return (data, at, record, prefix, target) => {
      for (let i = 0; i < members.length; i++) {
        encodeMember(members[i]!, data, at, record, prefix, target);
      }
    };
  }
  return (data, at, record, prefix, target) => {
    const given = members.filter(({ name, inner }) =>
      name !== undefined ? name in record : inner.some((field) => field in record)
    );
    const names = Object.keys(layout.fields);
    if (given.length !== 1 && names.length > 0) {
      const got = names.filter((name) => name in record);
      throw new TypeError(
        `a value of a union has one member of ${
          names.map((name) => `"${prefix}${name}"`).join(", ")
        }, got ${got.length === 0 ? "none" : got.map((name) => `"${name}"`).join(" and ")}`,
      );
    }
    for (const member of given) encodeMember(member, data, at, record, prefix, target);
  };
}

function arrayLike(value: unknown, element: Layout, name: string): {
  readonly values: ArrayLike<unknown>;
  readonly length: number;
} {
  if (typeof value === "string" && element.kind === "scalar" && element.name === "char") {
    return { values: value, length: value.length };
  }
  if (typeof value === "object" && value !== null && "length" in value) {
    const { length } = value;
    if (typeof length === "number" && Number.isSafeInteger(length) && length >= 0) {
      return { values: value as ArrayLike<unknown>, length };
    }
  }
  throw mistyped(name, "an array", value);
}

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
function sourceBytes(layout: Layout, value: unknown): Uint8Array | undefined {
  const memory = LiveMemory.of(value);
  if (memory !== undefined) {
    return isSame(memory.layout, layout) ? bytesOf(memory.data, 0, layout.size) : undefined;
  }
  if (layout.kind !== "array" || !isTyped(layout.element, value)) return undefined;
  if (lengthOf(value) !== layout.length) return undefined;
  return new Uint8Array(value.buffer, value.byteOffset, layout.size);
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
function copyBytes(layout: Layout, value: unknown, data: DataView, at: number): boolean {
  const bytes = sourceBytes(layout, value);
  if (bytes === undefined) return false;
  bytesOf(data, at, layout.size).set(bytes);
  return true;
}

function bytesOf(data: DataView, at: number, size: number): Uint8Array {
  try {
    return new Uint8Array(data.buffer, data.byteOffset + at, size);
  } catch {
    throw gone();
  }
}

/** The largest value that is copied in words: a typed array over the memory costs about 100 ns. */
const LONGEST_IN_WORDS = 128;

function copy(from: DataView, fromAt: number, to: DataView, toAt: number, size: number): void {
  if (size > LONGEST_IN_WORDS) {
    return bytesOf(to, toAt, size).set(bytesOf(from, fromAt, size));
  }
  try {
    let i = 0;
    for (; i + 4 <= size; i += 4) to.setInt32(toAt + i, from.getInt32(fromAt + i));
    for (; i < size; i++) to.setUint8(toAt + i, from.getUint8(fromAt + i));
  } catch {
    throw gone();
  }
}

/** Memory for one value at a time: allocating it costs more than most copies. */
const scratch = new DataView(new ArrayBuffer(4096));
const ZEROS = new DataView(new ArrayBuffer(scratch.byteLength));
let scratchIsFree = true;

/** Calls `use` with `size` bytes of private memory. A value inside another, or a long one, gets its own. */
function withPrivateMemory<T>(size: number, use: (memory: DataView) => T): T {
  if (size > scratch.byteLength || !scratchIsFree) return use(new DataView(new ArrayBuffer(size)));
  scratchIsFree = false;
  try {
    return use(scratch);
  } finally {
    scratchIsFree = true;
  }
}

/** Returns a plain copy of the value at `at`. */
export function load(layout: Layout, data: DataView, at: number): unknown {
  const { decode } = codecOf(layout);
  return withPrivateMemory(layout.size, (bytes) => {
    copy(data, at, bytes, 0, layout.size);
    return decode(bytes, 0, Infinity);
  });
}

/** Returns a plain copy of the value in `data`, memory that no other process can change. */
export function decodeOwn(layout: Layout, data: DataView): unknown {
  return codecOf(layout).decode(data, 0, Infinity);
}

/**
 * Writes a value into memory of `layout.size` bytes that no other process can change. Clears it first: no
 * value depends on the one before. If it throws, the memory may hold a part of the value.
 */
export function encodeOwn(layout: Layout, target: Target, value: unknown): void {
  const { data, start } = target;
  if (copyBytes(layout, value, data, start)) return;
  const { size } = layout;
  if (size <= LONGEST_IN_WORDS) copy(ZEROS, 0, data, start, size);
  else bytesOf(data, start, size).fill(0);
  codecOf(layout).encode(data, start, value, "", target);
}

/**
 * Returns the value for `console.log`. It decodes directly from the memory and only the printed elements,
 * so that printing a view of a gigabyte copies only a little.
 */
export function glimpse(layout: Layout, data: DataView): unknown {
  return codecOf(layout).decode(data, 0, PRINTED);
}

/**
 * Writes a value at `at`. It writes nothing if it throws. Errors contain `name`. A text without room is
 * kept where the memory has that text already, so that what was read can be written back.
 */
export function assign(
  layout: Layout,
  data: DataView,
  at: number,
  value: unknown,
  name: string,
): void {
  if (copyBytes(layout, value, data, at)) return;
  const { encode } = codecOf(layout);
  const target = { data, start: at };
  writeEncoded(layout.size, data, at, (encoded) => encode(encoded, 0, value, name, target));
}

/** Lets `encode` fill `size` bytes of zeros, and writes them to `at`. */
function writeEncoded(
  size: number,
  data: DataView,
  at: number,
  encode: (encoded: DataView) => void,
): void {
  withPrivateMemory(size, (encoded) => {
    if (encoded === scratch) copy(ZEROS, 0, scratch, 0, size);
    encode(encoded);
    copy(encoded, 0, data, at, size);
  });
}

/** Writes elements of an array of a view, which has `length` of them, from index `offset` on, or none. */
export function assignElements(
  element: Layout,
  length: number,
  data: DataView,
  value: unknown,
  offset: number,
  name: string,
): void {
  const { values, length: count } = arrayLike(value, element, name);
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw outOfRange(`${name}.set`, "a non-negative integer offset", offset);
  }
  if (offset + count > length) {
    throw new RangeError(
      `"${name}" has ${length} elements, got ${count} to write from index ${offset} on`,
    );
  }
  const start = offset * element.size;
  const size = count * element.size;
  const { alignment } = element;
  const part: ArrayLayout = { kind: "array", element, length: count, size, alignment };
  if (copyBytes(part, value, data, start)) return;
  const encode = elementsEncoder(element);
  const target = { data, start };
  // Errors contain the index in `value`.
  writeEncoded(size, data, start, (encoded) => encode(encoded, 0, values, count, name, target));
}
