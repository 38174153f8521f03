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
import type { AnyStructLayout, ArrayLayout, Layout, Scalar, ScalarName } from "./layout.ts";
import { LiveMemory } from "./live_memory.ts";
import { membersOf } from "./members.ts";
import { gone, mistyped, outOfRange } from "./refusal.ts";

/** How many elements of an array `console.log` prints. */
const PRINTED = 100;

/** The largest length of a JavaScript array. */
const LONGEST_ARRAY = 2 ** 32 - 1;

/** Decodes a value. `limit` bounds the elements read from each array; the others are holes. */
type Decode = (data: DataView, at: number, limit: number) => unknown;

/** Memory that no other process can change. Both begin at the same byte. */
export interface OwnMemory {
  readonly bytes: Uint8Array;
  readonly data: DataView;
}

/**
 * Encodes `value` at `at` of private memory of zeros. Errors contain `name`. Texts that `target` has, the
 * memory that the whole will be written to, can be kept.
 */
type Encode = (
  data: DataView,
  at: number,
  value: unknown,
  name: string,
  target: Uint8Array,
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
          writeText(data, at, layout, value, name, target, at),
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
  const scalar = element.kind === "scalar" ? element.name : undefined;
  const encode = elementsEncoder(element);
  return {
    decode(data, at, limit): unknown[] {
      const count = Math.min(length, limit);
      const values: unknown[] = [];
      for (let i = 0; i < count; i++) {
        const place = at + i * size;
        values.push(
          scalar === undefined ? decode(data, place, limit) : scalarAt(data, place, scalar),
        );
      }
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
  target: Uint8Array,
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

/**
 * Reads a scalar, as its `get` does, without a call: V8 calls a function slowly from a place that calls
 * many, and does not inline it. Missing memory throws the engine's error.
 */
function scalarAt(data: DataView, at: number, name: ScalarName): Scalar {
  switch (name) {
    case "i32":
      return data.getInt32(at, true);
    case "u32":
      return data.getUint32(at, true);
    case "u8":
      return data.getUint8(at);
    case "f64":
      return data.getFloat64(at, true);
    case "u64":
      return data.getBigUint64(at, true);
    case "i64":
      return data.getBigInt64(at, true);
    case "u16":
      return data.getUint16(at, true);
    case "i16":
      return data.getInt16(at, true);
    case "bool":
      return data.getUint8(at) !== 0;
    case "f32":
      return data.getFloat32(at, true);
    case "i8":
      return data.getInt8(at);
    case "char":
      return String.fromCharCode(data.getUint8(at));
    case "u16be":
      return data.getUint16(at);
    case "u32be":
      return data.getUint32(at);
    case "u64be":
      return data.getBigUint64(at);
  }
}

/** A class for the plain objects of one struct: one of a class are made three times as fast. */
function recordDecoder(layout: AnyStructLayout): Decode {
  const fields = Object.entries(layout.fields)
    .filter(([, field]) => field.layout.kind !== "flexible")
    .map(([name, { offset, layout }]) => ({
      name,
      offset,
      scalar: layout.kind === "scalar" ? layout.name : undefined,
      decode: codecOf(layout).decode,
    }));
  function Value(this: Record<string, unknown>, data: DataView, at: number, limit: number): void {
    for (let i = 0; i < fields.length; i++) {
      const { name, offset, scalar, decode } = fields[i]!;
      const place = at + offset;
      this[name] = scalar === undefined
        ? decode(data, place, limit)
        : scalarAt(data, place, scalar);
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
    let i = 0;
    // It costs less than Object.keys. Mostly the keys are the names in their order
    for (const key in value) {
      if (key !== names[i++] && !known.has(key) && Object.hasOwn(value, key)) {
        throw new TypeError(`"${prefix}${key}" is not a field of this ${layout.kind}`);
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
  target: Uint8Array,
) => void;

/** Encodes the members. The values of anonymous members are in the same `record`. */
function membersEncoder(layout: AnyStructLayout): EncodeMembers {
  const members = membersOf(layout).map(({ name, offset, layout: part }) => ({
    name,
    offset,
    flexible: part.kind === "flexible",
    inner: "fields" in part ? Object.keys(part.fields) : [],
    set: part.kind === "scalar" ? part.set : undefined,
    encode: codecOf(part).encode,
    encodeMembers: name === undefined && "fields" in part ? membersEncoder(part) : undefined,
  }));
  type Part = typeof members[number];

  const encodeMember = (
    { name, offset, flexible, set, encode, encodeMembers }: Part,
    data: DataView,
    at: number,
    record: Record<string, unknown>,
    prefix: string,
    target: Uint8Array,
  ): void => {
    if (name === undefined) return encodeMembers?.(data, at + offset, record, prefix, target);
    const value = record[name];
    if (value === undefined && !(name in record)) {
      if (flexible) return;
      throw new TypeError(`"${prefix}${name}" is missing`);
    }
    const path = prefix === "" ? name : prefix === UNNAMED ? UNNAMED : prefix + name;
    if (set !== undefined) set(data, at + offset, value, path);
    else encode(data, at + offset, value, path, target);
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

/** The bytes of a value at `at`. */
export function bytesOf(data: DataView, at: number, size: number): Uint8Array {
  try {
    return new Uint8Array(data.buffer, data.byteOffset + at, size);
  } catch {
    throw gone();
  }
}

/** The longest value whose memory for a copy is reused: allocating it costs more than most copies. */
const REUSED = 4096;

/** The longest value that is copied byte by byte: the engine's copy costs about 50 ns more. */
const FEW_BYTES = 48;

/** The longest value that is cleared in words: calling the engine costs as much. */
const FEW_WORDS = 512;

function ownMemory(size: number): OwnMemory {
  const bytes = new Uint8Array(size);
  return { bytes, data: new DataView(bytes.buffer) };
}

const forReading = ownMemory(REUSED);
const forWriting = ownMemory(REUSED);
/** A value can run code of the caller, which writes another value. */
let isWriting = false;

/** Returns a plain copy of the value in `bytes`. No code of the caller runs in it. */
export function load(layout: Layout, bytes: Uint8Array): unknown {
  const { bytes: copy, data } = bytes.length > REUSED ? ownMemory(bytes.length) : forReading;
  copy.set(bytes);
  return decodeOwn(layout, data);
}

/** Returns a plain copy of the value in `data`, memory that no other process can change. */
export function decodeOwn(layout: Layout, data: DataView): unknown {
  return codecOf(layout).decode(data, 0, Infinity);
}

/**
 * Writes a value into memory of `layout.size` bytes that no other process can change. Clears it first: no
 * value depends on the one before. If it throws, the memory may hold a part of the value.
 */
export function encodeOwn(layout: Layout, memory: OwnMemory, value: unknown): void {
  const { bytes, data } = memory;
  if (copyBytes(layout, value, data, 0)) return;
  clear(memory, layout.size);
  codecOf(layout).encode(data, 0, value, "", bytes);
}

/**
 * Returns the value for `console.log`. It decodes directly from the memory and only the printed elements,
 * so that printing a view of a gigabyte copies only a little.
 */
export function glimpse(layout: Layout, data: DataView): unknown {
  return codecOf(layout).decode(data, 0, PRINTED);
}

/**
 * Writes a value to `target`, which has its size. It writes nothing if it throws. Errors contain `name`. A
 * text without room is kept where the memory has that text already, so that what was read can be written
 * back.
 */
export function assign(layout: Layout, target: Uint8Array, value: unknown, name: string): void {
  const bytes = sourceBytes(layout, value);
  if (bytes !== undefined) return target.set(bytes);
  const { encode } = codecOf(layout);
  writeEncoded(target, (encoded) => encode(encoded, 0, value, name, target));
}

/** Lets `encode` fill zeros, as many as `target` has bytes, and writes them to it. */
function writeEncoded(target: Uint8Array, encode: (encoded: DataView) => void): void {
  const { length } = target;
  if (isWriting || length > REUSED) {
    const { data, bytes } = ownMemory(length);
    encode(data);
    return write(target, bytes, length);
  }
  isWriting = true;
  try {
    const { data, bytes } = forWriting;
    clear(forWriting, length);
    encode(data);
    write(target, bytes, length);
  } finally {
    isWriting = false;
  }
}

/** Makes the first bytes zeros. */
function clear({ bytes, data }: OwnMemory, length: number): void {
  if (length > FEW_WORDS) return void bytes.fill(0, 0, length);
  let i = 0;
  for (; i + 8 <= length; i += 8) data.setFloat64(i, 0);
  for (; i < length; i++) data.setUint8(i, 0);
}

/** Writes the first bytes of `from` to all of `target`. Code of the caller may have taken that away. */
function write(target: Uint8Array, from: Uint8Array, length: number): void {
  if (target.length !== length) throw gone();
  if (length > FEW_BYTES) return target.set(from.subarray(0, length));
  for (let i = 0; i < length; i++) target[i] = from[i]!;
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
  const size = count * element.size;
  const { alignment } = element;
  const part: ArrayLayout = { kind: "array", element, length: count, size, alignment };
  const bytes = sourceBytes(part, value);
  const target = bytesOf(data, offset * element.size, size);
  if (bytes !== undefined) return target.set(bytes);
  const encode = elementsEncoder(element);
  // Errors contain the index in `value`.
  writeEncoded(target, (encoded) => encode(encoded, 0, values, count, name, target));
}
