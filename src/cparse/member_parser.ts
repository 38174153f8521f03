/**
 * The part of the parser that reads what follows a type: fields, bit-fields, new names for types,
 * constants, and functions, which are skipped. Internal: `declaration_parser.ts` builds on it.
 */

import { aligned } from "../layout/aligned.ts";
import { anonymous } from "../layout/anonymous.ts";
import { bits } from "../layout/bits.ts";
import { checkName } from "../layout/check.ts";
import type { AlignedLayout, FieldLayout, Layout, ScalarLayout } from "../layout/layout.ts";
import { char } from "../layout/scalar.ts";
import { type Attributes, isAttribute } from "./attribute.ts";
import { looksLikeAttribute, looksLikeMacro, undefinedMacro } from "./macro_name.ts";
import { isBasicWord } from "./scalar_type.ts";
import type { Type } from "./scope.ts";
import { type Declarator, SpecifierParser, type Specifiers } from "./specifier_parser.ts";
import { locate, outOfBounds, type Token, unreadable } from "./token.ts";

/** The most structs and fields of a text together. */
const MOST_FIELDS = 2 ** 17;

// In other places C ignores it, or packs one field.
export const PACKED_PLACE = "it packs a struct right after the word struct, or right after its }";

/** The fields read so far. */
export interface Members {
  readonly kind: "struct" | "union";
  /** Anonymous members have names that are none in C. */
  readonly fields: Map<string, FieldLayout>;
  /** The name of the class, which is that of its constructors. */
  readonly tag?: Token | undefined;
  /** The first field with an explicit alignment. */
  aligned?: Token;
  /** An array without a length, which must be last. */
  unsized?: Token;
}

/** Reads what follows a type. */
export abstract class MemberParser extends SpecifierParser {
  /** The struct whose members are being read. */
  protected inside: Members | undefined;
  #fields = 0;

  protected override isConstructor({ text }: Token): boolean {
    return text === this.inside?.tag?.text && this.tokens.peek(1).text === "(";
  }

  /** Skips to the end of a declaration or of the body of a function. */
  protected skipDeclaration(): void {
    const { tokens } = this;
    let initializers = false;
    for (;;) {
      const token = tokens.skip();
      if (token.kind === "end") return;
      if (token.text === ";") return;
      if (token.text === ":") initializers = true;
      if (token.text === "(" || token.text === "[") tokens.skipBrackets(token);
      if (token.text !== "{") continue;
      tokens.skipBrackets(token);
      // In the initializers of a constructor braces do not end it
      if (initializers && (tokens.at(",") || tokens.at("{"))) continue;
      tokens.accept(";");
      return;
    }
  }

  /** Parses a `;`. The last one may be missing, as it often is in pasted text. */
  protected semicolon(): void {
    const token = this.tokens.peek();
    if (this.inside !== undefined ? token.text === "}" : token.kind === "end") return;
    if (this.tokens.accept(";")) return;
    if (token.kind === "word" && !isBasicWord(token.text)) throw undefinedMacro(token);
    throw unreadable(token, `";" is expected here`);
  }

  protected count(token: Token): void {
    if (++this.#fields > MOST_FIELDS) {
      throw outOfBounds(token, `the structs have more than ${MOST_FIELDS} fields`);
    }
  }

