/**
 * The parser of C declarations, from tokens to layouts. Internal: used by `parseStruct`.
 *
 * A declaration whose gcc layout is not certain is refused, with the position and the reason. The text is
 * untrusted: its depth and the sizes in it are limited, and no text makes this file allocate more than a
 * few times the size of the text.
 */

import { aligned } from "../layout/aligned.ts";
import { array } from "../layout/array.ts";
import { type Attributes, isAttribute, readAttribute } from "./attribute.ts";
import { type Constant, constantExpression, smallestConstant } from "./constant.ts";
import { Packing } from "./packing.ts";
import { basicScalar, isBasicWord, isQualifier } from "./scalar_type.ts";
import { DEEPEST, Scope, type Type } from "./scope.ts";
import { cString } from "../layout/c_string.ts";
import { locate, outOfBounds, type Token, type Tokens, unreadable } from "./token.ts";
import { checkName } from "../layout/check.ts";
import type { FieldLayout, Fields, Layout, ScalarLayout, StructLayout } from "../layout/layout.ts";
import { char, i32, u32, u64 } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";

/** Words that begin what a struct of plain data cannot contain. */
const NOT_DATA = new Set(
  `auto class constexpr explicit extern friend inline mutable namespace operator private protected
  public static template thread_local typename typeof using virtual _Thread_local __inline __thread`
    .split(/\s+/),
);

/** Types for which this library has no scalar. */
const SIXTEEN_BYTES = new Set(["__int128", "__int128_t", "__uint128_t", "__float128", "_Float128"]);
const NO_SCALAR = "no scalar here is that long: write alignas(16) unsigned char name[16] instead";

// In other places C ignores it, or packs one field.
const PACKED_PLACE = "it packs a struct right after the word struct, or right after its }";

/** The meaning of a `struct` or `enum` specifier. */
interface Tagged {
  readonly type: Type;
  /** Whether C allows it without a declarator, outside and inside a struct. */
  readonly alone: boolean;
  /** The struct that it defines. */
  readonly defined?: StructLayout<Fields>;
}

/** The part of a declaration before the declarators. */
interface Specifiers extends Tagged {
  readonly attributes: Attributes;
  readonly typedef: boolean;
  /** An `_Atomic` without parentheses. */
  readonly atomic: Token | undefined;
}

/** The fields read so far. */
interface Members {
  readonly fields: Map<string, FieldLayout>;
  /** The first field with an explicit alignment. */
  aligned?: Token;
}

/** Returns the struct that a text declares: its fields outside any struct, or else its last struct. */
export function parseDeclaration(tokens: Tokens): StructLayout<Fields> {
  return new Parser(tokens).parse();
}

class Parser {
  readonly #tokens: Tokens;
  readonly #scope = new Scope();
  readonly #packing = new Packing();
  /** The current nesting depth of structs and types. */
  #depth = 0;
  /** The first `std::atomic`: g++ does not pack a field of it. */
  #atomicClass: Token | undefined;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  parse(): StructLayout<Fields> {
    const start = this.#tokens.peek();
    const loose: Members = { fields: new Map() };
    let last: StructLayout<Fields> | undefined;
    for (;;) {
      const token = this.#tokens.peek();
      if (token.kind === "end") break;
      if (token.kind !== "pragma") last = this.#declaration(loose, false) ?? last;
      else if (loose.fields.size === 0) this.#packing.change(this.#tokens.take());
      else throw unreadable(token, "fields stand before it: put them into struct { }");
    }
    if (loose.fields.size > 0) return this.#struct(start, loose, {});
    if (last === undefined) throw unreadable(this.#tokens.peek(), "this declares no field");
    return last;
  }

