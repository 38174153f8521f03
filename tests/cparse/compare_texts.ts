/**
 * Compares what `parseStruct` makes of random C texts with a compiler: sizes, offsets, kinds, and the
 * values that each side reads from the bytes of the other. Used by the tests and by `deno task structs`.
 */
import assert from "node:assert/strict";
import type { AnyStructLayout, Layout } from "../../src/layout/layout.ts";
import { parseStruct } from "../../src/cparse/parse_struct.ts";
import { Random } from "../crash/random.ts";
import { program, type Question, questions } from "./compiler_questions.ts";
import { randomTexts } from "./random_text.ts";

/** A compiler with its arguments. */
export const COMPILERS: Readonly<Record<string, readonly string[]>> = {
  gcc: ["gcc", "-std=gnu17", "-xc"],
  "g++": ["g++", "-std=gnu++17", "-fpermissive", "-xc++"],
  clang: ["clang", "-std=gnu17", "-xc"],
};

const HEADERS = `#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
static unsigned long long bits_of_float(float value) {
  unsigned bits; __builtin_memcpy(&bits, &value, 4); return bits;
}
static unsigned long long bits_of_double(double value) {
  unsigned long long bits; __builtin_memcpy(&bits, &value, 8); return bits;
}
`;

/** A number in a struct. */
interface Leaf {
  readonly path: string;
  readonly layout: Extract<Layout, { kind: "scalar" | "bits" }>;
  readonly offset: number;
}

function* leaves(struct: AnyStructLayout, path = "", base = 0): Generator<Leaf> {
  for (const [name, field] of Object.entries(struct.fields)) {
    let place = path + name;
    let offset = base + field.offset;
    let layout = field.layout;
    while (layout.kind === "array") {
      place += `[${layout.length - 1}]`;
      offset += (layout.length - 1) * layout.element.size;
      layout = layout.element;
    }
    if ("fields" in layout) yield* leaves(layout, `${place}.`, offset);
    else if (layout.kind === "scalar" || layout.kind === "bits") {
      yield { path: place, layout, offset };
    }
  }
}

/** The type of a number, such as `u32`. */
function typeOf({ layout }: Leaf): string {
  return layout.kind === "bits" ? layout.type.name : layout.name;
}

/** A value as the number that C prints for it. */
function printed(leaf: Leaf, value: unknown): bigint | undefined {
  const type = typeOf(leaf);
  if (typeof value === "string") return BigInt(value.charCodeAt(0));
  if (typeof value === "number" && type.startsWith("f")) {
    if (Number.isNaN(value)) return undefined;
    const data = new DataView(new ArrayBuffer(8));
    if (type === "f64") data.setFloat64(0, value, true);
    else data.setFloat32(0, value, true);
    return data.getBigUint64(0, true);
  }
  return BigInt.asUintN(64, BigInt(value as number | bigint | boolean));
}

/** How C prints it. */
function printing(leaf: Leaf): string {
  const type = typeOf(leaf);
  const value = `v.${leaf.path}`;
  const number = type === "f32"
    ? `bits_of_float(${value})`
    : type === "f64"
    ? `bits_of_double(${value})`
    : type === "char"
    ? `(unsigned char) ${value}`
    : type.endsWith("be")
    ? `__builtin_bswap${type.slice(1, 3)}(${value})`
    : `(unsigned long long) ${value}`;
  return `printf("%llu\\n", (unsigned long long) (${number}));`;
}

/** A value of a number, in our form and as C. */
function randomValue(leaf: Leaf, random: Random): readonly [ours: unknown, c: string] {
  const { layout } = leaf;
  const type = typeOf(leaf);
  if (type === "bool") return [true, "1"];
  if (type === "char") return ["Z", "'Z'"];
  if (type.startsWith("f")) return [-1.5, "-1.5"];
  const width = layout.kind === "bits" ? layout.width : layout.size * 8;
  let value = BigInt.asUintN(width, BigInt(random.below(2 ** 31)) * 0x1234567n + 5n);
  if (type.startsWith("i")) value = BigInt.asIntN(width, value);
  const ours = /64/.test(type) ? value : Number(value);
  const c = `(${
    BigInt.asIntN(64, value) === -(2n ** 63n)
      ? "(-9223372036854775807ll - 1)"
      : `${value}${value >= 0n ? "ull" : "ll"}`
  })`;
  return [ours, type.endsWith("be") ? `__builtin_bswap${type.slice(1, 3)}(${c})` : c];
}

