/**
 * The names that a C text has defined so far, with their meaning. Internal: used by the parser.
 */

import { castConstant, type Constant, literal } from "./constant.ts";
import { known } from "./known_struct.ts";
import { CONSTANTS } from "./platform.ts";
import { isSameLayout } from "./same_layout.ts";
import { isBasicWord, isQualifier, NAMED_SCALARS } from "./scalar_type.ts";
import { outOfBounds, scanAll, type Token, unreadable } from "./token.ts";
import type { AlignedLayout, AnyStructLayout, Layout, ScalarLayout } from "../layout/layout.ts";
import { u8 } from "../layout/scalar.ts";

/** The largest nesting depth of structs and arrays. It limits the recursion of code that walks a layout. */
export const DEEPEST = 64;

/** A type that is named but not defined, or not yet. A pointer to it can be a field. */
interface Undefined {
  readonly kind: "undefined";
  readonly token: Token;
  /** The tag of a `struct` type, which may be defined later. */
  readonly tag?: string;
  /** Why its definition was refused. */
  readonly error?: Error;
  /** Whether it is the type of a function. */
  readonly function?: boolean;
}

/** A type that is defined or only named. Only a typedef makes an aligned one. */
export type Type = Layout | AlignedLayout | Undefined;

/** All names of a text. As in C, and unlike in C++, the braces of a struct do not hide names. */
export class Scope {
  /** Structs and unions. */
  readonly structs = new Map<string, AnyStructLayout>();
  readonly enums = new Map<string, ScalarLayout>();
  readonly typedefs = new Map<string, Type>();
  readonly constants = new Map<string, Constant>();
  /** Names whose definition was refused, and why. */
  readonly #refused = new Map<string, Error>();
  /** The nesting depth of each struct and array made for this text. */
  readonly #depths = new Map<Layout, number>();
  /** Names that the text defines twice, not the same, and the errors for it. */
  readonly conflicts = new Map<string, Error>();
  /** What was defined since the last {@linkcode keep}. */
  readonly #defined: (() => string)[] = [];
  /** Why nothing that follows is certain. */
  lost: Error | undefined;

