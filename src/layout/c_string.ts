/**
 * Text in a `char[n]`: its layout, and how to read and write it. Programs call `cString`. The views and
 * the codec of this folder call `readText` and `writeText`.
 */

import { checkBytes, checkFlag, optionsReader } from "./arguments.ts";
import { makeLayout } from "./check.ts";
import type { CStringLayout, CStringOptions } from "./layout.ts";
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

const readOptions = optionsReader({ full: checkFlag });

/**
 * Returns the layout of `char[size]`: UTF-8 text of at most `size - 1` bytes, then NULs to the end.
 *
 * Reading copies the bytes and decodes them up to the first NUL or the end. Invalid UTF-8 reads as
 * U+FFFD. Setting a text that is too long or contains a NUL throws a `RangeError` and writes nothing. A
 * lone surrogate is written as U+FFFD. Setting a field to the text that it has changes nothing and
 * never throws, even if C left no NUL in it: what `read` returned can be written back.
 *
 * Setting a `Uint8Array` writes these bytes, whatever they are, and NULs to the end. `bytesOf` of
 * `@sysv/shm/layout` returns the bytes of a field.
 *
 * @param size The size in bytes, including the NUL.
 * @param options `full`: the text may have all `size` bytes and then no NUL, as `char grid[6] = "FN42ab"`
 * in C or `ut_id` in utmp(5).
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
 *
 * @example A text as long as its field, and bytes that are not text
 * ```ts
 * import assert from "node:assert/strict";
 * import { cString, struct } from "@sysv/shm";
 * import { bytesOf } from "@sysv/shm/layout";
 *
 * const Login = struct({ id: cString(4, { full: true }) });
 * const buffer = new ArrayBuffer(Login.size);
 * Login.write(buffer, { id: "ts/1" });
 * assert.equal(Login.view(buffer).id, "ts/1");
 * Login.write(buffer, { id: Uint8Array.of(0xff, 0, 1) });
 * assert.deepEqual(bytesOf(Login.view(buffer), "id"), Uint8Array.of(0xff, 0, 1, 0));
 * ```
 */
export function cString(size: number, options?: CStringOptions): CStringLayout {
  if (!Number.isSafeInteger(size) || size < 1) {
    const Refusal = typeof size === "number" ? RangeError : TypeError;
    throw new Refusal(`cString(size) takes a positive integer, got ${describe(size)}`);
  }
  const { full = false } = readOptions(options);
  return makeLayout({ kind: "cString", size, alignment: 1, ...(full ? { full } : {}) });
}

/**
 * Returns the text in the `size` bytes at `at`. It decodes a copy, because a peer may write there: in the
 * shared memory itself a byte could change while the decoder reads it twice.
 */
export function readText(data: DataView, at: number, size: number): string {
  return textIn(fieldOf(data, at, size));
}

function textIn(field: Uint8Array): string {
  const copy = scratchFor(field.length);
  copy.set(field);
  copy[field.length] = 0; // ends the search if the field has no NUL
  return decoder.decode(copy.subarray(0, copy.indexOf(0)));
}

/**
 * Writes a text or bytes at `at` of `data` and fills the rest with zeros. It writes nothing if it throws.
 *
 * If the text has no room, but the field reads as that text already, its bytes are kept. They are not UTF-8
 * or have no NUL, so the text itself could not be written. If `target` is given, this field is at `targetAt`
 * of it.
 */
export function writeText(
  data: DataView,
  at: number,
  layout: CStringLayout,
  value: unknown,
  name: string,
  target?: Uint8Array,
  targetAt = 0,
): void {
  const { size, full = false } = layout;
  try {
    const text = value instanceof Uint8Array
      ? fitting(checkBytes(value, name), size, name)
      : encodeText(size, value, name, full);
    const field = fieldOf(data, at, size);
    field.set(text);
    field.fill(0, text.length);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const current = target?.subarray(targetAt, targetAt + size) ?? fieldOf(data, at, size);
    if (textIn(current) !== value) throw error;
    if (target !== undefined) fieldOf(data, at, size).set(current);
  }
}

function fieldOf(data: DataView, at: number, size: number): Uint8Array {
  try {
    return new Uint8Array(data.buffer, data.byteOffset + at, size);
  } catch {
    throw gone();
  }
}

function fitting(bytes: Uint8Array, size: number, name: string): Uint8Array {
  if (bytes.length <= size) return bytes;
  throw new RangeError(`"${name}" has ${size} bytes, got ${bytes.length}`);
}

/**
 * Returns the bytes of a text for a `char[size]`, without the NUL; `full` if it needs none. The next call
 * reuses the memory.
 */
export function encodeText(
  size: number,
  value: unknown,
  name: string,
  full = false,
): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string") throw mistyped(name, "a string", value);
  const nul = value.indexOf("\0");
  if (nul !== -1) {
    throw new RangeError(`"${name}" takes text without NUL, got one at position ${nul}`);
  }
  const copy = scratchFor(size);
  const { read, written } = encoder.encodeInto(value, copy);
  if (read < value.length || written > size || (written === size && !full)) {
    const needed = encoder.encode(value).length;
    throw new RangeError(
      `"${name}" has ${size} bytes, got a text that needs ${
        full ? needed : `${needed + 1}: ${needed} and a NUL`
      }`,
    );
  }
  return copy.subarray(0, written);
}