/** A line that the program prints; `undefined` for a NaN, whose bits JavaScript does not keep. */
interface Expected {
  readonly what: string;
  readonly number: bigint | string | undefined;
}

/** What was compared. */
export interface Comparison {
  structs: number;
  /** Texts that are refused, because x86-64 and aarch64 differ. */
  refused: number;
  questions: number;
  values: number;
}

/**
 * Compares `count` texts. `folder` is for the program.
 *
 * @throws {AssertionError} Something differs: the message has the seed and the text.
 */
export function compareTexts(
  compiler: string,
  seed: number,
  count: number,
  folder: string,
): Comparison {
  const cpp = compiler === "g++";
  const random = new Random(seed + 1);
  const done: Comparison = { structs: 0, refused: 0, questions: 0, values: 0 };
  const asked: Question[] = [];
  const texts: string[] = [];
  const answers: Expected[] = [];
  const values: Expected[] = [];
  const statements: string[] = [];

  for (const { text, type } of randomTexts(seed, count)) {
    let layout: AnyStructLayout;
    try {
      layout = parseStruct(text);
    } catch (error) {
      const { message } = error as Error;
      assert.match(message, /aarch64|do not agree/, `seed ${seed}:\n${text}`);
      done.refused += 1;
      continue;
    }
    done.structs += 1;
    texts.push(text);
    // _Generic and _Alignof are not in C++
    for (const asking of questions(layout, type)) {
      if (cpp && /KIND|_Alignof/.test(asking.text)) continue;
      // In C++ an enum of small constants is compared as an int
      const question = cpp && asking.statement === true
        ? {
          ...asking,
          text: asking.text.replace(/v\.\S+ < 0/, "0"),
          answer: asking.answer - asking.answer % 10,
        }
        : asking;
      asked.push(question);
      answers.push({ what: `${question.text}\n${text}`, number: BigInt(question.answer) });
    }

    const bytes = Uint8Array.from({ length: layout.size }, () => random.below(256));
    const data = new DataView(bytes.buffer);
    statements.push(`{ static ${type} v; static const unsigned char b[] = {${bytes.join()}};`);
    statements.push("memcpy((void *) &v, b, sizeof v);");
    const numbers = [...leaves(layout)];
    for (const leaf of numbers) {
      // C may read such a bool as anything
      if (leaf.layout.kind === "scalar" && leaf.layout.name === "bool") continue;
      const number = printed(leaf, leaf.layout.get(data, leaf.offset));
      statements.push(printing(leaf));
      values.push({ what: `the value of ${leaf.path} in ${bytes.join()}\n${text}`, number });
    }
    for (const leaf of numbers) {
      const [ours, c] = randomValue(leaf, random);
      bytes.fill(0);
      leaf.layout.set(data, leaf.offset, ours, leaf.path);
      statements.push(
        `memset((void *) &v, 0, sizeof v); v.${leaf.path} = ${c}; show(&v, sizeof v);`,
      );
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      values.push({ what: `the bytes after ${leaf.path} = ${c}\n${text}`, number: hex });
      done.values += 2;
    }
    statements.push("}");
  }
  done.questions = asked.length;

  const { source } = program(`${HEADERS}${texts.join("\n")}`, asked);
  const show = `static void show(const void *at, unsigned long size) {
  for (unsigned long i = 0; i < size; i++) printf("%02x", ((const unsigned char *) at)[i]);
  printf("\\n");
}
int main(void) {`;
  const file = `${folder}/texts.c`;
  Deno.writeTextFileSync(
    file,
    source.replace("int main(void) {", () => show).replace(
      /\}\n$/,
      () => `${statements.join("\n")}\n}\n`,
    ),
  );
  const [tool, ...args] = COMPILERS[compiler]!;
  const compiled = new Deno.Command(tool!, {
    args: [...args, "-w", "-O0", "-o", `${folder}/texts`, file],
    stdin: "null",
    env: { LC_ALL: "C" },
  }).outputSync();
  const text = (output: Uint8Array): string => new TextDecoder().decode(output);
  assert.ok(compiled.success, `seed ${seed}: ${text(compiled.stderr).slice(0, 2000)}`);
  const { stdout } = new Deno.Command(`${folder}/texts`, { stdin: "null" }).outputSync();
  const lines = text(stdout).split("\n");
  const expected = [...answers, ...values];
  assert.equal(lines.length, expected.length + 1, `seed ${seed}`);
  expected.forEach(({ what, number }, i) => {
    if (number === undefined) return;
    assert.equal(lines[i], String(number), `seed ${seed}, ${compiler}: ${what}`);
  });
  return done;
}
