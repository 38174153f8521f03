/**
 * How values of a layout are decoded from bytes and encoded into bytes. Internal: used by `value_copy.ts`.
 *
 * The functions that decode and encode a layout are made once for each layout, at its first use.
 */

import { readText, writeText } from "./c_string.ts";
import type { AnyStructLayout, ArrayLayout, Layout, Member, Scalar, ScalarName } from "./layout.ts";
import { membersOf } from "./members.ts";
import { mistyped } from "./refusal.ts";
import { bytesOf, copyBytes } from "./source_bytes.ts";

/** The largest length of a JavaScript array. */
const LONGEST_ARRAY = 2 ** 32 - 1;

/** Decodes a value. `limit` bounds the elements read from each array; the others are holes. */
type Decode = (data: DataView, at: number, limit: number) => unknown;

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

/** Returns the functions of a layout. */
export function codecOf(layout: Layout): Codec {
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

/** Returns the function that encodes elements of an array. */
export function elementsEncoder(element: Layout): EncodeElements {
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

/**
 * Writes a scalar, as its `set` does, without a call, and returns whether it did. It leaves to `set` what must
 * be refused, and the rarer scalars.
 */
function putScalar(data: DataView, at: number, value: unknown, name: ScalarName): boolean {
  if (typeof value !== "number") {
    if (name !== "bool" || typeof value !== "boolean") return false;
    data.setUint8(at, value ? 1 : 0);
    return true;
  }
  switch (name) {
    case "f64":
      data.setFloat64(at, value, true);
      return true;
    case "i32":
      if ((value | 0) !== value) return false;
      data.setInt32(at, value, true);
      return true;
    case "u32":
      if (value >>> 0 !== value) return false;
      data.setUint32(at, value, true);
      return true;
    case "u8":
      if ((value & 0xff) !== value) return false;
      data.setUint8(at, value);
      return true;
    case "f32":
      data.setFloat32(at, value, true);
      return true;
    case "u16":
      if ((value & 0xffff) !== value) return false;
      data.setUint16(at, value, true);
      return true;
    default:
      return false;
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
  const parts = membersOf(layout).map(partOf);
  const encodeMembers = membersEncoder(layout, parts);
  const inOrder = layout.kind === "struct" ? parts : [];
  const known = new Set(Object.keys(layout.fields));
  return (data, at, value, name, target) => {
    if (typeof value !== "object" || value === null) {
      throw mistyped(name === "" ? "value" : name, "an object with a value for each field", value);
    }
    if (copyBytes(layout, value, data, at)) return;
    const prefix = name === "" || name === UNNAMED ? name : `${name}.`;
    const record = value as Record<string, unknown>;
    // Mostly the keys are the names in their order, and V8 reads each value fast right where it has its key
    let done = 0;
    let rest = inOrder.length;
    for (const key in record) {
      if (inOrder[done]?.name === key) {
        encodeValue(inOrder[done]!, data, at, record[key], prefix, target);
        done += 1;
        rest -= 1;
      } else {
        rest = -1;
        break;
      }
    }
    if (rest === 0 && done > 0) return;
    for (const key in record) {
      if (!known.has(key) && Object.hasOwn(record, key)) {
        throw new TypeError(`"${prefix}${key}" is not a field of this ${layout.kind}`);
      }
    }
    encodeMembers(data, at, record, prefix, target, done);
  };
}

function encodeValue(
  { name, offset, scalar, encode }: Part,
  data: DataView,
  at: number,
  value: unknown,
  prefix: string,
  target: Uint8Array,
): void {
  if (scalar !== undefined && putScalar(data, at + offset, value, scalar)) return;
  const path = prefix === "" ? name! : prefix === UNNAMED ? UNNAMED : prefix + name;
  encode(data, at + offset, value, path, target);
}

type EncodeMembers = (
  data: DataView,
  at: number,
  record: Record<string, unknown>,
  prefix: string,
  target: Uint8Array,
  from?: number,
) => void;

/** A member, as the encoders need it. */
interface Part {
  readonly name: string | undefined;
  readonly offset: number;
  readonly flexible: boolean;
  /** The names of its fields, if it is a struct or union. */
  readonly inner: readonly string[];
  readonly scalar: ScalarName | undefined;
  readonly encode: Encode;
  /** Encodes its members, if it has no name. */
  readonly encodeMembers: EncodeMembers | undefined;
}

function partOf({ name, offset, layout }: Member): Part {
  return {
    name,
    offset,
    flexible: layout.kind === "flexible",
    inner: "fields" in layout ? Object.keys(layout.fields) : [],
    scalar: layout.kind === "scalar" ? layout.name : undefined,
    encode: codecOf(layout).encode,
    encodeMembers: name === undefined && "fields" in layout
      ? membersEncoder(layout, membersOf(layout).map(partOf))
      : undefined,
  };
}

/** Encodes the members, in a struct those from index `from` on. Those of anonymous ones are in `record` too. */
function membersEncoder(layout: AnyStructLayout, members: readonly Part[]): EncodeMembers {
  const encodeMember = (
    part: Part,
    data: DataView,
    at: number,
    record: Record<string, unknown>,
    prefix: string,
    target: Uint8Array,
  ): void => {
    const { name, offset, flexible, encodeMembers } = part;
    if (name === undefined) return encodeMembers?.(data, at + offset, record, prefix, target);
    const value = record[name];
    if (value === undefined && !(name in record)) {
      if (flexible) return;
      throw new TypeError(`"${prefix}${name}" is missing`);
    }
    encodeValue(part, data, at, value, prefix, target);
  };

  if (layout.kind === "struct") {
    return (data, at, record, prefix, target, from = 0) => {
      for (let i = from; i < members.length; i++) {
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

/** Returns `value` as elements of an array, and its length, which it reads once. */
export function arrayLike(value: unknown, element: Layout, name: string): {
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
