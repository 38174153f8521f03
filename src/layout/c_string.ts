/**
 * Text in a `char[n]`: its layout, and reading and writing it. Programs call `cString`; `readText`
 * and `writeText` are for the views and the codec of this room.
 */

import type { CStringLayout } from "./layout.ts";
import { makeLayout } from "./check.ts";
import { describe, gone, mistyped } from "./refusal.ts";

const encoder = new TextEncoder();
// A byte order mark at the start is text like any other: what was written must come back.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// Private memory to copy into before looking at anything, at least one byte longer than the field.
// Made once and grown: making it anew cost five times as much as all the rest.
let scratch = new Uint8Array(256);

function scratchFor(size: number): Uint8Array<ArrayBuffer> {
  if (scratch.length <= size) scratch = new Uint8Array(size + 1);
  return scratch;
}

/**
 * `char[size]` with UTF-8 text of at most `size - 1` bytes, a NUL, and NULs to the end.
 *
 * Reading copies the bytes, then stops at the first NUL or at the end; bytes that are not UTF-8 read
 * as U+FFFD. Setting a text that is too long or holds a NUL throws a `RangeError` and writes nothing;
 * a lone surrogate is written as U+FFFD.
 *
 * @param size Bytes, the NUL included.
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
 * The text in the `size` bytes at `at`. Another process may be writing there: a decoder run on the
 * memory itself could see a byte change between its two looks at it, so it is run on a copy.
 */
export function readText(data: DataView, at: number, size: number): string {
  const copy = scratchFor(size);
  try {
    copy.set(new Uint8Array(data.buffer, data.byteOffset + at, size));
  } catch {
    throw gone();
  }
  copy[size] = 0; // ends the search where no NUL was written
  return decoder.decode(copy.subarray(0, copy.indexOf(0)));
}

/** Writes a text and zeroes the rest, or throws and writes nothing. */
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

/** The bytes of a text for a `char[size]`, without the NUL. The next call of this room reuses them. */
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
