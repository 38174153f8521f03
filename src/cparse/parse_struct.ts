/**
 * Parses C declarations, such as those pasted from a header, into layouts. Programs and the commands with
 * `--struct` call `parseStruct`.
 */

import { type NamedStruct, parseDeclaration } from "./declaration.ts";
import { preprocess } from "./preprocessor.ts";
import { LONGEST_TEXT } from "./token.ts";
import { Tokens } from "./token_stream.ts";
import { checkText, optionsReader } from "../layout/arguments.ts";
import type { AnyStructLayout, ViewOptions } from "../layout/layout.ts";
import { describe, mistyped } from "../layout/refusal.ts";

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
  /** Returns a read-only live view, see {@linkcode StructLayout}. */
  view(
    buffer: ArrayBufferLike,
    offset: number | undefined,
    options: { readonly readOnly: true },
  ): Readonly<Record<string, unknown>>;
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
 * Options of `parseStruct`.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 * import type { ParseOptions } from "@sysv/shm/cparse";
 *
 * const options: ParseOptions = { name: "A", define: { SIZE: 4 } };
 * assert.equal(parseStruct("struct A { char a[SIZE]; }; struct B { int b; };", options).size, 4);
 * ```
 */
export interface ParseOptions {
  /** The tag or the typedef of the struct or union to return. */
  readonly name?: string;
  /**
   * Macros that are defined before the text, as by `-D` of a compiler: C text or a number; `true` is 1;
   * `false` means that there is no such macro.
   */
  readonly define?: Readonly<Record<string, string | number | bigint | boolean>>;
}

const readOptions = optionsReader({ name: checkText, define: checkDefine });

function checkDefine(value: unknown, name: string): Record<string, string | false> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw mistyped(name, "an object with a value for each macro", value);
  }
  return Object.fromEntries(
    Object.entries(value).map(([macro, meaning]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(macro)) {
        throw new TypeError(`"${name}" takes names of macros, got ${describe(macro)}`);
      }
      if (!["string", "number", "bigint", "boolean"].includes(typeof meaning)) {
        throw mistyped(`${name}.${macro}`, "C text, a number, true or false", meaning);
      }
      return [macro, meaning === false ? false : meaning === true ? "1" : String(meaning)];
    }),
  );
}

/**
 * Returns the layout of a struct or union declared in C, with the sizes and offsets of gcc on 64-bit Linux.
 *
 * The text is either a list of fields, `bool can_read; char msg[2048]`, or declarations: one struct, or a
 * whole header. With the option `name` the result is the struct with this tag or typedef; what else the
 * text declares does not matter unless that struct needs it. Without `name`, names declared outside a
 * struct are the fields of the result, and otherwise the last struct is the result; then everything in the
 * text must be understood. A layout that is not certain is refused, never guessed.
 *
 * **Understood**: structs, unions, anonymous ones, bit-fields, arrays, flexible and zero-length arrays,
 * pointers, function pointers, enums, `typedef`, `#pragma pack`, `__attribute__((packed))`, `aligned`,
 * `mode`, `alignas`, constant expressions with `sizeof`, `offsetof` and casts. Macros with and without
 * parameters, header guards, and `#if`, `#ifdef` and so on where the text, the option `define` or Linux on
 * 64 bits decides. Of C++: `class`, `namespace`, `using`, `extern "C"`, `constexpr`, `std::array`,
 * `std::atomic`, `[[...]]`, default values. Functions, methods, templates, `static` members and
 * `static_assert` are skipped. `#include` is ignored: a type that only another file defines is refused
 * where it is used, except the integers of C and Linux (`uint32_t`, `pid_t`, `__be32`), `struct timespec`,
 * `timeval`, `in_addr`, `in6_addr`, `sockaddr` and its variants.
 *
 * - `char name[n]` is text (`cString`), and a single `char` is a `char`. An array of `unsigned char`,
 *   `int8_t` or a similar type is an array of numbers.
 * - A pointer is a `u64`: an address in the process that wrote it, without a meaning in this process.
 * - An enum is a `u32`, an `i32` if a constant is negative, 64 bits if a constant needs them, or its
 *   underlying type. `__be16` to `__be64` are big-endian.
 * - `const`, `volatile`, `_Atomic` and `std::atomic` of a scalar do not change the layout.
 * - The text is read as C: `__cplusplus` is not defined, and an empty struct has no bytes.
 *
 * **Refused**: what the text does not define, such as unknown types, enums and macros (a name after `}`
 * that is all capitals or begins with `__` counts as a macro; inside a struct only if it also looks like an
 * attribute); a struct or typedef that the text defines twice, and not in the same way; what differs between
 * compilers or between x86-64 and aarch64, such as bit-fields of plain `char`; `long double`, `__int128`,
 * `_Complex`; base classes and virtual functions; aligned fields in a struct packed by its attribute.
 *
 * The output of {@linkcode StructLayout.declare} parses back to the same layout, except that an array of
 * `char` becomes text.
 *
 * @param text The declaration, at most 16 MiB (2^24 characters). A byte order mark is skipped.
 * @throws {TypeError} The text is not a declaration, or the layout is not supported. The message is one
 * line with the position and the remedy. It quotes short, escaped parts of the text.
 * @throws {RangeError} The text is too long or nested too deeply, macros make too much of it, or a size or
 * an alignment is out of range.
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
 * @example Of a whole header, where the caller decides what the text leaves open
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 *
 * const header = `
 *   struct head { unsigned kind : 3, level : 5; uint16_t length; };
 *   struct packet {
 *     struct head head;
 *     union { float number; uint32_t word; };
 *   #ifdef WITH_CHECKSUM
 *     uint32_t checksum;
 *   #endif
 *     uint8_t data[];
 *   };
 *   int send_packet(const struct packet *packet);
 * `;
 * const Packet = parseStruct(header, { name: "packet", define: { WITH_CHECKSUM: true } });
 * assert.equal(Packet.fields.data?.offset, 12);
 * ```
 *
 * @example An error names the position and the reason
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseStruct } from "@sysv/shm";
 *
 * assert.throws(() => parseStruct("struct S { char a; int b; } PACKED;"), {
 *   name: "TypeError",
 *   message: /^line 1, column 29, at "PACKED": this looks like a macro that the text does not define/,
 * });
 * ```
 */
export function parseStruct(text: string, options: ParseOptions = {}): ParsedStruct {
  return parseNamed(text, options).layout as ParsedStruct;
}

/** As {@linkcode parseStruct}, with the names of the structs in C. Internal: used by the command `struct`. */
export function parseNamed(text: string, options: ParseOptions): NamedStruct {
  if (typeof text !== "string") {
    throw new TypeError(`parseStruct(text) takes a string, got ${describe(text)}`);
  }
  const { name, define = {} } = readOptions(options);
  if (text.length > LONGEST_TEXT) {
    throw new RangeError(
      `parseStruct(text) takes at most ${LONGEST_TEXT} characters, got ${text.length}`,
    );
  }
  const tolerant = name !== undefined;
  const tokens = new Tokens(preprocess(text, { define, tolerant }));
  return parseDeclaration(tokens, name);
}
