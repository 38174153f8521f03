/**
 * Text in a `char[n]`: its layout, and how to read and write it. Programs call `cString`. The views and
 * the codec of this folder call `readText` and `writeText`.
 */

import type { CStringLayout } from "./layout.ts";
import { makeLayout } from "./check.ts";
import { describe, gone, mistyped } from "./refusal.ts";

const encoder = new TextEncoder();
// Keeps a byte order mark at the start: reading must return what was written.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// Private memory for a copy before anything is decoded, at least one byte longer than the field. It is
// reused and grown: allocating it for each call cost five times as much as the rest of the call.
let scratch = new Uint8Array(256);

function scratchFor(size: number): Uint8Array<ArrayBuffer> {
  if (scratch.length <= size) scratch = new Uint8Array(size + 1);
  return scratch;
}

/**
 * Returns the layout of `char[size]`: UTF-8 text of at most `size - 1` bytes, then NULs to the end.
 *
 * Reading copies the bytes and decodes them up to the first NUL or the end. Invalid UTF-8 reads as
 * U+FFFD. Setting a text that is too long or contains a NUL throws a `RangeError` and writes nothing. A
 * lone surrogate is written as U+FFFD.
 *
 * @param size The size in bytes, including the NUL.
 * @throws {RangeError} `size` is not a positive integer.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { cString, struct } from "@sysv/shm";
 *
 * const view = struct({ name: cString(6) }).view(new ArrayBuffer(6));
 * view.name = "Zoë";
 * assert.equal(view.name, "Zoë");
 * assert.throws(() => view.name = "Zoë 2", RangeError);
 * ```
 */
export function cString(size: number): CStringLayout {
  if (!Number.isSafeInteger(size) || size < 1) {
    const Refusal = typeof size === "number" ? RangeError : TypeError;
    throw new Refusal(`cString(size) takes a positive integer, got ${describe(size)}`);
  }
  return makeLayout({ kind: "cString", size, alignment: 1 });
}

/**
 * Returns the text in the `size` bytes at `at`. It decodes a copy, because a peer may write there: in the
 * shared memory itself a byte could change while the decoder reads it twice.
 */
export function readText(data: DataView, at: number, size: number): string {
  const copy = scratchFor(size);
  try {
    copy.set(new Uint8Array(data.buffer, data.byteOffset + at, size));
  } catch {
    throw gone();
  }
  copy[size] = 0; // ends the search if the field has no NUL
  return decoder.decode(copy.subarray(0, copy.indexOf(0)));
}

/** Writes a text and fills the rest with zeros. It writes nothing if it throws. */
export function writeText(
  data: DataView,
  at: number,
  size: number,
  value: unknown,
  name: string,
): void {
  const text = encodeText(size, value, name);
  try {
    const field = new Uint8Array(data.buffer, data.byteOffset + at, size);
    field.set(text);
    field.fill(0, text.length);
  } catch {
    throw gone();
  }
}

/** Returns the bytes of a text for a `char[size]`, without the NUL. The next call reuses the memory. */
export function encodeText(size: number, value: unknown, name: string): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string") throw mistyped(name, "a string", value);
  const nul = value.indexOf("\0");
  if (nul !== -1) {
    throw new RangeError(`"${name}" takes text without NUL, got one at position ${nul}`);
  }
  const copy = scratchFor(size);
  const { read, written } = encoder.encodeInto(value, copy);
  if (read < value.length || written >= size) {
    const needed = encoder.encode(value).length;
    throw new RangeError(
      `"${name}" has ${size} bytes, got a text that needs ${needed + 1}: ${needed} and a NUL`,
    );
  }
  return copy.subarray(0, written);
}
