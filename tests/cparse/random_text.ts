/**
 * Random C texts, the same for the same seed: structs with unions, bit-fields, flexible arrays, anonymous
 * members, conditions and macros, as C and as C++.
 */
import { Random } from "../crash/random.ts";

const SCALARS = `bool; char; signed char; unsigned char; short; unsigned short; int; unsigned; long;
  unsigned long; long long; unsigned long long; float; double; int8_t; uint8_t; int16_t; uint16_t; int32_t;
  uint32_t; int64_t; uint64_t; size_t; __be16; __be32; __be64; void *; const char *`.split(";")
  .map((each) => each.trim());
const BIT_TYPES: readonly (readonly [type: string, bits: number])[] = [
  ["int", 32],
  ["signed int", 32],
  ["unsigned", 32],
  ["signed char", 8],
  ["unsigned char", 8],
  ["short", 16],
  ["uint16_t", 16],
  ["long", 64],
  ["unsigned long", 64],
  ["uint64_t", 64],
  ["int64_t", 64],
  ["bool", 1],
];
const LENGTHS = [
  "1",
  "3",
  "0x4",
  "(2 + 1)",
  "sizeof(int)",
  'sizeof("abc")',
  "'C' - 'A'",
  "1 ? 2 : 1 / 0",
  "(3 > 2) + 1",
  "(unsigned char) 259",
  "N",
  "DOUBLE(N)",
  "(sizeof(long) >= 8 ? 8 : 4) / 2",
  "offsetof(struct BASE, b)",
  "LAST",
];
const CONDITIONS = [
  "N > 2",
  "N == 2 || defined(UNKNOWN_HERE) && 0",
  "defined(__linux__)",
  "!defined __linux__",
  "DOUBLE(N) >= 6 && __WORDSIZE == 64",
  "(1 << 3) % 3 == 1",
  "defined(_WIN32)",
  "__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__",
];

/** `count` texts; the one with number `i` defines `struct S<i>` or `union S<i>`, and names no other uses. */
export function randomTexts(seed: number, count: number): { text: string; type: string }[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, i) => new Text(random, i).whole());
}

class Text {
  readonly #random: Random;
  readonly #id: number;
  #names = 0;

  constructor(random: Random, id: number) {
    this.#random = random;
    this.#id = id;
  }

  whole(): { text: string; type: string } {
    const id = this.#id;
    const pack = this.#chance(12) ? this.#random.of([1, 2, 4, 8]) : undefined;
    const kind = this.#chance(85) ? "struct" : "union";
    const negative = this.#chance(50);
    const text = `#undef N
#define N ${1 + this.#random.below(4)}
#undef DOUBLE
#define DOUBLE(n) ((n) * 2)
#undef FIELD
#define FIELD(type, name) type name##_made
struct BASE${id} { char a; ${this.#scalar()} b; };
enum E${id} { A${id}, ${negative ? `M${id} = -3, ` : ""}LAST${id} = N + 1 };
typedef ${this.#scalar()} t${id};
${pack === undefined ? "" : `#pragma pack(push, ${pack})\n`}${this.#record(kind, `S${id}`, 0)};
${pack === undefined ? "" : "#pragma pack(pop)\n"}`;
    return { text, type: `${kind} S${id}` };
  }

  #chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  #scalar(): string {
    return this.#random.of(SCALARS);
  }

  #name(): string {
    return `f${this.#names++}`;
  }

  #length(): string {
    return this.#random.of(LENGTHS).replace("BASE", `BASE${this.#id}`)
      .replace("LAST", `LAST${this.#id}`);
  }

  #record(kind: string, tag: string, depth: number): string {
    const packed = this.#chance(15);
    const attributes = [
      packed ? "__attribute__((packed))" : "",
      this.#chance(8) ? `__attribute__((aligned(${2 ** this.#random.below(6)})))` : "",
    ].filter(Boolean).join(" ");
    const before = this.#chance(50);
    const members: string[] = [];
    const length = 1 + this.#random.below(depth === 0 ? 7 : 4);
    for (let i = 0; i < length; i++) members.push(this.#member(depth, packed));
    // A struct of nothing but padding has another size in C++
    members.splice(this.#random.below(members.length + 1), 0, `${this.#scalar()} ${this.#name()};`);
    if (depth === 0 && kind === "struct" && this.#chance(15)) {
      members.push(`${this.#scalar()} ${this.#name()}[${this.#random.of(["", "0"])}];`);
    }
    return `${kind} ${before ? attributes : ""} ${tag} {\n${members.join("\n")}\n} ${
      before ? "" : attributes
    }`;
  }

  #member(depth: number, packed: boolean): string {
    const what = this.#random.below(100);
    const inner = depth < 3;
    const kind = this.#random.of(["struct", "union"]);
    if (what < 30) return `${this.#scalar()} ${this.#name()}${this.#aligned(packed)};`;
    if (what < 55) return this.#bits();
    if (what < 65) return `${this.#scalar()} ${this.#name()}[${this.#length()}];`;
    if (what < 70) return `enum E${this.#id} ${this.#name()}; t${this.#id} ${this.#name()};`;
    if (what < 74) return `struct BASE${this.#id} ${this.#name()}[2], *${this.#name()};`;
    if (what < 78) return `int (*${this.#name()})(int), (*${this.#name()}[2])(void);`;
    if (what < 81) return `FIELD(${this.#scalar()}, ${this.#name()});`;
    if (what < 89 && inner) {
      const condition = this.#random.of(CONDITIONS);
      return `#if ${condition}\n${this.#member(depth, packed)}\n#else\n${
        this.#member(depth, packed)
      }\n#endif`;
    }
    if (what < 95 && inner) return `${this.#record(kind, "", depth + 1)};`;
    if (inner) return `${this.#record(kind, "", depth + 1)} ${this.#name()}[${this.#length()}];`;
    return `${this.#scalar()} ${this.#name()};`;
  }

  #aligned(packed: boolean): string {
    if (packed || !this.#chance(8)) return "";
    return ` __attribute__((aligned(${2 ** this.#random.below(6)})))`;
  }

  #bits(): string {
    const [type, bits] = this.#random.of([...BIT_TYPES, [`enum E${this.#id}`, 32] as const]);
    if (this.#chance(5)) return `${type} : ${this.#random.of([0, 1 + this.#random.below(bits)])};`;
    const width = (): number => 1 + this.#random.below(this.#chance(70) ? Math.min(bits, 9) : bits);
    const more = this.#chance(30) ? `, ${this.#name()} : ${width()}` : "";
    return `${type} ${this.#name()} : ${width()}${more};`;
  }
}
