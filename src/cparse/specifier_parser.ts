/**
 * The part of the parser that reads types: the words before the names of a declaration, enums, and the
 * pointers, arrays and functions around a name. Internal: `declaration_parser.ts` builds on it.
 */

import { aligned } from "../layout/aligned.ts";
import { array } from "../layout/array.ts";
import { cString } from "../layout/c_string.ts";
import { flexible } from "../layout/flexible.ts";
import type { AlignedLayout, AnyStructLayout, Layout, ScalarLayout } from "../layout/layout.ts";
import { char, i16, i32, i64, i8, u16, u32, u64, u8 } from "../layout/scalar.ts";
import { type Attributes, isAttribute } from "./attribute.ts";
import { castConstant, type Constant, enumerator, nextEnumerator } from "./constant.ts";
import { ExpressionParser, plain } from "./expression_parser.ts";
import { looksLikeMacro, undefinedMacro } from "./macro_name.ts";
import { basicScalar, isBasicWord, isQualifier } from "./scalar_type.ts";
import type { Type } from "./scope.ts";
import { locate, outOfBounds, type Token, unreadable } from "./token.ts";

/** The most enumerators of a text. */
const MOST_ENUMERATORS = 2 ** 18;

/** The most pointers of a name, and the most arrays and functions. gcc takes any number. */
const MOST_PARTS = 1000;

/** Words before a type that say what is declared, and not how long it is. */
const STORAGE = new Set(
  `static extern inline __inline __inline__ constexpr consteval constinit thread_local _Thread_local __thread
  register auto explicit virtual typename friend _Noreturn noreturn`.split(/\s+/),
);

/** Words of C++ that are names of fields in C. */
const NAMES_IN_C = new Set(
  `class virtual explicit friend mutable typename template operator private protected public this new delete
  namespace using try catch throw typeid and or not xor bitand bitor compl export final override`
    .split(/\s+/),
);

/** Types for which this library has no scalar. */
const SIXTEEN_BYTES = new Set(
  ["__int128", "__int128_t", "__uint128_t", "__float128", "_Float128", "_Float64x"],
);
const NO_SCALAR = "no scalar here is that long: write alignas(16) unsigned char name[16] instead";

/** The meaning of a `struct` or `enum` specifier. */
export interface Tagged {
  readonly type: Type;
  /** Whether C allows it without a declarator, outside and inside a struct. */
  readonly alone: boolean;
  /** The struct or union that it defines, and its tag. */
  readonly defined?: AnyStructLayout;
  readonly tag?: Token;
  /** Whether a `}` stands at its end. */
  readonly braces?: boolean;
}

/** The part of a declaration before the declarators. */
export interface Specifiers extends Tagged {
  readonly attributes: Attributes;
  readonly typedef: boolean;
  readonly storage: ReadonlySet<string>;
  readonly isConst: boolean;
  /** An `_Atomic` without parentheses. */
  readonly atomic: Token | undefined;
}

/** What surrounds a name, in the order in which it applies to the type. */
type Part =
  | { readonly kind: "pointer" }
  | { readonly kind: "function"; readonly token: Token }
  | { readonly kind: "array"; readonly token: Token; readonly length: number | undefined };

/** A name with what stands around it. */
export interface Declarator {
  readonly name: Token | undefined;
  readonly parts: readonly Part[];
}

/** Reads types. */
export abstract class SpecifierParser extends ExpressionParser {
  /** The first `std::atomic`: g++ does not pack a field of it. */
  protected atomicClass: Token | undefined;
  #enumeratorCount = 0;

  /** Parses a struct, class or union. Its keyword is already taken. */
  protected abstract record(keyword: Token): Tagged;

  /** Whether the constructor of the class around starts here. */
  protected abstract isConstructor(token: Token): boolean;

