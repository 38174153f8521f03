/** The numbers in the conditions of `#if` are those of intmax_t and uintmax_t, as for `gcc -E`. */
import assert from "node:assert/strict";
import { parseStruct } from "../../src/cparse/parse_struct.ts";
import { Random } from "../crash/random.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

/** A new one every run. To see a failure again, put the seed it printed here. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0]!;

/** Conditions, and whether they hold. */
const CONDITIONS: Readonly<Record<string, boolean>> = {
  "~0UL > 0xffffffffUL": true,
  "-1 > 0u": true,
  "-1 < 0u": false,
  "~0u > 0": true,
  "0u - 1 > 0": true,
  "-1UL / 2 > 5": true,
  "~0UL == 0xffffffffffffffffUL": true,
  "-0x8000000000000000 < 0": false,
  "0x8000000000000000 > 0": true,
  "0x8000000000000000 >> 63 == 1": true,
  "-9223372036854775807 - 1 < 0": true,
  "(1 ? -1 : 0u) > 0": true,
  "(0 ? 0u : -1) > 0": true,
  "(1 ? -1 : 0) > 0": false,
  "0xffffffff + 1 == 0x100000000": true,
  "-1 < 0xffffffff": true,
  "~0xffffffff < 0": true,
  "(-8 >> 1) == -4": true,
  "(-8 >> 1u) == -4": true,
  "(-8 + 0u) >> 60 == 15": true,
  "-7 / 2 == -3 && -7 % 2 == -1": true,
  "-1 == 0xffffffffffffffff": true,
  "(1u < 2) - 2 < 0": true,
  "!0u - 2 < 0": true,
  "(0u || 0) - 1 < 0": true,
  "'a' - 98 < 0": true,
  "1u << 63 > 0": true,
  "1 << 63 < 0": true,
  "18446744073709551615U / 2 > 9223372036854775806": true,
  "0 && (1 / 0)": false,
  "1 || (1 % 0)": true,
  "1 ? 2 : 1 / 0": true,
  "1 ? 2 : 1 / 0u": true,
  "(0 ? 1u / 0 : -1) > 0": true,
  "0 && (1 << 64)": false,
};

function holds(condition: string): boolean {
  return parseStruct(`#if ${condition}\nint a;\n#else\nlong a;\n#endif`).size === 4;
}

Deno.test("parseStruct: #if computes in intmax_t and uintmax_t", () => {
  for (const [condition, expected] of Object.entries(CONDITIONS)) {
    assert.equal(holds(condition), expected, condition);
  }
});

Deno.test("parseStruct: #if refuses what has no result or is not known", () => {
  for (const condition of ["1 / 0", "1 << 64", "1 << -1", "1 >> ~0u", "(0 ? 1 / 0u : -1) > 0"]) {
    assert.throws(() => holds(condition), RangeError, condition);
  }
  // The type of the other value decides; and one that is not known has no least after a sign
  for (const condition of ["(1 ? -1 : X) > 0", "(1 ? 0 : X) - 1 > 0", "-__GNUC__ > 2"]) {
    assert.throws(() => holds(condition), /^TypeError: .*not known here/, condition);
  }
  assert.equal(holds("1 ? 5 : X"), true);
  assert.equal(holds("(1 ? 5u : X) - 6 > 0"), true);
  assert.equal(holds("__GNUC__ >= 4u"), true);
});

Deno.test("parseStruct: defined may come of a macro, and true is for the user to say", () => {
  const size = (text: string): number => parseStruct(text).size;
  const either = "int a;\n#else\nlong a;\n#endif";
  assert.equal(size(`#define A defined(B)\n#define B\n#if A\n${either}`), 4);
  assert.equal(size(`#define A !defined B\n#define B 1\n#if A\n${either}`), 8);
  assert.equal(size(`#define A defined(B)\n#undef B\n#if A\n${either}`), 8);
  assert.throws(() => size(`#define A defined(B)\n#if A\n${either}`), /at "B": whether this is/);
  assert.throws(() => size(`#define A defined\n#if A\n${either}`), /a name must follow defined/);
  assert.throws(() => size(`#if true\n${either}`), /at "true": whether this is defined/);
  assert.equal(size(`#if false\n${either}`), 8);
  assert.equal(parseStruct(`#if true\n${either}`, { define: { true: 1 } }).size, 4);
  assert.equal(parseStruct(`#if true\n${either}`, { define: { true: false } }).size, 8);
});

/** A random condition of these many levels. */
function randomCondition(random: Random, levels: number): string {
  const pick = (list: readonly string[]): string => list[random.below(list.length)]!;
  const inner = (): string => randomCondition(random, levels - 1);
  if (levels === 0) {
    return pick(
      "0 1 2 3 7 31 63 64 255 0x7f 'a' 1u 3U 2147483648 0xffffffff 0xffffffffffffffff 5l 7UL 010 0x8000000000000000"
        .split(" "),
    );
  }
  switch (random.below(8)) {
    case 0:
      return `${pick(["-", "~", "!", "+"])} (${inner()})`;
    case 1:
      return `(${inner()} ? ${inner()} : ${inner()})`;
  }
  const operator = pick("+ - * / % << >> & | ^ && || < > <= >= == !=".split(" "));
  return `(${inner()} ${operator} ${inner()})`;
}

testWith({ tools: ["gcc"], files: true }, "parseStruct: gcc -E decides #if in the same way", () => {
  using folder = new TestFolder();
  const random = new Random(SEED);
  const decided = Object.entries(CONDITIONS);
  for (let i = 0; i < 2000; i++) {
    const condition = randomCondition(random, 1 + random.below(4));
    try {
      decided.push([condition, holds(condition)]);
    } catch (error) {
      assert.ok(error instanceof RangeError, `seed ${SEED}: ${condition}\n${error}`);
    }
  }
  assert.ok(decided.length > 1000, `seed ${SEED}: only ${decided.length} were decided`);
  const text = decided.map(([condition]) => `#if ${condition}\ntrue\n#else\nfalse\n#endif\n`).join(
    "",
  );
  const { stdout } = new Deno.Command("gcc", {
    args: ["-E", "-P", "-w", "-std=gnu17", folder.file("conditions.c", text)],
    env: { LC_ALL: "C" },
  }).outputSync();
  const answers = new TextDecoder().decode(stdout).trim().split("\n");
  assert.equal(answers.length, decided.length);
  for (const [i, [condition, expected]] of decided.entries()) {
    assert.equal(answers[i], String(expected), `seed ${SEED}: ${condition}`);
  }
});
