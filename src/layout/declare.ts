/**
 * Writes a struct as C and C++ text, with assertions that make a compiler with another layout reject it.
 * Internal: used by `struct`.
 */

import { checkName, isTaken } from "./check.ts";
import type { AnyStructLayout, Field, Layout } from "./layout.ts";

function attribute(align: number | undefined): string {
  return align === undefined ? "" : `__attribute__((aligned(${align})))`;
}

/** All structs, each once, in the order that C needs: inner structs first. */
class Declaration {
  readonly #names = new Map<AnyStructLayout, string>();
  readonly #structs: string[] = [];
  readonly #headers = new Set(["stddef.h"]);

  constructor(layout: AnyStructLayout, name: string) {
    this.#add(layout, name);
  }

  /** Declares a struct unless it is already declared. Returns its name. */
  #add(layout: AnyStructLayout, wanted: string): string {
    const known = this.#names.get(layout);
    if (known !== undefined) return known;
    const taken = new Set(this.#names.values());
    let name = wanted;
    while (taken.has(name) || isTaken(name)) name += "_";
    this.#names.set(layout, name);

    const { fields, size, pack, align } = layout;
    const members = Object.entries(fields).map(([key, field]) => this.#member(name, key, field));
    const packed = pack !== undefined;
    const lines = [
      ...(packed ? [`#pragma pack(push, ${pack})`] : []),
      `typedef struct ${align === undefined ? "" : `${attribute(align)} `}${name} {`,
      ...members,
      `} ${name};`,
      ...(packed ? ["#pragma pack(pop)"] : []),
      `_Static_assert(sizeof(struct ${name}) == ${size}, "size of ${name}");`,
    ];
    for (const [key, { offset }] of Object.entries(fields)) {
      lines.push(
        `_Static_assert(offsetof(struct ${name}, ${key}) == ${offset}, "offset of ${name}.${key}");`,
      );
    }
    this.#structs.push(lines.join("\n"));
    return name;
  }

  #member(struct: string, name: string, { layout, align }: Field): string {
    // In C the dimensions follow the name, the outermost first.
    let element: Layout = layout;
    let dimensions = "";
    for (; element.kind === "array"; element = element.element) dimensions += `[${element.length}]`;
    if (element.kind === "cString") dimensions += `[${element.size}]`;
    const type = this.#type(element, `${struct}_${name}`);
    return `  ${type} ${name}${dimensions}${align === undefined ? "" : ` ${attribute(align)}`};`;
  }

  #type(layout: Exclude<Layout, { kind: "array" }>, wanted: string): string {
    switch (layout.kind) {
      case "scalar":
        if (layout.name === "bool") this.#headers.add("stdbool.h");
        if (layout.cType.endsWith("_t")) this.#headers.add("stdint.h");
        return layout.cType;
      case "cString":
        return "char";
      case "struct":
        return `struct ${this.#add(layout, wanted)}`;
    }
  }

  toString(): string {
    return [
      [...this.#headers].sort().map((header) => `#include <${header}>`).join("\n"),
      "#ifdef __cplusplus\n#define _Static_assert static_assert\n#endif",
      ...this.#structs,
    ].join("\n\n") + "\n";
  }
}

/** Returns the declaration of a struct with this name. Nested structs are named after it and the field. */
export function declare(layout: AnyStructLayout, name: string): string {
  checkName(name, "the name of a struct");
  return new Declaration(layout, name).toString();
}
