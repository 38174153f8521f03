/**
 * Parses C declarations, such as those pasted from a header, into layouts. Programs and the commands with
 * `--struct` call `parseStruct`.
 */

import { parseDeclaration } from "./declaration.ts";
import { preprocess } from "./preprocessor.ts";
import { LONGEST_TEXT, Tokens } from "./token.ts";
import type { AnyStructLayout, ViewOptions } from "../layout/layout.ts";
import { describe } from "../layout/refusal.ts";

/**
 * The result of `parseStruct`: a struct whose fields are known only at run time. Therefore the fields of
 * its views and copies have the type `unknown`. Everything else is as in {@linkcode StructLayout}.
 * `fields` holds the offset and the layout of each field.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import type { ParsedStruct } from "@sysv/shm/cparse";
 * import { parseStruct } from "@sysv/shm";
 *
 * const Point: ParsedStruct = parseStruct("int32_t x, y;");
 * const view = Point.view(new ArrayBuffer(Point.size));
 * view.y = -5;
 * assert.equal(view.y, -5);
 * ```
 */
export interface ParsedStruct extends AnyStructLayout {
  /** Returns a live view, see {@linkcode StructLayout}. */
  view(buffer: ArrayBufferLike, offset?: number, options?: ViewOptions): Record<string, unknown>;
  /** Returns a copy of the fields, see {@linkcode StructLayout}. */
  read(buffer: ArrayBufferLike, offset?: number): Record<string, unknown>;
  /** Writes all fields, or none, see {@linkcode StructLayout}. */
  write(buffer: ArrayBufferLike, value: Readonly<Record<string, unknown>>, offset?: number): void;
  /** Returns the struct as C text, see {@linkcode StructLayout}. */
  declare(name: string): string;
}

/**
 * Returns the layout of a struct declared in C, with the sizes and offsets of gcc on 64-bit Linux.
 *
 * The text is either a list of fields, `bool can_read; char msg[2048]`, or one or more struct
 * definitions. If names are declared outside a struct, they are the fields of the result. Otherwise the
 * last struct is the result. Comments, `typedef`, nested structs, arrays, enums, `#define` without
 * parameters, header guards, `#pragma pack`, `__attribute__((packed))`, `aligned`, `alignas` and constant
 * expressions have their meaning in C. `const`, `volatile`, `_Atomic` and `std::atomic` of a scalar do not
 * change the layout. `#include` is ignored: a type that only the header defines is refused where it is
 * used. `static_assert` is skipped.
 *
 * - `char name[n]` is text (`cString`), and a single `char` is a `char`. An array of `unsigned char`,
 *   `int8_t` or a similar type is an array of numbers.
 * - A pointer is a `u64`: an address in the process that wrote it, without a meaning in this process.
 * - An enum with an underlying type has that type. Any other enum is a `u32`, or an `i32` if it has a
 *   negative constant or is not defined in the text.
 * - Unions, bit-fields, flexible and zero-length arrays, function pointers, `long double`, `__int128`,
 *   anonymous members, functions, base classes and all other features of C++ are refused.
 *
 * The output of {@linkcode StructLayout.declare} parses back to the same layout, except that an array of
 * `char` becomes text.
 *
 * @param text The declaration, at most 65536 characters.
 * @throws {TypeError} The text is not a declaration, or the layout is not supported. The message is one
 * line with the position and the remedy. It quotes short, escaped parts of the text.
 * @throws {RangeError} The text is too long or nested too deeply, or a size or an alignment is out of
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
 * @example An error names the position and the reason
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