  /** Parses one declaration with its `;`. Returns the struct that it defines, if any. */
  #declaration(members: Members, inside: boolean): StructLayout<Fields> | undefined {
    const tokens = this.#tokens;
    const start = tokens.peek();
    if (tokens.accept(";")) return undefined;
    if (start.text === "_Static_assert" || start.text === "static_assert") {
      tokens.take();
      tokens.skipParentheses(tokens.expect("(", start.text));
      this.#semicolon(inside);
      return undefined;
    }
    const specifiers = this.#specifiers();
    const { attributes: { packed, aligned }, defined } = specifiers;
    if (packed !== undefined) throw unreadable(packed, PACKED_PLACE);
    if (inside && specifiers.typedef) throw unreadable(start, "C has no typedef inside a struct");
    const next = tokens.peek();
    if ((next.text === ";" || next.kind === "end") && (specifiers.alone || defined !== undefined)) {
      if (!specifiers.alone && inside) {
        throw unreadable(
          start,
          "a member without a name is not supported: give it one, its bytes stay",
        );
      }
      if (aligned !== undefined) {
        throw unreadable(aligned.token, "it aligns a struct right after the word struct");
      }
    } else {
      do this.#declarator(specifiers, members); while (tokens.accept(","));
    }
    this.#semicolon(inside);
    return defined;
  }

  /** Parses a `;`. The last one may be missing, as it often is in pasted text. */
  #semicolon(inside: boolean): void {
    const token = this.#tokens.peek();
    if (inside ? token.text === "}" : token.kind === "end") return;
    if (!this.#tokens.accept(";")) throw unreadable(token, `";" is expected here`);
  }

  #specifiers(): Specifiers {
    const tokens = this.#tokens;
    const attributes: Attributes = {};
    const words: Token[] = [];
    let tagged: Tagged | undefined;
    let typedef = false;
    let atomic: Token | undefined;
    for (;;) {
      const token = tokens.peek();
      const { text } = token;
      const named = tagged !== undefined || words.length > 0;
      if (text === "[" && tokens.peek(1).text === "[") {
        throw unreadable(token, "write __attribute__((...)) in its place, or leave it out");
      }
      if (token.kind !== "word") break;
      if (isQualifier(text)) tokens.take();
      else if (text === "typedef") typedef = tokens.take() !== undefined;
      else if (isAttribute(token, true)) this.#attribute(attributes, true);
      else if (text === "_Atomic" && tokens.peek(1).text !== "(") atomic = tokens.take();
      else if (SIXTEEN_BYTES.has(text)) throw unreadable(token, NO_SCALAR);
      else if (isBasicWord(text) && tagged === undefined) words.push(tokens.take());
      else if (!named) tagged = this.#typeSpecifier(tokens.take());
      else if (isBasicWord(text) || text === "struct" || text === "enum") {
        if (tagged !== undefined) this.#scope.complete(tagged.type);
        throw unreadable(token, "this is a second type: a comma, a semicolon or a name is missing");
      } else break; // the declared name
    }
    tagged ??= { type: this.#basicType(words), alone: false };
    return { ...tagged, attributes, typedef, atomic };
  }

  #basicType(words: readonly Token[]): Type {
    const [token] = words;
    if (token === undefined) throw unreadable(this.#tokens.peek(), "a type is expected here");
    const texts = words.map(({ text }) => text);
    if (texts.length === 1 && token.text === "void") return { kind: "undefined", token };
    const scalar = basicScalar(texts);
    if (scalar !== undefined) return scalar;
    if (texts.includes("long") && texts.includes("double")) throw unreadable(token, NO_SCALAR);
    throw unreadable(token, `"${texts.slice(0, 4).join(" ")}" is no type of C`);
  }

  /** Parses a type that is not made of C's keywords. Its first token is already taken. */
  #typeSpecifier(token: Token): Tagged {
    const tokens = this.#tokens;
    const { text } = token;
    if (text === "struct") return this.#structSpecifier(token);
    if (text === "enum") return this.#enumSpecifier(token);
    if (text === "union") {
      throw unreadable(
        token,
        "a union is not supported: write alignas(its alignment) unsigned char name[its size]",
      );
    }
    if (NOT_DATA.has(text)) {
      throw unreadable(token, "only plain data members are supported: leave this out");
    }
    if (text === "_Atomic") return { type: this.#atomicOf(token, "(", ")"), alone: false };
    let name = token;
    const std = text === "std" && tokens.accept("::") !== undefined;
    if (std) name = tokens.take();
    const template = name.text === "atomic" && tokens.at("<");
    if (template || (std && name.text.startsWith("atomic_"))) this.#atomicClass ??= name;
    if (template) return { type: this.#atomicOf(name, "<", ">"), alone: false };
    return { type: this.#scope.type(name, std), alone: false };
  }

  /** Parses the scalar in `_Atomic(...)` or `std::atomic<...>`. */
  #atomicOf(keyword: Token, opening: string, closing: string): Layout {
    this.#tokens.expect(opening, keyword.text);
    const layout = this.#typeName(keyword);
    this.#tokens.expect(closing, "the type");
    this.#checkAtomic(keyword, layout);
    return layout;
  }

  /** Refuses an atomic struct: compilers align it by its size, which layouts cannot express. */
  #checkAtomic(token: Token, { kind }: Layout): void {
    if (kind !== "scalar") throw unreadable(token, "only a scalar can be atomic here");
  }

  /** Parses a type without a declared name: `int`, `char *`, `struct P[4]`. */
  #typeName(token: Token): Layout {
    return this.#deeper(token, () => {
      const { type, attributes: { packed, aligned }, typedef, atomic } = this.#specifiers();
      const extra = packed ?? aligned?.token;
      if (extra !== undefined) throw unreadable(extra, "it cannot stand in a type");
      if (typedef) throw unreadable(token, "no typedef can stand in it");
      if (atomic !== undefined) this.#checkAtomic(atomic, this.#scope.complete(type));
      return this.#dimensions(this.#pointers(type));
    });
  }

  #structSpecifier(keyword: Token): Tagged {
    const tokens = this.#tokens;
    const attributes: Attributes = {};
    while (isAttribute(tokens.peek(), true)) this.#attribute(attributes, false);
    const tag = tokens.peek().kind === "word" ? tokens.take() : undefined;
    if (tokens.at(":")) throw unreadable(tokens.peek(), "a base class is not supported");
    const opening = tokens.accept("{");
    if (opening === undefined) {
      if (tag === undefined) throw unreadable(tokens.peek(), `a name or "{" must follow struct`);
      const extra = attributes.packed ?? attributes.aligned?.token;
      if (extra !== undefined) {
        throw unreadable(extra, "C ignores it where the fields do not follow");
      }
      return { type: this.#scope.struct(tag), alone: true };
    }
    if (tag !== undefined && this.#scope.structs.has(tag.text)) {
      throw unreadable(tag, "a struct of this name is defined before");
    }
    const members: Members = { fields: new Map() };
    this.#deeper(keyword, () => {
      while (!tokens.accept("}")) {
        const token = tokens.peek();
        if (token.kind === "end") throw unreadable(opening, "this brace is never closed");
        if (token.kind === "pragma") throw unreadable(token, "it must stand outside the struct");
        this.#declaration(members, true);
      }
    });
    while (isAttribute(tokens.peek(), false)) this.#attribute(attributes, false);
    const defined = this.#struct(tag ?? keyword, members, attributes);
    if (tag !== undefined) this.#scope.structs.set(tag.text, defined);
    return { type: defined, alone: tag !== undefined, defined };
  }

  #struct(
    token: Token,
    { fields, aligned }: Members,
    attributes: Attributes,
  ): StructLayout<Fields> {
    const { packed } = attributes;
    if (fields.size === 0) throw unreadable(token, "this struct has no field");
    if (packed !== undefined && aligned !== undefined) {
      throw unreadable(aligned, "an aligned field of a packed struct is not supported");
    }
    if (packed !== undefined && this.#atomicClass !== undefined) {
      throw unreadable(packed, "g++ does not pack std::atomic: use #pragma pack or a plain type");
    }
    const pack = packed === undefined ? this.#packing.current : 1;
    const align = attributes.aligned?.bytes;
    const layout = locate(token, () =>
      struct(Object.fromEntries(fields), {
        ...(pack === undefined ? {} : { pack }),
        ...(align === undefined ? {} : { align }),
      }));
    this.#scope.nest(token, layout, Object.values(layout.fields).map((field) => field.layout));
    return layout;
  }

  #enumSpecifier(keyword: Token): Tagged {
    const tokens = this.#tokens;
    const scoped = (tokens.accept("class") ?? tokens.accept("struct")) !== undefined;
    this.#enumAttributes();
    const tag = tokens.peek().kind === "word" ? tokens.take() : undefined;
    let underlying: ScalarLayout | undefined;
    const colon = tokens.accept(":");
    if (colon !== undefined) {
      if (!this.#scope.isType(tokens.peek())) {
        throw unreadable(colon, "a bit-field is not supported");
      }
      const layout = this.#typeName(keyword);
      if (layout.kind !== "scalar") throw unreadable(colon, "an integer type must follow");
      underlying = layout;
    }
    if (!tokens.at("{")) {
      if (tag === undefined) throw unreadable(tokens.peek(), `a name or "{" must follow enum`);
      if (underlying !== undefined) this.#scope.enums.set(tag.text, underlying);
      return { type: this.#scope.enums.get(tag.text) ?? i32, alone: true };
    }
    const natural = this.#enumerators(tokens.take(), underlying !== undefined);
    const layout = underlying ?? (scoped ? i32 : natural);
    if (tag !== undefined) this.#scope.enums.set(tag.text, layout);
    this.#enumAttributes();
    return { type: layout, alone: true };
  }

  #enumAttributes(): void {
    const attributes: Attributes = {};
    while (isAttribute(this.#tokens.peek(), false)) this.#attribute(attributes, true);
    const extra = attributes.packed ?? attributes.aligned?.token;
    if (extra !== undefined) {
      throw unreadable(extra, "not supported on an enum: write the integer type in its place");
    }
  }

  /** Parses the constants up to the closing brace. Returns the type that C chooses for them. */
  #enumerators(opening: Token, typed: boolean): ScalarLayout {
    const tokens = this.#tokens;
    let value = -1n;
    let negative = false;
    let wide = false;
    while (!tokens.accept("}")) {
      const name = tokens.take();
      if (name.kind === "end") throw unreadable(opening, "this brace is never closed");
      if (name.kind !== "word") throw unreadable(name, "the name of a constant is expected here");
      this.#enumAttributes();
      value = tokens.accept("=") === undefined ? value + 1n : this.#constant().value;
      const constant = smallestConstant(name, value);
      this.#scope.constants.set(name.text, constant);
      negative ||= value < 0n;
      wide ||= constant.type === "unsigned int";
      const long = constant.type.endsWith("long") || (negative && wide);
      if (long && !typed) throw outOfBounds(name, "an enum of more than 32 bits is not supported");
      if (!tokens.accept(",") && !tokens.at("}")) {
        throw unreadable(tokens.peek(), `"," or "}" is expected here`);
      }
    }
    return negative ? i32 : u32;
  }

  /** Parses one declarator: a field, or a new name for a type. */
  #declarator(specifiers: Specifiers, members: Members): void {
    const tokens = this.#tokens;
    const { type, atomic, typedef } = specifiers;
    const pointed = this.#pointers(type);
    const name = tokens.take();
    if (name.kind !== "word") throw this.#noName(name, pointed);
    const isArray = tokens.at("[");
    // A typedef may come before the definition of its type, or without one.
    const result = typedef && !isArray ? pointed : this.#dimensions(pointed);
    const next = tokens.peek();
    if (next.text === ":") throw unreadable(next, "a bit-field is not supported");
    if (next.text === "(") throw unreadable(next, "a function is not supported: leave it out");
    if (next.text === "=" || next.text === "{") {
      throw unreadable(next, "a value is not supported: leave it out, or use #define for a number");
    }
    if (atomic !== undefined && pointed === type) {
      this.#checkAtomic(atomic, this.#scope.complete(type));
    }

    const attributes: Attributes = { ...specifiers.attributes };
    while (isAttribute(tokens.peek(), false)) this.#attribute(attributes, true);
    const { packed, aligned: alignment } = attributes;
    if (packed !== undefined) throw unreadable(packed, PACKED_PLACE);
    if (typedef) {
      if (alignment !== undefined) {
        throw unreadable(alignment.token, "an aligned typedef is not supported: align the fields");
      }
      this.#scope.typedefs.set(name.text, result);
      return;
    }
    locate(name, () => checkName(name.text, "the name of a field"));
    if (members.fields.has(name.text)) throw unreadable(name, "a field of this name stands before");
    const layout = this.#scope.complete(result);
    if (alignment !== undefined) members.aligned ??= alignment.token;
    members.fields.set(
      name.text,
      alignment === undefined ? layout : aligned(layout, alignment.bytes),
    );
  }

  /** The error for a missing name. */
  #noName(token: Token, type: Type): TypeError {
    switch (token.text) {
      case "(":
        return unreadable(
          token,
          "a function pointer, or parentheses, are not supported: any pointer can be written void *name",
        );
      case "&":
        return unreadable(token, "a reference is not supported: write void *name in its place");
      case ":":
        return unreadable(token, "a bit-field is not supported");
    }
    this.#scope.complete(type); // an unknown type is the better reason
    return unreadable(token, "a name is expected here");
  }

  /** Parses the `*` after a type: any pointer becomes an address. */
  #pointers(type: Type): Type {
    const tokens = this.#tokens;
    let pointed = type;
    while (tokens.accept("*")) {
      pointed = u64;
      while (isQualifier(tokens.peek().text) || tokens.at("_Atomic")) tokens.take();
    }
    return pointed;
  }

  /** Parses the `[n]` after a name. Returns the array, or the type itself without them. */
  #dimensions(type: Type): Layout {
    const tokens = this.#tokens;
    const dimensions: { readonly token: Token; readonly length: number }[] = [];
    while (tokens.accept("[")) {
      const token = tokens.peek();
      if (tokens.at("]")) throw unreadable(token, "an array without a length is not supported");
      const { value } = this.#constant();
      tokens.expect("]", "the length");
      if (value === 0n) throw unreadable(token, "an array of length 0 is not supported");
      if (value < 0n) throw outOfBounds(token, "the length is negative");
      if (value > Number.MAX_SAFE_INTEGER) throw outOfBounds(token, "the length is beyond 2^53-1");
      dimensions.push({ token, length: Number(value) });
    }
    let layout = this.#scope.complete(type);
    for (const { token, length } of dimensions.reverse()) {
      const element = layout;
      layout = locate(token, () => element === char ? cString(length) : array(element, length));
      this.#scope.nest(token, layout, [element]);
    }
    return layout;
  }

  #attribute(attributes: Attributes, largest: boolean): void {
    readAttribute(this.#tokens, attributes, {
      largest,
      alignment: () => {
        const token = this.#tokens.peek();
        const isType = this.#scope.isType(token);
        return isType ? this.#typeName(token).alignment : Number(this.#constant().value);
      },
    });
  }

  #constant(): Constant {
    return this.#deeper(this.#tokens.peek(), () =>
      constantExpression(this.#tokens, (word) => {
        const tokens = this.#tokens;
        const isSize = word.text === "sizeof";
        if (!isSize && !/^(_Alignof|alignof|__alignof__)$/.test(word.text)) {
          return this.#scope.constants.get(word.text);
        }
        tokens.expect("(", word.text);
        const layout = this.#typeName(word);
        tokens.expect(")", "the type");
        return { value: BigInt(isSize ? layout.size : layout.alignment), type: "unsigned long" };
      }));
  }

  /** Runs a parser that may call itself, and limits the depth. */
  #deeper<T>(token: Token, parse: () => T): T {
    if (this.#depth >= DEEPEST) throw outOfBounds(token, `this is more than ${DEEPEST} deep`);
    this.#depth += 1;
    const result = parse();
    this.#depth -= 1;
    return result;
  }
}
