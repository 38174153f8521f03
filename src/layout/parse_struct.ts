/**
 * C declarations, as people paste them, as layouts. Programs call `parseStruct`, and so do the
 * commands that take `--struct`.
 */

import { parseDeclaration } from "./c_declaration.ts";
import { preprocess } from "./c_preprocessor.ts";
import { LONGEST_TEXT, Tokens } from "./c_token.ts";
import type { AnyStructLayout, ViewOptions } from "./layout.ts";
import { describe } from "./refusal.ts";

/**
 * What `parseStruct` returns: a struct whose fields are known only when the program runs, so the
 * values of its views and copies are `unknown` until looked at. Everything else is as in
 * {@linkcode StructLayout}; `fields` says where each field lies and what it is.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { type ParsedStruct, parseStruct } from "@sysv/shm";
 *
 * const Point: ParsedStruct = parseStruct("int32_t x, y;");
 * const view = Point.view(new ArrayBuffer(Point.size));
 * view.y = -5;
 * assert.equal(view.y, -5);
 * ```
 */
export interface ParsedStruct extends AnyStructLayout {
  /** A live view, see {@linkcode StructLayout}. */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): Record<string, unknown>;
  /** A copy of the fields, see {@linkcode StructLayout}. */
  read(buffer: ArrayBufferLike, offset?: number): Record<string, unknown>;
  /** Writes all fields, or none, see {@linkcode StructLayout}. */
  write(buffer: ArrayBufferLike, value: Readonly<Record<string, unknown>>, offset?: number): void;
  /** The struct in C, see {@linkcode StructLayout}. */
  declare(name: string): string;
}

/**
 * The layout of a struct declared in C, with the sizes and offsets gcc gives it on 64-bit Linux.
 *
 * The text is a list of fields, `bool can_read; char msg[2048]`, or one or more struct definitions, of
 * which the last one counts: names declared outside any struct are fields, and where there are none,
 * the last struct is the result. Comments, `typedef`, nested structs, arrays, enums, `#define` without
 * parameters, header guards, `#pragma pack`, `__attribute__((packed))`, `aligned`, `alignas` and
 * constant expressions mean what they mean in C. `const`, `volatile`, `_Atomic` and `std::atomic` of a
 * scalar change nothing. `#include` is ignored: a type only the header defines is refused where it
 * is used. `static_assert` is skipped.
 *
 * - `char name[n]` is text (`cString`), a single `char` is `char`; arrays of `unsigned char`, `int8_t`
 *   and the like are arrays of numbers.
 * - A pointer is a `u64`: the address it has in the process that wrote it, which means nothing here.
 * - An enum is a `u32`, or an `i32` if it has a negative constant, an underlying type of `int`, or no
 *   definition in the text; one with an underlying type is that.
 * - Unions, bit-fields, flexible and zero-length arrays, function pointers, `long double`, `__int128`,
 *   anonymous members, functions, base classes and everything else of C++ are refused.
 *
 * What {@linkcode StructLayout.declare} writes reads back as the same layout; an array of `char` comes
 * back as the text it is in C.
 *
 * @param text The declaration, at most 65536 characters.
 * @throws {TypeError} The text is no declaration, or asks for what cannot be laid out here: one line
 * with the place and what to do. Parts of the text in it are quoted, short and escaped.
 * @throws {RangeError} The text is too long or nested too deep, or a size or an alignment is out of
 * range.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 *
 * const Entry = parseStruct("bool can_read; char msg[2048]");
 * assert.equal(Entry.size, 2049);
 *
 * const Point = parseStruct(`
 *   #define NAME_SIZE 16
 *   struct Point { int32_t id; double x, y; char name[NAME_SIZE]; uint8_t tag[4]; };
 * `);
 * assert.equal(Point.fields.tag?.offset, 40);
 * assert.equal(Point.size, 48);
 * ```
 *
 * @example An error says where and why
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 *
 * assert.throws(() => parseStruct("int a; union { int b; float c; } d;"), {
 *   name: "TypeError",
 *   message: /^line 1, column 8, at "union": a union is not supported/,
 * });
 * ```
 */
export function parseStruct(text: string): ParsedStruct {
  if (typeof text !== "string") {
    throw new TypeError(`parseStruct(text) takes a string, got ${describe(text)}`);
  }
  if (text.length > LONGEST_TEXT) {
    throw new RangeError(
      `parseStruct(text) takes at most ${LONGEST_TEXT} characters, got ${text.length}`,
    );
  }
  return parseDeclaration(new Tokens(preprocess(text)));
}