  /**
   * Parses one declarator: a field, a new name for a type, or what is skipped. Returns whether the
   * declaration ends with it, as with the body of a function.
   */
  protected member(specifiers: Specifiers, members: Members): boolean {
    const { tokens, scope } = this;
    const { type, atomic, typedef, storage } = specifiers;
    const start = tokens.peek();
    const declarator = this.declarator();
    const { name, parts } = declarator;
    if (name === undefined && (typedef || !tokens.at(":"))) throw this.#noName(start, type);
    if (name?.text === "operator" && !/^[;,:=[]$/.test(tokens.peek().text)) {
      this.skipDeclaration();
      return true;
    }
    let derived = typedef && parts.length === 0 ? type : this.derive(type, parts);
    if (derived.kind === "undefined" && derived.function === true && !typedef) {
      if (specifiers.braces === true) throw undefinedMacro(name ?? start);
      this.skipDeclaration();
      return true;
    }
    if (name !== undefined) this.#checkNotMacro(name, specifiers);
    // The type has the mode that is before the name already
    const { mode, ...before } = specifiers.attributes;
    const attributes: Attributes = before;
    while (isAttribute(tokens, false) || this.#isSymbol()) {
      if (isAttribute(tokens, false)) this.attribute(attributes, true);
      else {
        tokens.take();
        tokens.skipBrackets(tokens.expect("(", "asm"));
      }
    }
    if (attributes.packed !== undefined) throw unreadable(attributes.packed, PACKED_PLACE);
    if (attributes.mode !== undefined) {
      if (mode !== undefined || parts.length > 0 || tokens.at(":")) {
        throw unreadable(
          attributes.mode,
          "this mode is not supported: write the type in its place",
        );
      }
      derived = this.ofMode(attributes.mode, derived);
    }
    if (typedef) {
      this.defineType(name!, this.#typedef(derived, attributes));
      return false;
    }
    if (tokens.at(":")) {
      this.#bitField(declarator, scope.complete(derived), attributes, members);
      this.#initializer();
      return false;
    }
    if (this.#isConstant(specifiers)) this.#constantValue(name!);
    else this.#initializer();
    const isData = !["static", "extern", "constexpr"].some((word) => storage.has(word));
    if (!isData || (this.inside === undefined && specifiers.isConst && this.#hadValue)) {
      return false;
    }
    if (atomic !== undefined && parts.length === 0) {
      this.checkAtomic(atomic, scope.complete(type));
    }
    this.#field(name!, scope.complete(derived), declarator, attributes, members);
    return false;
  }

  /** Whether the last declarator had a value. */
  #hadValue = false;

  #isSymbol(): boolean {
    return /^(asm|__asm|__asm__)$/.test(this.tokens.peek().text);
  }

  /** Refuses a name after a `}` that may be an attribute. */
  #checkNotMacro(name: Token, { braces, typedef, defined }: Specifiers): void {
    const next = this.tokens.peek();
    const two = next.kind === "word" && !isAttribute(this.tokens, false) && !this.#isSymbol();
    if (two && !isBasicWord(next.text)) {
      throw undefinedMacro(braces === true || looksLikeMacro(name) ? name : next);
    }
    if (braces !== true) return;
    // Inside a struct, fields have names in capitals; a variable after a struct has none in a header
    const isField = this.inside !== undefined && !name.text.startsWith("__");
    const isMacro = typedef || defined === undefined || isField
      ? looksLikeAttribute
      : looksLikeMacro;
    if (isMacro(name)) throw undefinedMacro(name);
  }

  /** Gives a type a name. In C++ each class has types of its own. */
  protected defineType(name: Token, type: Type): void {
    const { scope } = this;
    if (this.inside === undefined) scope.defineType(name, type);
    else scope.define(scope.typedefs, name.text, type);
  }

  protected checkTypedef({ packed }: Attributes): void {
    if (packed !== undefined) throw unreadable(packed, PACKED_PLACE);
  }

  /** The type of a typedef with its alignment. */
  #typedef(type: Type, { aligned: alignment }: Attributes): Type {
    if (alignment === undefined) return type;
    const layout = this.scope.complete(type);
    if (layout.kind === "aligned" || layout.alignment > alignment.bytes) {
      throw unreadable(alignment.token, "a typedef that reduces an alignment is not supported");
    }
    return locate(alignment.token, () => aligned(layout, alignment.bytes));
  }

  #isConstant({ storage, isConst }: Specifiers): boolean {
    if (storage.has("constexpr")) return true;
    return isConst && (storage.has("static") || this.inside === undefined);
  }