  protected specifiers(): Specifiers {
    const { tokens } = this;
    const attributes: Attributes = {};
    const words: Token[] = [];
    const storage = new Set<string>();
    let tagged: Tagged | undefined;
    let [typedef, isConst] = [false, false];
    let atomic: Token | undefined;
    for (;;) {
      const token = tokens.peek();
      const { text } = token;
      const named = tagged !== undefined || words.length > 0;
      if (isAttribute(tokens, true)) this.attribute(attributes, true);
      else if (text === "::" && !named) tokens.take();
      else if (token.kind !== "word" || (named && this.#isName(token))) break;
      else if (isQualifier(text)) {
        tokens.take();
        isConst ||= text.includes("const");
      } else if (text === "typedef") typedef = tokens.take() !== undefined;
      else if (STORAGE.has(text)) storage.add(tokens.take().text);
      else if (text === "_Atomic" && tokens.peek(1).text !== "(") atomic = tokens.take();
      else if (SIXTEEN_BYTES.has(text)) throw unreadable(token, NO_SCALAR);
      else if (isBasicWord(text) && tagged === undefined) words.push(tokens.take());
      else if (!named && this.isConstructor(token)) {
        tagged = { type: { kind: "undefined", token }, alone: false };
        break;
      } else if (!named) tagged = this.#typeSpecifier(tokens.take());
      else if (isBasicWord(text) || ["struct", "enum", "union", "class"].includes(text)) {
        if (tagged !== undefined) this.scope.complete(tagged.type);
        throw unreadable(token, "this is a second type: a comma, a semicolon or a name is missing");
      } else break; // the declared name
    }
    tagged ??= { type: this.#basicType(words), alone: false };
    const type = attributes.mode === undefined
      ? tagged.type
      : this.ofMode(attributes.mode, tagged.type);
    return { ...tagged, type, attributes, typedef, storage, isConst, atomic };
  }

  /** Whether a keyword of C++ is a name here, as it can be in C. */
  #isName({ text }: Token): boolean {
    if (!NAMES_IN_C.has(text)) return false;
    const next = this.tokens.peek(1);
    return next.kind === "end" || [";", ",", "[", ":", "=", ")"].includes(next.text) ||
      next.text.startsWith("__attribute");
  }

  #basicType(words: readonly Token[]): Type {
    const [token] = words;
    if (token === undefined) throw unreadable(this.tokens.peek(), "a type is expected here");
    const texts = words.map(({ text }) => text);
    if (texts.length === 1 && token.text === "void") return { kind: "undefined", token };
    const scalar = basicScalar(texts);
    if (scalar !== undefined) return scalar;
    if (texts.includes("long") && texts.includes("double")) throw unreadable(token, NO_SCALAR);
    throw unreadable(token, `"${texts.slice(0, 4).join(" ")}" is not a type of C`);
  }

  /** The integer of gcc's attribute `mode`, with the sign of the declared one. */
  protected ofMode(mode: Token, type: Type): Type {
    const signed = type.kind === "scalar" && type.name.startsWith("i");
    const unsigned = type.kind === "scalar" && type.name.startsWith("u");
    const layouts: Readonly<Record<string, readonly [ScalarLayout, ScalarLayout]>> = {
      QI: [i8, u8],
      byte: [i8, u8],
      HI: [i16, u16],
      SI: [i32, u32],
      DI: [i64, u64],
      word: [i64, u64],
      pointer: [i64, u64],
    };
    const found = layouts[mode.text.replaceAll("_", "")];
    if (found === undefined || !(signed || unsigned)) {
      throw unreadable(mode, "this mode is not supported: write the type in its place");
    }
    return found[signed ? 0 : 1];
  }

  /** Parses a type that is not made of C's keywords. Its first token is already taken. */
  #typeSpecifier(token: Token): Tagged {
    const { tokens } = this;
    const { text } = token;
    if (text === "struct" || text === "union" || text === "class") return this.record(token);
    if (text === "enum") return this.#enumSpecifier(token);
    if (/^(typeof|__typeof__|__typeof|decltype|typeof_unqual)$/.test(text)) {
      throw unreadable(token, "write the type itself in its place");
    }
    if (text === "_Atomic") return { type: this.#atomicOf(token, "(", ")"), alone: false };
    let [name, from]: [Token, string | undefined] = [token, undefined];
    while (tokens.at("::") && tokens.peek(1).kind === "word") {
      tokens.take();
      from = name.text;
      name = tokens.take();
    }
    const std = from === "std";
    const template = name.text === "atomic" && tokens.at("<");
    if (template || (std && name.text.startsWith("atomic_"))) this.atomicClass ??= name;
    if (template) return { type: this.#atomicOf(name, "<", ">"), alone: false };
    if (std && name.text === "array" && tokens.at("<")) return this.#standardArray(name);
    const type = this.scope.type(name, from);
    const opening = type.kind === "undefined" ? tokens.accept("<") : undefined;
    if (opening !== undefined) tokens.skipBrackets(opening);
    return { type, alone: false };
  }

  #standardArray(name: Token): Tagged {
    const { tokens } = this;
    tokens.expect("<", name.text);
    const element = this.typeName(name);
    tokens.expect(",", "the type");
    const token = tokens.peek();
    const { value } = this.constant(true);
    tokens.expect(">", "the length");
    return {
      type: this.#array(element, { kind: "array", token, length: this.#length(token, value) }),
      alone: false,
    };
  }

  /** Parses the scalar in `_Atomic(...)` or `std::atomic<...>`. */
  #atomicOf(keyword: Token, opening: string, closing: string): Layout {
    this.tokens.expect(opening, keyword.text);
    const layout = plain(this.typeName(keyword));
    this.tokens.expect(closing, "the type");
    this.checkAtomic(keyword, layout);
    return layout;
  }

