/**
 * The names that a C text has defined so far, with their meaning. Internal: used by `c_declaration.ts`.
 */

import type { Constant } from "./constant.ts";
import { isBasicWord, isQualifier, NAMED_SCALARS } from "./scalar_type.ts";
import { outOfBounds, type Token, unreadable } from "./token.ts";
import type { Fields, Layout, ScalarLayout, StructLayout } from "../layout/layout.ts";

/** The largest nesting depth of structs and arrays. It limits the recursion of code that walks a layout. */
export const DEEPEST = 64;

/** A type that is named but not defined, or not yet. A pointer to it can be a field. */
interface Undefined {
  readonly kind: "undefined";
  readonly token: Token;
  /** The tag of a `struct` type, which may be defined later. */
  readonly tag?: string;
}

/** A type that is defined or only named. */
export type Type = Layout | Undefined;

/** All names of a text. As in C, and unlike in C++, the braces of a struct do not hide names. */
export class Scope {
  readonly structs = new Map<string, StructLayout<Fields>>();
  readonly enums = new Map<string, ScalarLayout>();
  readonly typedefs = new Map<string, Type>();
  readonly constants = new Map<string, Constant>();
  /** The nesting depth of each struct and array made for this text. */
  readonly #depths = new Map<Layout, number>();

  /** Returns the meaning of `struct` and this tag. */
  struct(tag: Token): Type {
    return this.structs.get(tag.text) ?? { kind: "undefined", token: tag, tag: tag.text };
  }

  /** Returns the meaning of a single word as a type. `std` says whether it follows `std::`. */
  type(name: Token, std: boolean): Type {
    // C++ allows types without the words struct and enum.
    const own = this.typedefs.get(name.text) ?? this.structs.get(name.text) ??
      this.enums.get(name.text);
    const type = (std ? undefined : own) ?? NAMED_SCALARS.get(name.text);
    return type ?? { kind: "undefined", token: name };
  }

  /** Whether a type, and not a number, starts here. */
  isType({ kind, text }: Token): boolean {
    return kind === "word" && !this.constants.has(text) && (
      isBasicWord(text) || isQualifier(text) || NAMED_SCALARS.has(text) ||
      ["struct", "enum", "union", "_Atomic", "std"].includes(text) ||
      [this.typedefs, this.structs, this.enums].some((types) => types.has(text))
    );
  }

  /** Returns the layout of a type, which must be defined. */
  complete(type: Type): Layout {
    if (type.kind !== "undefined") return type;
    const { token, tag } = type;
    const later = tag === undefined ? undefined : this.structs.get(tag);
    if (later !== undefined) return later;
    if (token.text === "void") throw unreadable(token, "only a pointer can be void");
    const what = tag === undefined ? "this type" : "this struct";
    throw unreadable(token, `${what} is not known here: put its definition before its use`);
  }

  /** Records the depth of a new layout, and refuses one that is too deep. */
  nest(token: Token, layout: Layout, parts: readonly Layout[]): void {
    let depth = 1;
    for (const part of parts) depth = Math.max(depth, 1 + (this.#depths.get(part) ?? 0));
    if (depth > DEEPEST) {
      throw outOfBounds(token, `structs and arrays stand more than ${DEEPEST} deep here`);
    }
    this.#depths.set(layout, depth);
  }
}
