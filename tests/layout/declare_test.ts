/**
 * The compilers have the last word on every size and offset, and on what a struct in memory means.
 */
import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import { declare } from "../../src/layout/declare.ts";
import type { AnyStructLayout } from "../../src/layout/layout.ts";
import {
  bool,
  char,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  u16,
  u32,
  u64,
  u8,
} from "../../src/layout/scalar.ts";
import { flexible } from "../../src/layout/flexible.ts";
import { struct } from "../../src/layout/struct.ts";
import { union } from "../../src/layout/union.ts";
import { testWith } from "../support/needs.ts";
import { randomStructs } from "../cparse/random_struct.ts";

/** A new one every run. To see a failure again, put the seed it printed here. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0]!;
const COUNT = 300;

// Structs with explicit alignment in packed structs are part of the test; the warning is right.
const WARNINGS = ["-Wall", "-Wextra", "-Wno-packed-not-aligned", "-Werror"];

function declarations(): string {
  return randomStructs(SEED, COUNT).map((S, i) => S.declare(`S${i}`)).join("\n");
}

/** Everything the compiler can be asked about a struct, as C expressions with our answers. */
function questions(S: AnyStructLayout, name: string): [expression: string, answer: number][] {
  const asked: [string, number][] = [
    [`sizeof(struct ${name})`, S.size],
    [`_Alignof(struct ${name})`, S.alignment],
  ];
  const ask = (inner: AnyStructLayout, path: string, base: number): void => {
    for (const [key, { layout, offset, size }] of Object.entries(inner.fields)) {
      const place = path + key;
      asked.push([`offsetof(struct ${name}, ${place})`, base + offset]);
      asked.push([`sizeof(((struct ${name} *)0)->${place})`, size]);
      // The last element of an array tells the size of all before it.
      let element = layout;
      let elementPath = place;
      let elementOffset = base + offset;
      while (element.kind === "array") {
        elementPath += `[${element.length - 1}]`;
        elementOffset += (element.length - 1) * element.element.size;
        element = element.element;
      }
      if (element !== layout) {
        asked.push([`offsetof(struct ${name}, ${elementPath})`, elementOffset]);
      }
      if (element.kind === "struct") ask(element, `${elementPath}.`, elementOffset);
    }
  };
  ask(S, "", 0);
  return asked;
}

/** Runs a tool in a folder; its output, or an error with all it said. */
function run(folder: string, tool: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(tool, { args, cwd: folder, stdin: "null" })
    .outputSync();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assert.ok(success, `seed ${SEED}: ${tool} ${args.join(" ")} failed\n${text(stderr)}`);
  return text(stdout);
}