  /** Refuses an atomic struct: compilers align it by its size, which layouts cannot express. */
  protected checkAtomic(token: Token, { kind }: Layout | AlignedLayout): void {
    if (kind !== "scalar") throw unreadable(token, "only a scalar can be atomic here");
  }

  protected override typeName(token: Token): Layout | AlignedLayout {
    return this.deeper(token, () => {
      const { type, attributes: { packed, aligned }, typedef, atomic } = this.specifiers();
      const extra = packed ?? aligned?.token;
      if (extra !== undefined) throw unreadable(extra, "it cannot be in a type");
      if (typedef) throw unreadable(token, "it cannot contain a typedef");
      if (atomic !== undefined) this.checkAtomic(atomic, this.scope.complete(type));
      const { name, parts } = this.declarator();
      if (name !== undefined) throw unreadable(name, "a type has no name here");
      return this.scope.complete(this.derive(type, parts));
    });
  }

  #enumSpecifier(keyword: Token): Tagged {
    const { tokens, scope } = this;
    const scoped = (tokens.accept("class") ?? tokens.accept("struct")) !== undefined;
    let packed = this.#enumAttributes();
    const tag = tokens.peek().kind === "word" ? tokens.take() : undefined;
    if (tag !== undefined && tokens.peek().kind === "word" && tokens.peek(1).text === "{") {
      throw undefinedMacro(tag);
    }
    let underlying: ScalarLayout | undefined;
    const colon = tokens.at(":") && scope.isType(tokens.peek(1)) ? tokens.take() : undefined;
    if (colon !== undefined) {
      const layout = this.typeName(keyword);
      if (layout.kind !== "scalar" || /^f|be$/.test(layout.name)) {
        throw unreadable(colon, "an integer type must follow");
      }
      underlying = layout;
    }
    if (!tokens.at("{")) {
      if (tag === undefined) throw unreadable(tokens.peek(), `a name or "{" must follow enum`);
      if (underlying !== undefined) scope.define(scope.enums, tag.text, underlying);
      else if (scoped) scope.define(scope.enums, tag.text, i32);
      const known = scope.enums.get(tag.text);
      return { type: known ?? this.#unknownEnum(tag), alone: true };
    }
    const { range, large } = this.#enumerators(tokens.take(), tag, underlying);
    packed = this.#enumAttributes() ?? packed;
    const layout = underlying ?? (scoped ? i32 : enumType(range, packed !== undefined));
    for (const [name, constant] of large) {
      scope.define(scope.constants, name, cast(constant, layout));
    }
    if (tag !== undefined) scope.define(scope.enums, tag.text, layout);
    return { type: layout, alone: true, braces: true, ...(tag === undefined ? {} : { tag }) };
  }