  /** Defines a name in one of the maps. */
  define<T>(names: Map<string, T>, name: string, meaning: T): void {
    const before = names.get(name);
    names.set(name, meaning);
    this.#defined.push(() => {
      if (before === undefined) names.delete(name);
      else names.set(name, before);
      return name;
    });
  }

  /** Gives a type a name. As in C, a name that has a type already must have the same. */
  defineType(name: Token, type: Type): void {
    const before = this.typedefs.get(name.text);
    if (before !== undefined && !this.#isSame(before, type)) throw this.conflict(name);
    this.define(this.typedefs, name.text, type);
  }

  /** The error for a name that is defined before with another meaning. It is kept in `conflicts`. */
  conflict(name: Token): Error {
    const error = unreadable(
      name,
      "this name is defined before, and not in the same way: leave one of the two out",
    );
    this.conflicts.set(name.text, error);
    return error;
  }

  #isSame(one: Type, other: Type): boolean {
    const [mine, theirs] = [this.#resolved(one), this.#resolved(other)];
    if (mine.kind !== "undefined" || theirs.kind !== "undefined") {
      return mine === theirs || isSameLayout(mine, theirs);
    }
    return mine.tag === theirs.tag && mine.token.text === theirs.token.text;
  }

  /** The type, or the struct if it was only named where it was declared. */
  #resolved(type: Type): Type {
    if (type.kind !== "undefined" || type.tag === undefined) return type;
    return this.structs.get(type.tag) ?? type;
  }

  /** Keeps what was defined. */
  keep(): void {
    this.#defined.length = 0;
  }

  /** Forgets what was defined since the last `keep`, because its declaration was refused. */
  forget(error: Error): void {
    for (const undo of this.#defined.reverse()) this.refuse(undo(), error);
    this.keep();
  }

  /** Records that the meaning of a name is not known, unless the text has defined it. */
  refuse(name: string, error: Error): void {
    if (!this.#refused.has(name)) this.#refused.set(name, error);
  }

  /** Why the definition of a name was refused. */
  refusal(name: string): Error | undefined {
    return this.#refused.get(name);
  }

  /** Returns the meaning of `struct` and this tag. */
  struct(tag: Token): Type {
    const own = this.structs.get(tag.text);
    if (own !== undefined) return own;
    const error = this.#refused.get(tag.text);
    const undefinedYet: Type = { kind: "undefined", token: tag, tag: tag.text };
    return error === undefined ? undefinedYet : { ...undefinedYet, error };
  }

  /** Returns the meaning of a word as a type. `from` is the C++ namespace before it, if any. */
  type(name: Token, from: string | undefined): Type {
    const { text } = name;
    if (from === "std") {
      const type = text === "byte" ? u8 : NAMED_SCALARS.get(text);
      return type ?? { kind: "undefined", token: name };
    }
    // C++ allows types without the words struct and enum.
    const own = this.typedefs.get(text) ?? this.structs.get(text) ?? this.enums.get(text);
    if (own !== undefined) return own;
    const error = this.#refused.get(text);
    if (error !== undefined) return { kind: "undefined", token: name, error };
    const scalar = from === undefined ? NAMED_SCALARS.get(text) : undefined;
    return scalar ?? { kind: "undefined", token: name };
  }

  /** Returns the value of a word, or `undefined` if it is no constant. */
  constant(word: Token): Constant | undefined {
    const own = this.constants.get(word.text);
    if (own !== undefined) return own;
    const error = this.#refused.get(word.text);
    if (error !== undefined) throw error;
    if (word.text === "true" || word.text === "false") {
      return castConstant({ value: word.text === "true" ? 1n : 0n, type: "int" }, 4, false);
    }
    const text = CONSTANTS.get(word.text);
    return text === undefined ? undefined : literal(scanAll(text)[0]!);
  }

  /** Whether a type, and not a number, starts here. */
  isType({ kind, text }: Token): boolean {
    return kind === "word" && !this.constants.has(text) && (
      isBasicWord(text) || isQualifier(text) || NAMED_SCALARS.has(text) ||
      ["struct", "class", "enum", "union", "_Atomic", "std"].includes(text) ||
      [this.typedefs, this.structs, this.enums].some((types) => types.has(text))
    );
  }

  /** Returns the layout of a type, which must be defined. */
  complete(type: Type): Layout | AlignedLayout {
    if (type.kind !== "undefined") return type;
    const { token, tag, error } = type;
    const later = tag === undefined ? undefined : this.structs.get(tag);
    if (later !== undefined) return later;
    if (error !== undefined) throw error;
    const system = tag === undefined ? undefined : known(tag);
    if (system !== undefined) return system;
    if (token.text === "void") throw unreadable(token, "only a pointer can be void");
    if (type.function === true) throw unreadable(token, "a function is not a field: leave it out");
    const what = tag === undefined ? "this type" : "this struct";
    throw unreadable(token, `${what} is not known here: put its definition before its use`);
  }

  /** The names of the structs that the text defines: their tags, or the typedefs of those without one. */
  names(): Map<AnyStructLayout, string> {
    const names = new Map<AnyStructLayout, string>();
    for (const [name, type] of [...this.structs, ...this.typedefs]) {
      if ("fields" in type && !names.has(type)) names.set(type, name);
    }
    return names;
  }

  /** Records the depth of a new layout, and refuses one that is too deep. */
  nest(token: Token, layout: Layout, parts: Iterable<Layout>): void {
    let depth = 1;
    for (const part of parts) depth = Math.max(depth, 1 + (this.#depths.get(part) ?? 0));
    if (depth > DEEPEST) {
      throw outOfBounds(token, `structs and arrays are nested more than ${DEEPEST} deep here`);
    }
    this.#depths.set(layout, depth);
  }
}