function inFolder(body: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "sysv-shm-layout-" });
  try {
    body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

testWith(
  { tools: ["gcc"], files: true },
  `gcc agrees on ${COUNT} random structs`,
  () =>
    inFolder((folder) => {
      const asked = randomStructs(SEED, COUNT).flatMap((S, i) => questions(S, `S${i}`));
      const source = `${declarations()}
#include <stdio.h>
static const unsigned long long answers[] = {
${asked.map(([expression]) => `  ${expression},`).join("\n")}
};
int main(void) {
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) printf("%llu\\n", answers[i]);
}
`;
      Deno.writeTextFileSync(`${folder}/all.c`, source);
      run(folder, "gcc", "-std=c11", ...WARNINGS, "-o", "all", "all.c");
      const answers = run(folder, `${folder}/all`).trim().split("\n").map(Number);
      assert.equal(answers.length, asked.length);
      asked.forEach(([expression, ours], i) =>
        assert.equal(ours, answers[i], `seed ${SEED}: ${expression}`)
      );
    }),
);

const COMPILERS: [tool: string, what: string, ...args: string[]][] = [
  ["g++", "g++ accepts the same declarations as C++11", "-xc++", "-std=c++11"],
  ["g++", "g++ accepts the same declarations as C++17", "-xc++", "-std=c++17"],
  ["musl-gcc", "musl-gcc accepts the same declarations", "-std=c11"],
  ["aarch64-linux-gnu-gcc", "gcc for aarch64 accepts the same declarations", "-std=c11"],
];
for (const [tool, what, ...args] of COMPILERS) {
  testWith({ tools: [tool], files: true }, what, () =>
    inFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/all.c`, declarations());
      run(folder, tool, ...args, ...WARNINGS, "-fsyntax-only", "all.c");
    }));
}

testWith(
  { tools: ["gcc"], files: true },
  "declare: the assertions fail where a layout differs",
  () =>
    inFolder((folder) => {
      const text = struct({ a: u8, b: i32 }).declare("S");
      for (const wrong of [text.replace("int32_t b", "int64_t b"), text.replace("== 4", "== 5")]) {
        assert.notEqual(wrong, text);
        Deno.writeTextFileSync(`${folder}/wrong.c`, wrong);
        assert.throws(
          () => run(folder, "gcc", "-fsyntax-only", "wrong.c"),
          /static assertion failed/,
        );
      }
    }),
);

Deno.test("declare: the whole text", () => {
  const Inner = struct({ on: bool, c: char }, { pack: 1 });
  const S = struct({
    x: i32,
    name: cString(16),
    grid: array(array(u16, 2), 3),
    names: array(cString(4), 2),
    from: Inner,
    to: array(Inner, 2),
    far: aligned(f64, 64),
  }, { align: 128 });
  assert.equal(
    S.declare("Point"),
    `#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define _Static_assert static_assert
#endif

#pragma pack(push, 1)
typedef struct Point_from {
  bool on;
  char c;
} Point_from;
#pragma pack(pop)
_Static_assert(sizeof(struct Point_from) == 2, "size of Point_from");
_Static_assert(offsetof(struct Point_from, on) == 0, "offset of Point_from.on");
_Static_assert(offsetof(struct Point_from, c) == 1, "offset of Point_from.c");

typedef struct __attribute__((aligned(128))) Point {
  int32_t x;
  char name[16];
  uint16_t grid[3][2];
  char names[2][4];
  struct Point_from from;
  struct Point_from to[2];
  double far __attribute__((aligned(64)));
} Point;
_Static_assert(sizeof(struct Point) == 128, "size of Point");
_Static_assert(offsetof(struct Point, x) == 0, "offset of Point.x");
_Static_assert(offsetof(struct Point, name) == 4, "offset of Point.name");
_Static_assert(offsetof(struct Point, grid) == 20, "offset of Point.grid");
_Static_assert(offsetof(struct Point, names) == 32, "offset of Point.names");
_Static_assert(offsetof(struct Point, from) == 40, "offset of Point.from");
_Static_assert(offsetof(struct Point, to) == 42, "offset of Point.to");
_Static_assert(offsetof(struct Point, far) == 64, "offset of Point.far");

#define Point_MESSAGE_TYPE "x:i32@0;name:char[16]@4;grid:u16[3][2]@20;names:char[2][4]@32;from.on:bool@40;from.c:char@41;to[2].on:bool@42+2;to[2].c:char@43+2;far:f64@64;128"
`,
  );
});

Deno.test("declare: a struct that messages can be of has its message type, and no other has one", () => {
  const text = struct({ id: i32, at: struct({ x: f64, y: f64 }) }).declare("Job");
  assert.match(text, /^#define Job_MESSAGE_TYPE "id:i32@0;at.x:f64@8;at.y:f64@16;24"$/m);
  assert.equal(text.match(/_MESSAGE_TYPE/g)?.length, 1);
  for (const layout of [union({ a: i32 }), struct({ n: i32, data: flexible(u8) })]) {
    assert.doesNotMatch(layout.declare("Job"), /_MESSAGE_TYPE/);
  }
});

Deno.test("declare: only the headers it needs", () => {
  assert.doesNotMatch(struct({ a: f32 }).declare("S"), /stdint|stdbool/);
  assert.match(struct({ a: i8 }).declare("S"), /#include <stdint.h>/);
});

Deno.test("declare: two nested structs never get one name", () => {
  const A = struct({ deep: struct({ x: u8 }) });
  const text = struct({ a: A, a_deep: struct({ y: u8 }) }).declare("S");
  assert.deepEqual(
    [...text.matchAll(/^typedef struct (\w+)/gm)].map(([, name]) => name),
    ["S_a_deep", "S_a", "S_a_deep_", "S"],
  );
});

Deno.test("declare: a nested struct has the name that it is given, or one that is free", () => {
  const [In, Other, Taken] = [struct({ x: u8 }), struct({ y: u8 }), struct({ z: u8 })];
  const S = struct({ a: In, b: array(In, 2), c: Other, d: Taken });
  const names = new Map<AnyStructLayout, string>([[In, "in"], [Other, "S"], [Taken, "int8_t"]]);
  const text = declare(S, "S", names);
  assert.deepEqual(
    [...text.matchAll(/^typedef struct (\w+)/gm)].map(([, name]) => name),
    ["in", "S_", "int8_t_", "S"],
  );
  assert.match(text, /^ {2}struct in b\[2\];$/m);
  assert.match(declare(S, "S"), /^ {2}struct S_a b\[2\];$/m);
});

Deno.test("declare: the name is one C can take", () => {
  const { declare } = struct({ t: struct({ a: u8 }) });
  for (const name of ["", "1a", "a b", "a;", "class", "int8_t", "__proto__"]) {
    assert.throws(() => declare(name), TypeError);
  }
  assert.match(declare("int8"), /struct int8_t_ t;/);
});

const Inner = struct({ id: u16, label: cString(4) }, { pack: 1 });
const Message = struct({
  flag: bool,
  letter: char,
  a: i8,
  b: u8,
  c: i16,
  d: u16,
  e: i32,
  f: u32,
  g: i64,
  h: u64,
  i: f32,
  j: f64,
  text: cString(8),
  list: array(i16, 3),
  inner: Inner,
  many: array(Inner, 2),
  grid: array(array(u8, 2), 2),
});
const MESSAGE = {
  flag: true,
  letter: "Z",
  a: -8,
  b: 250,
  c: -1600,
  d: 65000,
  e: -2000000000,
  f: 4000000000,
  g: -9000000000000000000n,
  h: 18000000000000000000n,
  i: 0.25,
  j: 0.1,
  text: "Grüße",
  list: [1, -2, 3],
  inner: { id: 258, label: "in" },
  many: [{ id: 1, label: "m0" }, { id: 2, label: "m1" }],
  grid: [[1, 2], [3, 4]],
};
const C_MESSAGE = `${Message.declare("Message")}
#include <stdio.h>
#include <string.h>
static const Message expected = {
  .flag = true, .letter = 'Z', .a = -8, .b = 250, .c = -1600, .d = 65000, .e = -2000000000,
  .f = 4000000000u, .g = -9000000000000000000ll, .h = 18000000000000000000ull, .i = 0.25f, .j = 0.1,
  .text = "Gr\\xc3\\xbc\\xc3\\x9f" "e", .list = { 1, -2, 3 }, .inner = { 258, "in" },
  .many = { { 1, "m0" }, { 2, "m1" } }, .grid = { { 1, 2 }, { 3, 4 } },
};
`;

testWith(
  { tools: ["gcc"], files: true },
  "declare: what C writes, a view reads field by field",
  () =>
    inFolder((folder) => {
      Deno.writeTextFileSync(
        `${folder}/write.c`,
        `${C_MESSAGE}
int main(void) {
  FILE *file = fopen("message", "wb");
  return !(file && fwrite(&expected, sizeof expected, 1, file) == 1 && fclose(file) == 0);
}
`,
      );
      run(folder, "gcc", "-std=c11", ...WARNINGS, "-o", "write", "write.c");
      run(folder, `${folder}/write`);
      const { buffer } = Deno.readFileSync(`${folder}/message`);
      assert.equal(buffer.byteLength, Message.size);
      assert.deepEqual(Message.read(buffer), MESSAGE);
      const view = Message.view(buffer);
      assert.deepEqual([view.e, view.j, view.text], [MESSAGE.e, MESSAGE.j, MESSAGE.text]);
      assert.deepEqual([...view.list], MESSAGE.list);
      assert.equal(view.many[1]?.label, "m1");
    }),
);

testWith(
  { tools: ["gcc"], files: true },
  "declare: what a view writes, C reads field by field",
  () =>
    inFolder((folder) => {
      const checks = Object.keys(Message.fields).map((name) => {
        const field = `m.${name}, &expected.${name}, sizeof m.${name}`;
        return `  if (memcmp(&${field}) != 0) { fprintf(stderr, "${name} differs\\n"); return 1; }`;
      });
      Deno.writeTextFileSync(
        `${folder}/read.c`,
        `${C_MESSAGE}
int main(void) {
  Message m;
  FILE *file = fopen("message", "rb");
  if (!file || fread(&m, sizeof m, 1, file) != 1) return 1;
${checks.join("\n")}
  return 0;
}
`,
      );
      run(folder, "gcc", "-std=c11", ...WARNINGS, "-o", "read", "read.c");
      const buffer = new ArrayBuffer(Message.size);
      const view: Record<string, unknown> = Message.view(buffer);
      for (const [name, value] of Object.entries(MESSAGE)) view[name] = value;
      Deno.writeFileSync(`${folder}/message`, new Uint8Array(buffer));
      run(folder, `${folder}/read`);
    }),
);