  #unknownEnum(tag: Token): Type {
    const error = this.scope.refusal(tag.text) ??
      unreadable(
        tag,
        `this enum is not known here: put its definition before, or "enum ${
          tag.text.slice(0, 40)
        } : unsigned int;", which is its type for most compilers if no constant is negative`,
      );
    return { kind: "undefined", token: tag, error };
  }

  /** Returns the attribute that packs an enum, if it is there. */
  #enumAttributes(): Token | undefined {
    const attributes: Attributes = {};
    while (isAttribute(this.tokens, false)) this.attribute(attributes, true);
    const extra = attributes.aligned?.token ?? attributes.mode;
    if (extra !== undefined) {
      throw unreadable(extra, "not supported on an enum: write the integer type in its place");
    }
    return attributes.packed;
  }

  /**
   * Parses the constants up to the closing brace. Returns the least and the largest of them, and those
   * that no int holds: after the brace they have the type of the enum.
   */
  #enumerators(
    opening: Token,
    tag: Token | undefined,
    underlying: ScalarLayout | undefined,
  ): { range: [bigint, bigint]; large: [string, Constant][] } {
    const { tokens } = this;
    const large: [string, Constant][] = [];
    let constant: Constant = { value: -1n, type: "int" };
    let [least, largest] = [0n, 0n];
    while (!tokens.accept("}")) {
      const name = tokens.take();
      if (name.kind === "end") throw unreadable(opening, "this brace is never closed");
      if (name.kind !== "word") throw unreadable(name, "the name of a constant is expected here");
      if (++this.#enumeratorCount > MOST_ENUMERATORS) {
        throw outOfBounds(tag ?? opening, `the enums have more than ${MOST_ENUMERATORS} constants`);
      }
      this.#enumAttributes();
      const meant = tokens.accept("=") === undefined
        ? nextEnumerator(name, constant)
        : this.constant();
      constant = underlying === undefined ? enumerator(meant) : cast(meant, underlying);
      const { value } = constant;
      if (value !== meant.value) throw outOfBounds(name, "the type of the enum does not hold it");
      this.scope.define(this.scope.constants, name.text, constant);
      if (constant.type !== "int" && underlying === undefined) large.push([name.text, constant]);
      if (value < least) least = value;
      if (value > largest) largest = value;
      if (least < 0n && largest >= 2n ** 63n) {
        throw outOfBounds(name, "no integer holds all constants of this enum");
      }
      if (!tokens.accept(",") && !tokens.at("}")) {
        throw unreadable(tokens.peek(), `"," or "}" is expected here`);
      }
    }
    return { range: [least, largest], large };
  }

  /** Parses a name with the pointers, arrays and functions around it. The name may be missing. */
  protected declarator(): Declarator {
    const { tokens } = this;
    const parts: Part[] = [];
    while (tokens.at("*")) {
      this.#limit(tokens.take(), parts);
      parts.push({ kind: "pointer" });
      while (isQualifier(tokens.peek().text) || tokens.at("_Atomic")) tokens.take();
    }
    let name: Token | undefined;
    let inner: readonly Part[] = [];
    const next = tokens.peek();
    if (next.kind === "word" && !isAttribute(tokens, true)) name = tokens.take();
    else if (next.text === "(" && /^[*([^]$/.test(tokens.peek(1).text)) {
      tokens.take();
      ({ name, parts: inner } = this.deeper(next, () => this.declarator()));
      tokens.expect(")", "the name in parentheses");
    }
    const suffixes: Part[] = [];
    for (;;) {
      this.#limit(tokens.peek(), suffixes);
      if (tokens.at("[") && tokens.peek(1).text !== "[") suffixes.unshift(this.#dimension());
      else if (tokens.at("(") && (name !== undefined || inner.length > 0)) {
        const opening = tokens.take();
        if (!this.#takesParameters(name)) throw undefinedMacro(name!);
        tokens.skipBrackets(opening);
        suffixes.unshift({ kind: "function", token: name ?? opening });
      } else return { name, parts: [...parts, ...suffixes, ...inner] };
    }
  }

  #limit(token: Token, { length }: readonly Part[]): void {
    if (length > MOST_PARTS) {
      throw outOfBounds(token, `more than ${MOST_PARTS} pointers or dimensions are before it`);
    }
  }

  /** Whether parameters of a function can stand here, and not the arguments of an unknown macro. */
  #takesParameters(name: Token | undefined): boolean {
    const first = this.tokens.peek();
    if (first.text === ")" || this.scope.isType(first) || first.text === "void") return true;
    if (name === undefined) return true;
    if (looksLikeMacro(name) || first.kind !== "word") return first.text === "...";
    const next = this.tokens.peek(1);
    return next.kind === "word" || ["*", "&", "::", "<"].includes(next.text);
  }

  #dimension(): Part {
    const { tokens } = this;
    const opening = tokens.take();
    while (isQualifier(tokens.peek().text) || tokens.at("static")) tokens.take();
    const token = tokens.peek();
    if (tokens.accept("]")) return { kind: "array", token: opening, length: undefined };
    const { value } = this.constant();
    tokens.expect("]", "the length");
    return { kind: "array", token, length: this.#length(token, value) };
  }

  #length(token: Token, value: bigint): number {
    if (value < 0n) throw outOfBounds(token, "the length is negative");
    if (value > Number.MAX_SAFE_INTEGER) throw outOfBounds(token, "the length is beyond 2^53-1");
    return Number(value);
  }

  /** Applies what surrounds a name to a type. */
  protected derive(type: Type, parts: readonly Part[]): Type {
    let derived = type;
    for (const part of parts) {
      if (part.kind === "pointer") derived = u64; // the address of anything
      else if (part.kind === "function") {
        derived = { kind: "undefined", token: part.token, function: true };
      } else derived = this.#array(this.scope.complete(derived), part);
    }
    return derived;
  }

  #array(
    element: Layout | AlignedLayout,
    { token, length }: Extract<Part, { kind: "array" }>,
  ): Layout | AlignedLayout {
    if (element.kind === "aligned") {
      const { layout, align } = element;
      if (layout.size % align !== 0) throw unreadable(token, "its elements would not be aligned");
      return aligned(plain(this.#array(layout, { kind: "array", token, length })), align);
    }
    const layout = locate(
      token,
      () =>
        length === undefined || length === 0
          ? flexible(element)
          : element === char
          ? cString(length)
          : array(element, length),
    );
    this.scope.nest(token, layout, [element]);
    return layout;
  }
}

/** A constant of an enum of this type. */
function cast(constant: Constant, { name, size }: ScalarLayout): Constant {
  return castConstant(constant, size, name.startsWith("u"));
}

/** The type that compilers choose for an enum. */
function enumType([least, largest]: [bigint, bigint], packed: boolean): ScalarLayout {
  const unsigned = [u8, u16, u32, u64];
  const signed = [i8, i16, i32, i64];
  const types = (least < 0n ? signed : unsigned).slice(packed ? 0 : 2);
  return types.find(({ size }) => {
    const values = 2n ** BigInt(size * 8);
    return least < 0n ? least >= -values / 2n && largest < values / 2n : largest < values;
  }) as ScalarLayout;
}