  /** Parses the value of a constant. One that is no integer is skipped. */
  #constantValue(name: Token): void {
    const { tokens, scope } = this;
    const opening = tokens.accept("=") ?? tokens.accept("{");
    this.#hadValue = opening !== undefined;
    if (opening === undefined) return;
    try {
      scope.define(scope.constants, name.text, this.constant());
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      scope.constants.delete(name.text);
      scope.refuse(name.text, error);
    }
    this.#skipValue(opening.text === "{" ? 1 : 0);
  }

  /** Skips the value that a field has at first. */
  #initializer(): void {
    const opening = this.tokens.accept("=") ?? this.tokens.accept("{");
    this.#hadValue = opening !== undefined;
    if (opening !== undefined) this.#skipValue(opening.text === "{" ? 1 : 0);
  }

  #skipValue(open: number): void {
    const { tokens } = this;
    for (let depth = open;;) {
      const { kind, text } = tokens.peek();
      if (kind === "end" || (depth === 0 && /^[,;})]$/.test(text))) return;
      if (/^[([{]$/.test(text)) depth += 1;
      if (/^[)\]}]$/.test(text)) depth -= 1;
      tokens.take();
    }
  }

  #bitField(
    { name, parts }: Declarator,
    layout: Layout | { kind: "aligned" },
    attributes: Attributes,
    members: Members,
  ): void {
    const { tokens } = this;
    const colon = tokens.take();
    if (parts.length > 0 || layout.kind !== "scalar" || layout.name.startsWith("f")) {
      throw unreadable(colon, "only an integer can be a bit-field");
    }
    if (layout === char) {
      throw unreadable(
        colon,
        "char has a sign on some machines only: write signed or unsigned char",
      );
    }
    const token = tokens.peek();
    const { value } = this.constant();
    while (isAttribute(tokens, false)) this.attribute(attributes, true);
    const extra = attributes.packed ?? attributes.aligned?.token ?? attributes.mode;
    if (extra !== undefined) {
      throw unreadable(extra, "compilers do not agree on it for a bit-field");
    }
    const field = locate(token, () => bits(layout as ScalarLayout, Number(value)));
    if (name === undefined) return this.anonymous(colon, members, anonymous(field));
    if (field.width === 0) throw unreadable(token, "only a bit-field without a name has no bits");
    this.#add(name, field, members);
  }

  protected anonymous(token: Token, { fields, unsized }: Members, member: FieldLayout): void {
    if (unsized !== undefined) throw unreadable(unsized, "only the last field has no length");
    this.count(token);
    let key = "_anonymous";
    for (let n = fields.size; fields.has(key); n++) key = `_anonymous${n}`;
    fields.set(key, member);
  }

  #field(
    name: Token,
    layout: Layout | AlignedLayout,
    { parts }: Declarator,
    { aligned: alignment, alignas }: Attributes,
    members: Members,
  ): void {
    checkAlignas(alignas, layout.kind === "aligned" ? layout.align : layout.alignment);
    if (alignment !== undefined) members.aligned ??= alignment.token;
    const inner = layout.kind === "aligned" ? layout.layout : layout;
    const align = Math.max(alignment?.bytes ?? 1, layout.kind === "aligned" ? layout.align : 1);
    const field = align === 1 && alignment === undefined
      ? inner
      : locate(name, () => aligned(inner as Layout, align));
    this.#add(name, field, members);
    const unsized = parts.find((part) => part.kind === "array" && part.length === undefined);
    if (unsized?.kind !== "array") return;
    members.unsized = unsized.token;
    if (members.kind === "union") {
      throw unreadable(unsized.token, "an array without a length cannot be in a union: write [0]");
    }
  }

  #add(name: Token, field: FieldLayout, { fields, unsized }: Members): void {
    if (unsized !== undefined) {
      throw unreadable(unsized, "an array without a length must be the last field");
    }
    locate(name, () => checkName(name.text, "the name of a field"));
    if (fields.has(name.text)) throw unreadable(name, "there is already a field of this name");
    this.count(name);
    fields.set(name.text, field);
  }

  /** The error for a missing name. */
  #noName(token: Token, type: Type): TypeError {
    if (token.text === "&") {
      return unreadable(token, "a reference is not supported: write void *name in its place");
    }
    this.scope.complete(type); // an unknown type is the better reason
    return unreadable(token, "a name is expected here");
  }
}

/** Refuses an `alignas` that compilers refuse. */
export function checkAlignas(alignas: Attributes["alignas"], alignment: number): void {
  if (alignas !== undefined && alignas.bytes < alignment) {
    throw unreadable(alignas.token, "it cannot reduce an alignment: use #pragma pack");
  }
}
