/**
 * The names a C text has defined so far and what they mean. Called by `c_declaration.ts`.
 */

import type { Constant } from "./c_constant.ts";
import { isBasicWord, isQualifier, NAMED_SCALARS } from "./c_scalar_type.ts";
import { outOfBounds, type Token, unreadable } from "./c_token.ts";
import type { Fields, Layout, ScalarLayout, StructLayout } from "./layout.ts";

/** Structs and arrays in one another, at most: what walks a layout may call itself that often. */
export const DEEPEST = 64;

/** A type that is named but not defined, at least not yet. A pointer to it can be a field. */
interface Undefined {
  readonly kind: "undefined";
  readonly token: Token;
  /** Of a `struct` type, which may be defined later. */
  readonly tag?: string;
}

/** A type as far as it is known. */
export type Type = Layout | Undefined;

/** All names of a text. As in C, and unlike C++, the braces of a struct hide none of them. */
export class Scope {
  readonly structs = new Map<string, StructLayout<Fields>>();
  readonly enums = new Map<string, ScalarLayout>();
  readonly typedefs = new Map<string, Type>();
  readonly constants = new Map<string, Constant>();
  /** How deep structs and arrays stand in each one made for this text. */
  readonly #depths = new Map<Layout, number>();

  /** What `struct` and this tag mean. */
  struct(tag: Token): Type {
    return this.structs.get(tag.text) ?? { kind: "undefined", token: tag, tag: tag.text };
  }

  /** What a single word means as a type, after `std::` or not. */
  type(name: Token, std: boolean): Type {
    // C++ lets the words struct and enum be left out.
    const own = this.typedefs.get(name.text) ?? this.structs.get(name.text) ??
      this.enums.get(name.text);
    const type = (std ? undefined : own) ?? NAMED_SCALARS.get(name.text);
    return type ?? { kind: "undefined", token: name };
  }

  /** Whether a type starts here and not a number. */
  isType({ kind, text }: Token): boolean {
    return kind === "word" && !this.constants.has(text) && (
      isBasicWord(text) || isQualifier(text) || NAMED_SCALARS.has(text) ||
      ["struct", "enum", "union", "_Atomic", "std"].includes(text) ||
      [this.typedefs, this.structs, this.enums].some((types) => types.has(text))
    );
  }

  /** The layout of a type that must be defined by now. */
  complete(type: Type): Layout {
    if (type.kind !== "undefined") return type;
    const { token, tag } = type;
    const later = tag === undefined ? undefined : this.structs.get(tag);
    if (later !== undefined) return later;
    if (token.text === "void") throw unreadable(token, "only a pointer can be void");
    const what = tag === undefined ? "this type" : "this struct";
    throw unreadable(token, `${what} is not known here: put its definition before its use`);
  }

  /** Notes how deep a new layout is, and refuses what nobody could walk. */
  nest(token: Token, layout: Layout, parts: readonly Layout[]): void {
    let depth = 1;
    for (const part of parts) depth = Math.max(depth, 1 + (this.#depths.get(part) ?? 0));
    if (depth > DEEPEST) {
      throw outOfBounds(token, `structs and arrays stand more than ${DEEPEST} deep here`);
    }
    this.#depths.set(layout, depth);
  }
}
