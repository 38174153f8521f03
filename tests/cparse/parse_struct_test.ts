/** What `parseStruct` makes of text, what it refuses and how it says so, and that nothing breaks it. */
import assert from "node:assert/strict";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import { type ParseOptions, parseStruct } from "../../src/cparse/parse_struct.ts";
import { bool, char, i32, i8, u64, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";
import { Random } from "../crash/random.ts";
import { randomStructs } from "./random_struct.ts";
import { randomTexts } from "./random_text.ts";

/** A new one every run. To see a failure again, put the seed it printed here. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0]!;

/** Its fields as `name@offset+size`. */
function places(text: string): string {
  return Object.entries(parseStruct(text).fields)
    .map(([name, { offset, size }]) => `${name}@${offset}+${size}`).join(" ");
}

Deno.test("parseStruct: a list of fields, with or without the last semicolon", () => {
  for (const text of ["bool can_read; char msg[2048]", "bool can_read;char msg[2048];\n"]) {
    const Entry = parseStruct(text);
    assert.equal(Entry.size, 2049);
    assert.equal(Entry.fields.can_read?.layout, bool);
    assert.deepEqual(Entry.fields.msg?.layout, cString(2048));
  }
});

Deno.test("parseStruct: the layout works as any other", () => {
  const Point = parseStruct("struct P { int x, y; char name[8]; struct { short s; } in[2]; };");
  const buffer = new ArrayBuffer(64);
  const view = Point.view(buffer, 16);
  view.y = -7;
  view.name = "seven";
  const value = { x: 0, y: -7, name: "seven", in: [{ s: 0 }, { s: 0 }] };
  assert.deepEqual(Point.read(buffer, 16), value);
  Point.write(buffer, { ...value, x: 3 });
  assert.equal(new DataView(buffer).getInt32(0, true), 3);
  // @ts-expect-error it is read-only
  assert.throws(() => Point.view(buffer, 16, { readOnly: true }).x = 1, TypeError);
  assert.equal(struct({ a: array(Point, 2) }).size, 2 * Point.size);
});

Deno.test("parseStruct: char is text in an array and a character alone, bytes are numbers", () => {
  const { fields } = parseStruct(
    "char a; char b[4]; char c[2][4]; signed char d[4]; uint8_t e[4]; void *f;",
  );
  assert.deepEqual(
    Object.values(fields).map(({ layout }) => layout),
    [char, cString(4), array(cString(4), 2), array(i8, 4), array(u8, 4), u64],
  );
});

Deno.test("parseStruct: which struct of several is meant", () => {
  assert.equal(places("struct A { int a; }; struct B { struct A b; char c; };"), "b@0+4 c@4+1");
  assert.equal(places("struct A { int a; }; struct B { char b; } ; typedef struct A A;"), "b@0+1");
  assert.equal(places("struct A { struct In { int i; } in; int j; };"), "in@0+4 j@4+4");
  assert.equal(places("struct { int a }"), "a@0+4");
  // Fields outside any struct win, also over the struct of their own type.
  assert.equal(
    places("struct A { short a; }; char c; struct A many[3], one"),
    "c@0+1 many@2+6 one@8+2",
  );
  assert.equal(places("struct { char a; int b; } p; struct Q { char c; } q"), "p@0+8 q@8+1");
  assert.equal(places("#pragma pack(push, 1)\nchar a; int b;"), "a@0+1 b@1+4");
});

Deno.test("parseStruct: text is read as C", () => {
  assert.equal(
    places("#ifdef __cplusplus\nchar a;\n#else\nint a;\n#endif\nchar b;"),
    "a@0+4 b@4+1",
  );
  assert.equal(places("#ifndef __cplusplus\nint a;\n#else\nchar a;\n#endif"), "a@0+4");
  assert.equal(places("#pragma once\n#include <no such header, isn't it>\nint a;"), "a@0+4");
  assert.equal(
    places("#if 1\n#ifdef A\n#elif B\n#endif\nint b;\n#endif\nint a;".replace("1", "0")),
    "a@0+4",
  );
  assert.equal(places("typedef unsigned char mode_t; mode_t a; std::uint16_t b;"), "a@0+1 b@2+2");
  assert.equal(places("#define N 3\n#undef N\n#define N 5\nchar a[N];"), "a@0+5");
  assert.equal(places("#define int long\nint a;"), "a@0+8");
  assert.equal(places("#define a b\n#define b a\nint a;"), "a@0+4");
  assert.equal(places("int a;\r\n// end\r\nchar b;\r\n"), "a@0+4 b@4+1");
  assert.equal(places('int x;;static_assert(sizeof(")") == 2, "a (");'), "x@0+4");
});

Deno.test("parseStruct: the mode of an integer is before or after the name", () => {
  assert.equal(places("char a; int b __attribute__((mode(DI))), c;"), "a@0+1 b@8+8 c@16+4");
  assert.equal(
    places("typedef int t __attribute__((__mode__(__QI__))), u; t a; u b;"),
    "a@0+1 b@4+4",
  );
  assert.equal(places("__attribute__((mode(DI))) int a, b;"), "a@0+8 b@8+8");
});

Deno.test("parseStruct: an enum is a u32, or an i32 where C makes it one", () => {
  const kinds = Object.values(
    parseStruct(
      `enum defined { A, B } a; enum negative { C = -1 } b; enum defined d;
    enum typed : unsigned char { D } e; enum class scoped { E } f; enum typed g; enum late : uint16_t;
    enum late h; enum wide { F = 1ll << 40 } i; enum { G = -1, H = 4000000000 } j;
    enum __attribute__((packed)) small { I = 255 } k; enum { J = -129 } __attribute__((packed)) l;`,
    ).fields,
  ).map(({ layout }) => layout.kind === "scalar" && layout.name);
  assert.deepEqual(kinds, [
    "u32",
    "i32",
    "u32",
    "u8",
    "i32",
    "u8",
    "u16",
    "u64",
    "i64",
    "u8",
    "i16",
  ]);
});

Deno.test("parseStruct: a constant that no int holds has the type of its enum after the brace", () => {
  const size = (text: string): number => parseStruct(text).size;
  assert.equal(size("enum { A = -2, B = 0x90000000 }; char a[~B <= 0x7f ? 1 : 2];"), 1);
  assert.equal(size("enum { A = 0x90000000L }; char a[~A <= 0x7f ? 1 : 2];"), 2);
  assert.equal(size("enum { A = 0x90000000L, B = ~A <= 0x7f ? 1 : 2 }; char a[B];"), 1);
  assert.equal(size("enum { A = 0x7fffffff, B, C = ~B <= 0x7f ? 1 : 2 }; char a[C];"), 1);
  assert.equal(size("enum E : unsigned { A = 1 }; char a[~A > 0 ? 1 : 2];"), 1);
  assert.throws(() => size("enum E : unsigned char { A = 256 }; char a[A];"), RangeError);
});

/** Text that is refused: where, and what the error says. */
const REFUSED: readonly (readonly [text: string, place: string, says: RegExp])[] = [
  // What the library has no layout for
  ["typedef int (*f)(int);", "line 1, column 23, at the end", /no field/],
  ["int f(void);", "line 1, column 13, at the end", /no field/],
  ["enum E e;", `line 1, column 6, at "E"`, /"enum E : unsigned int;"/],
  ["enum E : float { A } e;", `line 1, column 8, at ":"`, /an integer type/],
  ["struct S { char a : 3; };", `line 1, column 19, at ":"`, /char has a sign/],
  ["struct S { float a : 3; };", `line 1, column 20, at ":"`, /only an integer/],
  ["struct S { int a : 0; };", `line 1, column 20, at "0"`, /without a name/],
  ["struct S { alignas(1) int a; };", `line 1, column 12, at "alignas"`, /reduce/],
  ["struct S { char a; int : 3; };", `line 1, column 8, at "S"`, /aarch64/],
  ["struct S { char a[]; int b; };", `line 1, column 18, at "["`, /last/],
  ["union U { char a[]; };", `line 1, column 17, at "["`, /union/],
  ["struct S { int a; union { int a; }; };", `line 1, column 8, at "S"`, /two fields "a"/],
  ["struct A { virtual int f(); };", `line 1, column 12, at "virtual"`, /hidden pointer/],
  ["typeof(int) a;", `line 1, column 1, at "typeof"`, /the type itself/],
  ["int a[sizeof b];", `line 1, column 14, at "b"`, /"\(" must follow sizeof/],
  ["int a[(float) 1];", `line 1, column 8, at "float"`, /integer/],
  ["int a[(char) 1];", `line 1, column 8, at "char"`, /sign/],
  ["int a['\\377'];", `line 1, column 7, at "'\\\\377'"`, /ASCII/],
  [
    "struct P { int a; }; int b[offsetof(struct P, c)];",
    `line 1, column 47, at "c"`,
    /not a field with an offset/,
  ],
  ["int &r;", `line 1, column 5, at "&"`, /reference/],
  ["long double a;", `line 1, column 1, at "long"`, /alignas\(16\) unsigned char/],
  ["unsigned __int128 a;", `line 1, column 10, at "__int128"`, /alignas\(16\) unsigned char/],
  ["struct A { int a; }; struct B : A { int b; };", `line 1, column 31, at ":"`, /base class/],
  ["std::string s;", `line 1, column 6, at "string"`, /not known/],
  ["std::vector<int> v;", `line 1, column 6, at "vector"`, /not known/],
  ["int_fast16_t a;", `line 1, column 1, at "int_fast16_t"`, /not known/],
  // What would move bytes in a way that is not known
  ["[[no_unique_address]] int a;", `line 1, column 1, at "["`, /__attribute__/],
  ["int a __attribute__((vector_size(16)));", `line 1, column 22, at "vector_size"`, /not known/],
  ["int a __attribute__((aligned));", `line 1, column 22, at "aligned"`, /a number/],
  [
    "struct S { char a; int b __attribute__((packed)); };",
    `line 1, column 41, at "packed"`,
    /struct/,
  ],
  [
    "__attribute__((packed)) struct S { char a; int b; };",
    `line 1, column 16, at "packed"`,
    /struct/,
  ],
  [
    "typedef struct { char a; int b; } S __attribute__((packed));",
    `line 1, column 52, at "packed"`,
    /struct/,
  ],
  [
    "struct { char a; int b __attribute__((aligned(8))); } __attribute__((packed)) s;",
    `line 1, column 39, at "aligned"`,
    /packed/,
  ],
  [
    "struct { std::atomic<int> a; } __attribute__((packed)) s;",
    `line 1, column 47, at "packed"`,
    /g\+\+/,
  ],
  ["int *a __attribute__((mode(DI)));", `line 1, column 28, at "DI"`, /mode is not supported/],
  ["typedef int a[2] __attribute__((mode(DI)));", `line 1, column 38, at "DI"`, /not supported/],
  ["int a __attribute__((mode(TI)));", `line 1, column 27, at "TI"`, /mode is not supported/],
  ["struct S { int a : 9 __attribute__((mode(HI))); };", `line 1, column 42, at "HI"`, /not agree/],
  ["alignas(64) struct S { char a; };", `line 1, column 1, at "alignas"`, /aligns a struct/],
  [
    "struct __attribute__((aligned(8), aligned(16))) S { char a; };",
    `line 1, column 35, at "aligned"`,
    /8 and 16/,
  ],
  [
    "struct S { char a; }; struct __attribute__((packed)) S s;",
    `line 1, column 45, at "packed"`,
    /ignores/,
  ],
  [
    "struct { int a, b; } s; _Atomic struct { int a; } t;",
    `line 1, column 25, at "_Atomic"`,
    /scalar/,
  ],
  ["struct P { int a; }; std::atomic<P> p;", `line 1, column 27, at "atomic"`, /scalar/],
  [
    "struct P { int a; }; char a[sizeof(_Atomic struct P)];",
    `line 1, column 36, at "_Atomic"`,
    /scalar/,
  ],
  ["int a;\n#pragma pack(1)\nchar b;", `line 2, column 2, at "pack(1)"`, /struct \{ \}/],
  ["struct S {\n#pragma pack(1)\nchar b; };", `line 2, column 2, at "pack(1)"`, /outside/],
  ["#pragma pack(3)\nint a;", `line 1, column 2, at "pack(3)"`, /1 to 16/],
  ["#define ONE 1\n#pragma pack(ONE)\nint a;", `line 2, column 14, at "ONE"`, /gcc does not/],
  ['#define ONE 1\n_Pragma("pack(ONE)")\nint a;', `line 1, column 6, at "ONE"`, /gcc does not/],
  ["#pragma pack(pop)\nint a;", `line 1, column 2, at "pack(pop)"`, /nothing was pushed/],
  [
    "#pragma scalar_storage_order big-endian\nint a;",
    `line 1, column 9, at "scalar_storage_order"`,
    /not supported/,
  ],
  ["#ifdef __x86_64__\nint a;\n#endif", `line 1, column 8, at "__x86_64__"`, /#undef/],
  ["#ifndef WIDE\nint a;\n#endif", `line 1, column 9, at "WIDE"`, /#undef/],
  ["#error no\n", `line 1, column 2, at "error"`, /leave it out/],
  // What is no C
  ["", "line 1, column 1, at the end", /no field/],
  [" \n ;", "line 2, column 3, at the end", /no field/],
  ["typedef int T;", "line 1, column 15, at the end", /no field/],
  ["int", "line 1, column 4, at the end", /a name/],
  ["int;", `line 1, column 4, at ";"`, /a name/],
  ["int a b;", `line 1, column 7, at "b"`, /";" .*If this is a macro/],
  ["int a,;", `line 1, column 7, at ";"`, /a name/],
  ["int a; int a;", `line 1, column 12, at "a"`, /already a field of this name/],
  ["foo a;", `line 1, column 1, at "foo"`, /not known/],
  ["EXPORT int a;", `line 1, column 1, at "EXPORT"`, /not known/],
  ["int a char b;", `line 1, column 7, at "char"`, /";"/],
  ["int16_t int a;", `line 1, column 9, at "int"`, /second type/],
  ["unsigned float a;", `line 1, column 1, at "unsigned"`, /not a type of C/],
  ["void a;", `line 1, column 1, at "void"`, /pointer/],
  ["struct B b;", `line 1, column 8, at "B"`, /not known/],
  ["struct A { struct A a; };", `line 1, column 19, at "A"`, /not known/],
  ["struct A { int a; }; struct A { int b; };", `line 1, column 29, at "A"`, /before/],
  ["struct A { int a;", `line 1, column 10, at "{"`, /never closed/],
  ["enum { A,", `line 1, column 6, at "{"`, /never closed/],
  ["enum { A B } a;", `line 1, column 10, at "B"`, /","/],
  ["int a; }", `line 1, column 8, at "}"`, /a type/],
  ["int a[3;", `line 1, column 8, at ";"`, /"\]"/],
  ["int a[N];", `line 1, column 7, at "N"`, /#define/],
  ["int a[09];", `line 1, column 7, at "09"`, /not an integer of C/],
  ["int a[1.5];", `line 1, column 7, at "1.5"`, /not an integer of C/],
  ["int a[3lul];", `line 1, column 7, at "3lul"`, /not an integer of C/],
  ["int a[(2];", `line 1, column 9, at "]"`, /"\)"/],
  ["int a; /* no end", `line 1, column 8, at "/*"`, /no end/],
  ["int a; static_assert(1", `line 1, column 21, at "("`, /never closed/],
  ["#ifdef __cplusplus\nint a;", `line 1, column 2, at "ifdef"`, /#endif/],
  ["#endif\nint a;", `line 1, column 2, at "endif"`, /no #if/],
  ["int typeof;", `line 1, column 5, at "typeof"`, /means something/],
  ["int __proto__;", `line 1, column 5, at "__proto__"`, /cannot be/],
  ["int a$;", `line 1, column 6, at "$"`, /";"/],
  ["int é;", `line 1, column 5, at "\\u00e9"`, /a name/],
  ["int \x1b[31m;", `line 1, column 5, at "\\u001b"`, /a name/],
  ["int \x9b31m;", `line 1, column 5, at "\\u009b"`, /a name/],
  [`int "${"x".repeat(99)}\u202e";`, `line 1, column 5, at "\\"${"x".repeat(39)}..."`, /a name/],
];

Deno.test("parseStruct: what is refused, where and why", () => {
  for (const [text, place, says] of REFUSED) {
    assert.throws(() => parseStruct(text), (error) => {
      assert.ok(error instanceof TypeError, text);
      assert.ok(error.message.startsWith(`${place}: `), `${text}\n${error.message}`);
      assert.match(error.message.slice(place.length), says, text);
      return true;
    });
  }
  assert.throws(() => parseStruct(undefined as never), TypeError);
});

/** A text nested `depth` times. */
function nested(open: string, inner: string, close: string, depth: number): string {
  return open.repeat(depth) + inner + close.repeat(depth);
}

/** Structs that each hold the one before, and more of the same kind. */
function chain(length: number, fields: (inner: string) => string): string {
  const links = Array.from({ length }, (_, i) => `struct A${i + 1} { ${fields(`struct A${i}`)} };`);
  return `struct A0 { char a[9]; }; ${links.join("\n")}`;
}

Deno.test("parseStruct: macros make at most 16 MiB of characters", () => {
  const paste = "#define PASTE(a, b) a##b\n#define TWICE(x) PASTE(x, x)\n";
  const quote = "#define QUOTE(x) QUOTED(x)\n#define QUOTED(x) #x\n";
  const long = `#define LONG ${"a".repeat(100_000)}\n#define MANY ${"LONG ".repeat(100)}\n`;
  for (
    const [text, place] of [
      [`${paste}int ${nested("TWICE(", "a", ")", 30)};`, "line 3, column "],
      [
        `${paste}${
          Array.from({ length: 100 }, (_, i) => `int ${nested("TWICE(", `a${i}_`, ")", 20)};\n`)
            .join("")
        }`,
        "line ",
      ],
      [`${quote}char a[sizeof ${nested("QUOTE(", '"\\\\"', ")", 30)}];`, "line 3, column "],
      [`${long}${quote}char a[sizeof QUOTE(MANY MANY)];`, "line 5, column "],
    ] as const
  ) {
    assert.throws(() => parseStruct(text), (error) => {
      assert.ok(error instanceof RangeError, String(error));
      assert.ok(error.message.startsWith(place), error.message);
      assert.match(error.message, /, at "[A-Z]+": the macros make more than 16777216 characters$/);
      return true;
    });
  }
  assert.deepEqual(
    Object.keys(parseStruct(`${paste}int ${nested("TWICE(", "a", ")", 16)};`).fields),
    ["a".repeat(2 ** 16)],
  );
});

Deno.test("parseStruct: sizes and depths out of bounds are RangeErrors, at once", () => {
  for (
    const text of [
      `int a; ${" ".repeat(2 ** 24)}`,
      "a ".repeat(3000).replace(/^/, `#define a ${"; ".repeat(400)}\n`),
      // Each macro stands for two of the one before; the first for nothing.
      `#define M0\n${
        Array.from({ length: 60 }, (_, i) => `#define M${i + 1} M${i} M${i}\n`).join("")
      }int a; M60`,
      `${Array.from({ length: 2000 }, (_, i) => `#define M${i} M${i + 1}\n`).join("")}int a; M0`,
      "char a[-1];",
      "char a[2 - 3];",
      "char a[1 << 31];",
      "char a[1 << 32];",
      "char a[1 << -1];",
      "char a[(1 >> 32) + 1];",
      "char a[0u - 1];",
      "char a[-1 * 1u];",
      "char a[2147483647 + 1];",
      "char a[1 / 0];",
      "char a[1 % 0];",
      "char a[9007199254740992];",
      "char a[18446744073709551616];",
      `char a[${"9".repeat(10000)}];`,
      "double a[9007199254740991];",
      "char a[9007199254740991], b;",
      "char a[99999999][99999999][99999999];",
      chain(60, (inner) => `${inner} a, b;`),
      chain(65, (inner) => `${inner} a;`),
      `int a${"[1]".repeat(65)};`,
      `${nested("struct {", "int a;", "} a;", 5000)}`,
      `char a[${nested("(", "1", ")", 5000)}];`,
      `char a[${"-".repeat(5000)}1];`,
      `char a[${nested("sizeof(char[", "1", "])", 3000)}];`,
      `${nested("_Atomic(", "int", ")", 5000)} a;`,
      `${nested("std::atomic<", "int", ">", 3000)} a;`,
      "alignas(struct { ".repeat(3000),
      `alignas(3) int a;`,
      `alignas(1ul << 29) int a;`,
      "enum { A = -1, B = 18446744073709551615ull } a;",
      "struct S { int a : 33; };",
      `#define F(x) x x\nint a[${nested("F(", "1", ")", 100)}];`,
      `#define F(x) x\nint a[${nested("F(", "1", ")", 100)}];`,
      `int a[${nested("1 ? 1 : (", "1", ")", 5000)}];`,
      `#if ${nested("(", "1", ")", 5000)}\n#endif`,
      `int ${nested("(*", "a", ")", 5000)};`,
      `struct S { ${Array.from({ length: 2 ** 17 + 1 }, (_, i) => `char a${i};`).join("")} };`,
      `enum { ${Array.from({ length: 2 ** 18 + 1 }, (_, i) => `a${i}`).join()} } a;`,
      "enum { A = 18446744073709551615ull, B } a;",
    ]
  ) {
    assert.throws(() => parseStruct(text), (error) => {
      assert.ok(error instanceof RangeError, `${text.slice(0, 80)}\n${error}`);
      assert.doesNotMatch(error.message, /\n|call stack/);
      return true;
    });
  }
});

Deno.test("parseStruct: a name has at most 1000 pointers or dimensions", () => {
  for (
    const [text, place] of [
      [`int a${"[1]".repeat(2 ** 18)};`, `line 1, column 3009, at "["`],
      [`int a${"(void)".repeat(2 ** 18)};`, `line 1, column 6012, at "("`],
      [`int ${"*".repeat(2 ** 18)}a;`, `line 1, column 1006, at "*"`],
    ] as const
  ) {
    assert.throws(() => parseStruct(text), {
      name: "RangeError",
      message: `${place}: more than 1000 pointers or dimensions are before it`,
    });
  }
  assert.equal(parseStruct(`int ${"*".repeat(1000)}a;`).size, 8);
  assert.throws(() => parseStruct(`int a${"[1]".repeat(65)};`), {
    message: /^line 1, column 7, at "1": structs and arrays are nested/,
  });
});

Deno.test("parseStruct: what is within the bounds is read", () => {
  assert.equal(parseStruct(chain(63, (inner) => `${inner} a;`).replace("a[9]", "a")).size, 1);
  assert.equal(parseStruct(`int a${"[1]".repeat(63)};`).size, 4);
  assert.equal(parseStruct(chain(40, (inner) => `${inner} a, b;`)).size, 9 * 2 ** 40);
  assert.equal(parseStruct("char a[9007199254740991];").size, Number.MAX_SAFE_INTEGER);
  const many = parseStruct(Array.from({ length: 5000 }, (_, i) => `char a${i};`).join(""));
  assert.equal(many.fields.a4999?.offset, 4999);
});

/** Nothing but a layout, or one of two errors in one line of plain ASCII, comes of any text. */
function survives(text: string, options?: ParseOptions): boolean {
  try {
    const { size, fields } = parseStruct(text, options);
    assert.ok(Number.isSafeInteger(size) && size >= 0 && Object.keys(fields).length >= 0);
    return true;
  } catch (error) {
    const known = error instanceof RangeError || error instanceof TypeError;
    // A mistake in the parser is a TypeError too: it has no place in the text.
    const plain = known && /^line \d+, column \d+, at [\x20-\x7e]+$/.test(error.message);
    assert.ok(plain, `seed ${SEED}: ${JSON.stringify(text)}\n${error}`);
    return false;
  }
}

Deno.test("parseStruct: 10 000 texts of random bytes and words", () => {
  const random = new Random(SEED);
  const words =
    `#if #elif defined ? && || ! == < > <= '\\n' 'a' ## , ... F(x) F( offsetof static extern namespace using class
    public: template const operator friend virtual = {} __be32 struct.timespec [[ ]] __packed PACKED int char struct union enum typedef { } [ ] ( ) ; , * : :: < > << = ~ - + / % 0 1 16 0x10 4096 99999999999 a b S
    unsigned long double void sizeof _Alignof alignas __attribute__ packed aligned (( )) #define #ifdef #endif
    #else #pragma pack (push,1) (pop) \n " ' \\ /* */ // static_assert std atomic _Atomic __proto__ constructor
    bool uint8_t size_t const \u0000 \u001b[31m \ud800`.split(/ +/);
  for (let i = 0; i < 10_000; i++) {
    const length = random.below(40);
    const text = i % 2 === 0
      ? Array.from({ length }, () => String.fromCharCode(random.below(256))).join("")
      : Array.from({ length }, () => random.of(words)).join(random.of(["", " "]));
    survives(text);
    if (i % 4 === 0) survives(text, { name: "S" });
  }
});

Deno.test("parseStruct: 10 000 mutations of declarations", () => {
  const random = new Random(SEED);
  const originals = [
    ...randomStructs(SEED, 30).map((layout) => layout.declare("S").slice(0, 2000)),
    ...randomTexts(SEED, 30).map(({ text }) => text),
    "namespace n { class C { public: static const int N = 4; std::array<int, N> a; int b : 3 = 1; C(); }; }",
    "#define F(T, n, ...) T n##_[sizeof(#n)] __VA_ARGS__\nstruct S { F(int, a); F(char, b, [2]); };",
    "bool can_read; char msg[2048]",
    "typedef struct { unsigned long int a; double x, y; } __attribute__((packed, aligned(4))) Point;",
    "enum E { A, B = 1 << 4 }; struct S { enum E e; char n[B + sizeof(int)]; struct S *next; };",
    "#ifndef H\n#define H\n#define N 16\nstruct S { alignas(64) std::atomic<uint32_t> a[N]; };\n#endif",
    "_Atomic(int) a; const char *b[3], c; /* d */ uint8_t e[2][3]; // f\n",
  ];
  const pieces = [
    "",
    ";",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "*",
    ",",
    "#",
    "\n",
    '"',
    "/*",
    "\0",
    "-",
    "9",
  ];
  let read = 0;
  for (let i = 0; i < 10_000; i++) {
    let text = random.of(originals);
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      const at = random.below(text.length);
      const cut = random.below(3) === 0 ? random.below(20) : 1;
      const from = random.of(originals);
      const start = random.below(from.length);
      const put = random.below(2) === 0
        ? random.of(pieces)
        : from.slice(start, start + random.below(20));
      text = text.slice(0, at) + put + text.slice(at + cut);
    }
    if (survives(text)) read += 1;
    if (i % 4 === 0) survives(text, { name: "S" });
  }
  // Mutations that all are refused would try little.
  assert.ok(read > 100, `seed ${SEED}: only ${read} were read`);
});

Deno.test("parseStruct: name chooses one struct, and only what it needs matters", () => {
  const header = `
    #ifndef HEADER_H
    #define HEADER_H
    #include <other.h>
    G_BEGIN_DECLS
    extern int errors; extern const char *const names[];
    API foo_t *foo_new(const char *name, int size) WARN_UNUSED;
    static inline int twice(int a) { if (a) { return a + a; } return 0; }
    #ifdef UNKNOWN
    int twenty(void);
    #define SIZE 20
    typedef int pid_t;
    #endif
    typedef struct hard { long double x; } hard;
    struct easy { char a; uint32_t b; };
    typedef union { int i; float f; } both, *both_pointer;
    struct needs { hard h; };
    struct sized { char a[SIZE]; };
    struct wide { int a;
    #ifdef WIDE
    long b;
    #endif
    };
    struct process { pid_t id; };
    struct later { struct easy e; both b; };
    G_END_DECLS
    #endif`;
  const size = (name: string): number => parseStruct(header, { name }).size;
  assert.deepEqual(["easy", "both", "later"].map(size), [8, 4, 12]);
  const refused = (name: string, says: RegExp): void =>
    assert.throws(() => size(name), { name: "TypeError", message: says });
  refused("hard", /at "long": no scalar/);
  refused("needs", /at "long": no scalar/);
  refused("sized", /at "UNKNOWN": whether this is defined/);
  refused("wide", /at "WIDE": whether this is defined/);
  refused("process", /at "UNKNOWN": whether this is defined/);
  refused("missing", /no struct of this name/);
  assert.throws(() => parseStruct(header), /at "UNKNOWN"/);
  const refusedTag = "struct __attribute__((ms_struct)) T { char a; int b : 3; };";
  assert.throws(
    () => parseStruct(refusedTag, { name: "T" }),
    /at "ms_struct": what this attribute/,
  );
});

Deno.test("parseStruct: what a text defines twice must be the same", () => {
  const size = (text: string, name?: string): number =>
    parseStruct(text, name === undefined ? {} : { name }).size;
  const both = "struct S { char a; struct T { int b : 3; } t[2]; union { int c; float d; }; };";
  for (const name of [undefined, "S", "T"]) {
    assert.equal(size(`${both}\n${both}`, name), name === "T" ? 4 : 16);
    assert.equal(size(`typedef struct S S; ${both} typedef struct S S;`, name), size(both, name));
  }
  assert.equal(size("typedef unsigned A; typedef uint32_t A; typedef struct { A a; } S;", "S"), 4);
  const again = 'at "S": this name is defined before, and not in the same way: leave one of the ';
  for (
    const [one, other] of [
      ["struct S { int a; };", "struct S { int b; };"],
      ["struct S { int a; };", "struct S { unsigned a; };"],
      ["struct S { int a; };", "union S { int a; };"],
      ["struct S { int a; };", "struct S { int a; } __attribute__((aligned(8)));"],
      ["struct S { char a; int b; };", "#pragma pack(1)\nstruct S { char a; int b; };"],
      ["struct S { int a : 3; };", "struct S { int a : 4; };"],
      ["struct S { int a[2]; };", "struct S { int a[3]; };"],
      ["struct S { int a; };", "struct S { unknown a; };"],
      ["struct S { int a; };", "struct U { struct S { long a; } s; };"],
      ["typedef struct { int a; } S;", "typedef struct { long a; } S;"],
      ["typedef struct { int a; } S;", "typedef int S;"],
      ["struct S { int a; };", "foo bar baz; struct S { long a; };"],
    ] as const
  ) {
    for (const text of [`${one}\n${other}`, `${one}\n${other}\nint unfinished[`]) {
      assert.throws(() => size(text, "S"), (error) => {
        assert.ok(error instanceof TypeError && error.message.includes(again), `${text}\n${error}`);
        return true;
      });
    }
    assert.throws(() => size(`${one}\n${other}`), TypeError);
    assert.equal(size(`${one}\n${other}\nstruct R { short r; };`, "R"), 2);
  }
  // C allows it, but the name alone does not say which
  const two = "struct S { int a; }; typedef struct { long a; } S; struct R { struct S a; S b; };";
  assert.equal(size(two, "R"), 16);
  assert.throws(() => size(two, "S"), {
    name: "TypeError",
    message:
      '"S" is a struct and the typedef of another one in this text: leave one of the two out',
  });
  // What follows does not matter otherwise
  for (const rest of ["int a b;", "/* no end", "#if", "struct R { struct S { int a; } s;"]) {
    assert.equal(size(`struct S { int a; };\n${rest}`, "S"), 4, rest);
  }
});

Deno.test("parseStruct: what may change the packing of all that follows is refused for all of it", () => {
  for (
    const text of [
      "PACK_BEGIN struct A { int a; }; struct S { char a; int b; };",
      "PACK_BEGIN(1)\nstruct S { char a; int b; };",
      "#ifdef UNKNOWN\n#pragma pack(1)\n#endif\nstruct S { char a; int b; };",
      "#include <pshpack1.h>\nstruct S { char a; int b; };",
      "struct S { char a; int b; } __packed;",
      "typedef struct S { char a; int b; } PACKED S;",
    ]
  ) assert.throws(() => parseStruct(text, { name: "S" }), TypeError, text);
});

Deno.test("parseStruct: define decides what only the user knows", () => {
  const text = "struct S { int a[N];\n#ifdef WIDE\nlong b;\n#endif\n};";
  assert.equal(parseStruct(text, { define: { N: 2, WIDE: false } }).size, 8);
  assert.equal(parseStruct(text, { define: { N: "1 + 1", WIDE: true } }).size, 16);
  assert.equal(parseStruct(text, { define: { N: 4n, WIDE: "" } }).size, 24);
  assert.equal(parseStruct("struct S { char a; int b; } P;\n", { define: { P: "" } }).size, 8);
  for (const define of [1, [], { "a b": 1 }, { N: null }, { N: {} }]) {
    assert.throws(() => parseStruct(text, { define } as never), TypeError);
  }
  assert.throws(() => parseStruct(text, { names: "S" } as never), /"names"/);
});

/** Names after a brace that may be macros, and what is none. */
Deno.test("parseStruct: an undefined macro is refused by name, with the ways out", () => {
  const says =
    /: this looks like a macro that the text does not define: #define it before, or write/;
  for (
    const [macro, text] of [
      ["__packed", "struct S { char a; long b; } __packed;"],
      ["EPOLL_PACKED", "struct S { char a; long b; } EPOLL_PACKED;"],
      ["__rte_packed", "struct S { char a; long b; } __rte_packed;"],
      ["__packed", "struct __packed S { char a; int b; };"],
      ["__aligned", "struct S { char a; int b; } __aligned(16);"],
      ["__aligned", "struct S { char a; int b __aligned(16); };"],
      ["ALIGN", "struct ALIGN(16) S { char a; int b; };"],
      ["SPICE_ATTR_PACKED", "typedef struct SPICE_ATTR_PACKED H { short a; int b; } H;"],
      ["SPICE_ATTR_PACKED", "typedef struct SPICE_ATTR_PACKED { short a; int b; } H;"],
      ["__packed", "struct S { char a; union { int b; } __packed; };"],
      ["PADDING", "struct S { char a; int PADDING(4); };"],
      ["PACKED", "enum E { A } PACKED; struct S { enum E e; };"],
    ] as const
  ) {
    assert.throws(() => parseStruct(text), (error) => {
      assert.match((error as Error).message, says, text);
      assert.ok((error as Error).message.includes(`at "${macro}"`), text);
      return true;
    });
  }
  const packed = "#define PACKED __attribute__((packed))\nstruct S { char a; int b; } PACKED;";
  assert.equal(parseStruct(packed).size, 5);
  assert.equal(places("#define DATA DATA\nstruct A { int a; } DATA;"), "DATA@0+4");
  assert.equal(places("struct A { struct { int a; } NED; };"), "NED@0+4");
  assert.equal(places("struct A { union { int a; char b[16]; } __in6_u; };"), "__in6_u@0+16");
  assert.equal(
    places("struct A { int a; }; typedef struct { char c; } B; struct A x; B y;"),
    "x@0+4 y@4+1",
  );
});

Deno.test("parseStruct: C++ and functions that declare no data", () => {
  assert.equal(
    places(`namespace a::b { inline namespace c {
      constexpr std::size_t N = 4; enum class Kind : std::uint8_t { A };
      template <typename T, int M> struct Template { T t[M]; };
      using id = std::uint16_t; using std::array;
      class S final {
       public:
        S() = default; explicit S(int x) : e(x), f{3} {} ~S() { close(); }
        static const int COUNT = 3; static constexpr int MORE{2}; static std::string name;
        [[nodiscard]] int sum() const noexcept { return e + f; }
        bool operator==(const S &other) const; operator bool() const;
        friend class Other; friend bool operator<(const S &a, const S &b) { return true; }
       private:
        std::array<id, N> a; std::array<std::array<char, 8>, (N > 3)> b; ::uint32_t c[COUNT + MORE];
        std::byte d; int e = 5, f{7}; Kind kind = Kind::A; int g : 3 = 1;
      };
    } }`),
    "a@0+8 b@8+8 c@16+20 d@36+1 e@40+4 f@44+4 kind@48+1 g@49+1",
  );
  assert.equal(
    places("int (*f)(int), (*g[2])(void); int h(int); int i(void) { return (1); } char c;"),
    "f@0+8 g@8+16 c@24+1",
  );
});

Deno.test("parseStruct: the known types of headers", () => {
  assert.equal(
    places(
      `struct timespec a; struct timeval b; struct in_addr c; struct in6_addr d; struct sockaddr e;
      struct sockaddr_in f; struct sockaddr_in6 g; struct sockaddr_storage h; __be16 i; __le64 j; BYTE k;
      CARD16 l; __kernel_long_t m; __aligned_u64 n;`,
    ),
    "a@0+16 b@16+16 c@32+4 d@36+16 e@52+16 f@68+16 g@84+28 h@112+128 i@240+2 j@248+8 k@256+1 l@258+2 " +
      "m@264+8 n@272+8",
  );
});

Deno.test("parseStruct: 16 MiB of anything end with a result or one line", () => {
  const filled = (piece: string): string => piece.repeat((2 ** 24 - 100) / piece.length);
  const header = filled("/* a comment */ typedef unsigned long name_of_a_type_that_is_long_t;\n");
  assert.equal(parseStruct(`${header}struct S { int a; };`, { name: "S" }).size, 4);
  for (const piece of ["int a;", "{", "#define A(x) x x\n", '"', "/*", "struct S {"]) {
    assert.throws(() => parseStruct(filled(piece), { name: "T" }), /^(Type|Range)Error: line /);
  }
});

Deno.test("parseStruct: no text makes it slow", () => {
  // Each of these would take minutes if a step looked at all of the text again.
  const size = 65000;
  for (
    const piece of [
      "/",
      "/*",
      '"',
      "'",
      "\\\n",
      '\\"',
      "#\n",
      "//\\\n",
      "(",
      "[",
      "{",
      "int a,",
      "#if 0\n",
      "0'",
      "e+",
      "::",
      "_Static_assert(",
    ]
  ) {
    const text = piece.repeat(size / piece.length);
    assert.throws(() => parseStruct(text));
    assert.throws(() => parseStruct(`int a[${text}`));
    assert.throws(() => parseStruct(`"${text}`));
  }
  assert.equal(parseStruct(`int a; ${"\\\n".repeat(size / 2)}`).size, i32.size);
});
