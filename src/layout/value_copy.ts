/**
 * Copies between memory and plain values. Internal: used by `struct`, by the views when a whole array or
 * nested struct is assigned, printed or converted to JSON, and by protocols.
 *
 * `load` and `assign` go through a private copy of the bytes. In `load`, no peer can change the bytes while
 * they are decoded. In `assign`, a refused value leaves the memory unchanged, even if reading the value
 * runs code of the caller. A value that already has the bytes, such as a view of the same layout, is
 * copied as bytes.
 */

import { arrayLike, codecOf, elementsEncoder } from "./codec.ts";
import type { ArrayLayout, Layout } from "./layout.ts";
import { gone, outOfRange } from "./refusal.ts";
import { bytesOf, copyBytes, sourceBytes } from "./source_bytes.ts";

/** How many elements of an array `console.log` prints. */
const PRINTED = 100;

/** Memory that no other process can change. Both begin at the same byte. */
export interface OwnMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly data: DataView;
}

/** The longest value whose memory for a copy is reused: allocating it costs more than most copies. */
const REUSED = 4096;

/** The longest value that is copied byte by byte: the engine's copy costs about 50 ns more. */
const FEW_BYTES = 48;

/** The longest value that is cleared in words: calling the engine costs as much. */
const FEW_WORDS = 512;

/** Makes such memory. */
export function ownMemory(size: number): OwnMemory {
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
