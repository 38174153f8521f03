/**
 * The compilers have the last word: what `parseStruct` makes of C text has the sizes, offsets,
 * alignments and kinds of number that they give the same text.
 */
import assert from "node:assert/strict";
import { aligned } from "../../src/layout/aligned.ts";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type { AnyStructLayout, Layout, ScalarName } from "../../src/layout/layout.ts";
import { parseStruct } from "../../src/cparse/parse_struct.ts";
import { char, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { compareTexts, COMPILERS } from "./compare_texts.ts";
import { program, questions } from "./compiler_questions.ts";
import { plain } from "./plain_layout.ts";
import { randomStructs } from "./random_struct.ts";
import { randomTexts } from "./random_text.ts";
import { C_TEXTS, CPP_TEXTS, DECIDED } from "./texts.ts";

/** A new one every run. To see a failure again, put the seed it printed here. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0]!;

const C_HEADERS = `#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdalign.h>
#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <uchar.h>
#include <unistd.h>
#pragma GCC diagnostic ignored "-Wcomment"
#pragma GCC diagnostic ignored "-Wparentheses"
#pragma GCC diagnostic ignored "-Wpacked-not-aligned"
#pragma GCC diagnostic ignored "-Wunused-variable"
`;

/** C11's way to ask what kind of number something is. */
const KIND = `#define KIND(x) _Generic((x), _Bool: 1, char: 2, \\
  signed char: 3, short: 3, int: 3, long: 3, long long: 3, float: 5, double: 5, default: 4)
`;

function kindOf(name: ScalarName): number {
  if (name === "bool" || name === "char") return name === "bool" ? 1 : 2;
  return name.startsWith("i") ? 3 : name.startsWith("u") ? 4 : 5;
}

/** Everything the compiler can be asked about a type, as assertions of our answers. */
function assertions(S: AnyStructLayout, type: string, kinds: boolean): string {
  const lines = [
    `_Static_assert(sizeof(${type}) == ${S.size}, "size of ${type}");`,
    `_Static_assert(_Alignof(${type}) == ${S.alignment}, "alignment of ${type}");`,
  ];
  const ask = (inner: AnyStructLayout, path: string, base: number): void => {
    for (const [name, { layout, offset, size }] of Object.entries(inner.fields)) {
      let element: Layout = layout;
      let place = path + name;
      let at = base + offset;
      lines.push(
        `_Static_assert(offsetof(${type}, ${place}) == ${at}, "offset of ${place}");`,
        `_Static_assert(sizeof(((${type} *)0)->${place}) == ${size}, "size of ${place}");`,
      );
      // The last element of an array tells the size of all before it.
      while (element.kind === "array") {
        place += `[${element.length - 1}]`;
        at += (element.length - 1) * element.element.size;
        element = element.element;
      }
      if (element !== layout) {
        lines.push(`_Static_assert(offsetof(${type}, ${place}) == ${at}, "offset of ${place}");`);
      }
      if (element.kind === "struct") ask(element, `${place}.`, at);
      else if (kinds) {
        const [character, kind] = element.kind === "cString"
          ? [`${place}[0]`, kindOf("char")]
          : [place, kindOf((element as { name: ScalarName }).name)];
        lines.push(
          `_Static_assert(KIND(((${type} *)0)->${character}) == ${kind}, "kind of ${place}");`,
        );
      }
    }
  };
  ask(S, "", 0);
  return lines.join("\n");
}

for (const compiler of ["gcc", "musl-gcc", "aarch64-linux-gnu-gcc"]) {
  testWith({ tools: [compiler], files: true }, `${compiler} agrees on pasted C`, () => {
    using folder = new TestFolder();
    const kernel = compiler !== "musl-gcc";
    const headers = kernel ? `#include <linux/types.h>\n${C_HEADERS}` : C_HEADERS;
    for (const [what, written] of Object.entries(C_TEXTS)) {
      // The kernel's headers are not in musl's folder.
      const text = kernel ? written : written.replaceAll(/.* __[su](8|16|32|64) .*\n/g, "");
      const type = /\}[^{}]* S;$/.test(text) ? "S" : "struct S";
      const source = `${headers}${KIND}${text}\n${assertions(parseStruct(text), type, true)}\n`;
      try {
        folder.compileOnly(compiler, source);
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`);
      }
    }
  });
}

testWith({ tools: ["g++"], files: true }, "g++ agrees on pasted C++", () => {
  using folder = new TestFolder();
  const source = Object.values(CPP_TEXTS).map((text, i) => {
    const asserted = assertions(parseStruct(text), "S", false);
    return `namespace n${i} {\n${text}\n${asserted}\n}`;
  });
  folder.compile("g++", "all.o", [
    "-std=c++20",
    "-c",
    "-Wno-invalid-offsetof",
    folder.file(
      "all.cpp",
      `#include <atomic>
#include <cstddef>
#include <cstdint>
#define _Static_assert static_assert
#define _Alignof alignof
${source.join("\n")}\n`,
    ),
  ]);
});

testWith({ tools: ["gcc"], files: true }, "gcc agrees on texts that once were refused", () => {
  using folder = new TestFolder();
  for (const [size, text] of Object.entries(DECIDED)) {
    const layout = parseStruct(text);
    assert.equal(`size ${layout.size}`, size.trim(), text);
    const asked = questions(layout, "struct S");
    const { source } = program(`#include <stdint.h>\n${text.replace("\ufeff", "")}`, asked);
    const binary = folder.compile("gcc", "decided", ["-w", folder.file("decided.c", source)]);
    const { stdout } = new Deno.Command(binary).outputSync();
    const answers = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
    assert.deepEqual(answers, asked.map(({ answer }) => answer), text);
  }
});

for (const compiler of Object.keys(COMPILERS)) {
  testWith({ tools: [compiler], files: true }, `${compiler} agrees on random texts`, () => {
    using folder = new TestFolder();
    const { structs, refused, values } = compareTexts(compiler, SEED, 120, folder.path);
    assert.ok(structs > 10 * refused && values > structs, `seed ${SEED}`);
  });
}

/** The layouts of random texts that can be declared. */
function* randomLayouts(): Generator<ReturnType<typeof parseStruct>> {
  for (const { text } of randomTexts(SEED, 300)) {
    try {
      const layout = parseStruct(text);
      layout.declare("S");
      yield layout;
    } catch (error) {
      assert.match((error as Error).message, /aarch64|do not agree|another pack/, text);
    }
  }
}

for (const [compiler, [tool, ...args]] of Object.entries(COMPILERS)) {
  testWith({ tools: [compiler], files: true }, `${compiler} accepts what declare writes`, () => {
    using folder = new TestFolder();
    const text = Array.from(randomLayouts(), (layout, i) => layout.declare(`S${i}`)).join("\n");
    const { success, stderr } = new Deno.Command(tool!, {
      args: [...args, "-w", "-fsyntax-only", folder.file("declared.c", text)],
      env: { LC_ALL: "C" },
    }).outputSync();
    const says = new TextDecoder().decode(stderr);
    assert.ok(success, `seed ${SEED}: ${says.slice(0, 2000)}`);
  });
}

Deno.test("parseStruct reads what declare writes", () => {
  const declared = [
    ...randomLayouts(),
    ...randomStructs(SEED, 300),
    struct({
      letters: array(char, 3),
      grid: array(array(char, 2), 3),
      names: array(cString(2), 3),
    }),
    struct({ a: aligned(u8, 2 ** 28) }, { align: 2 ** 27 }),
    struct({ huge: array(u8, Number.MAX_SAFE_INTEGER) }),
  ];
  for (const layout of declared) {
    const text = layout.declare("S");
    assert.deepEqual(plain(parseStruct(text)), plain(layout), `seed ${SEED}:\n${text}`);
  }
});
