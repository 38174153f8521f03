/**
 * What a C compiler can be asked about a struct, with our answers: sizes, offsets, kinds of numbers, and
 * the places of bit-fields. Used by the tests of `parseStruct` and by `deno task headers`.
 */
import type { AnyStructLayout, Layout, ScalarName } from "../../src/layout/layout.ts";

/** A question as C, whose answer is one number. */
export interface Question {
  /** A constant expression, or a statement that assigns `answer`. */
  readonly text: string;
  readonly statement?: boolean;
  readonly answer: number;
}

/** C11's way to ask what kind of number something is, and a way to find a bit-field. */
export const PRELUDE = `#include <stdio.h>
#include <string.h>
#include <stddef.h>
#define KIND(x) _Generic((x), _Bool: 1, char: 2, \\
  signed char: 3, short: 3, int: 3, long: 3, long long: 3, float: 5, double: 5, default: 4)
/* The lowest bit of what is set, the number of bits, and whether it is negative. */
static long long place(const void *at, unsigned long size, int negative) {
  const unsigned char *bytes = (const unsigned char *) at;
  long long first = -1, count = 0;
  for (unsigned long i = 0; i < size * 8; i++) {
    if (!(bytes[i / 8] >> i % 8 & 1)) continue;
    if (first < 0) first = i;
    count += 1;
  }
  return (first * 1000 + count) * 10 + negative;
}
`;

function kindOf(name: ScalarName): number {
  if (name === "bool" || name === "char") return name === "bool" ? 1 : 2;
  return name.startsWith("i") ? 3 : name.startsWith("u") ? 4 : 5;
}

/** The questions about a struct of this type. It does not look into structs that `opaque` accepts. */
export function questions(
  struct: AnyStructLayout,
  type: string,
  opaque: (layout: Layout) => boolean = () => false,
): Question[] {
  const asked: Question[] = [
    { text: `sizeof(${type})`, answer: struct.size },
    { text: `_Alignof(${type})`, answer: struct.alignment },
  ];
  const ask = (inner: AnyStructLayout, path: string, base: number): void => {
    for (const [name, { layout, offset, size }] of Object.entries(inner.fields)) {
      let place = path + name;
      let at = base + offset;
      if (layout.kind === "bits") {
        const bit = at * 8 + layout.bitOffset;
        const negative = layout.type.name.startsWith("i") ? 1 : 0;
        const value = layout.type.name === "bool" ? "1" : "-1";
        asked.push({
          text: `{ static ${type} v; v.${place} = ${value}; ` +
            `answer = place(&v, sizeof v, v.${place} < 0); }`,
          statement: true,
          answer: (bit * 1000 + layout.width) * 10 + negative,
        });
        continue;
      }
      asked.push({ text: `offsetof(${type}, ${place})`, answer: at });
      if (layout.kind === "flexible") continue;
      asked.push({ text: `sizeof(((${type} *)0)->${place})`, answer: size });
      let element: Layout = layout;
      // The last element of an array tells the size of all before it.
      while (element.kind === "array") {
        place += `[${element.length - 1}]`;
        at += (element.length - 1) * element.element.size;
        element = element.element;
      }
      if (element !== layout) asked.push({ text: `offsetof(${type}, ${place})`, answer: at });
      if (element.kind === "scalar" || element.kind === "cString") {
        const [character, kind] = element.kind === "cString"
          ? [`${place}[0]`, kindOf("char")]
          : [place, kindOf(element.name)];
        asked.push({ text: `KIND(((${type} *)0)->${character})`, answer: kind });
      } else if ("fields" in element && !opaque(element)) ask(element, `${place}.`, at);
    }
  };
  ask(struct, "", 0);
  return asked;
}

/** A program that prints the answers, each on a line. A question is on the line after `firstLine`. */
export function program(
  header: string,
  asked: readonly Question[],
): { readonly source: string; readonly firstLine: number } {
  const before = `${header}\n${PRELUDE}int main(void) {\n  long long answer;\n`;
  const lines = asked.map(({ text, statement }) =>
    statement === true
      ? `${text} printf("%lld\\n", answer);`
      : `{ static const long long a = (long long)(${text}); printf("%lld\\n", a); }`
  );
  return {
    source: `${before}${lines.join("\n")}\n}\n`,
    firstLine: before.split("\n").length,
  };
}
