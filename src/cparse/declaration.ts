/**
 * The parser of whole C texts, from tokens to the layout of one struct. Internal: used by `parseStruct`.
 *
 * A declaration whose gcc layout is not certain is refused, with the position and the reason. The text is
 * untrusted: its depth and the sizes in it are limited, and no text makes this file allocate more than a
 * few times the size of the text.
 */

import type { AnyStructLayout } from "../layout/layout.ts";
import { DeclarationParser } from "./declaration_parser.ts";
import { namesOfKnown } from "./known_struct.ts";
import type { Members } from "./member_parser.ts";
import { isSameLayout } from "./same_layout.ts";
import { isBasicWord, isQualifier } from "./scalar_type.ts";
import { Scope } from "./scope.ts";
import { outOfBounds, type Token, unreadable } from "./token.ts";
import type { Tokens } from "./token_stream.ts";

/** The most tokens that are looked at to see whether a function is declared. */
const LONGEST_PROTOTYPE = 64;

/** The most declarations of a text that are refused. */
const MOST_REFUSED = 10_000;

/** Words that begin a type or a declaration with one. */
const BEGINS_TYPE = new Set(
  `struct union enum class typedef extern static inline const volatile unsigned signed namespace template using
  alignas _Alignas __attribute__ __extension__ constexpr friend virtual`.split(/\s+/),
);

/** A struct or union, and the names in C of the structs in it. */
export interface NamedStruct {
  readonly layout: AnyStructLayout;
  /** The names of structs that the text defines. */
  ownNames(): ReadonlyMap<AnyStructLayout, string>;
  /** These, and the names of structs of system headers. */
  names(): ReadonlyMap<AnyStructLayout, string>;
}

/**
 * Returns the struct or union that a text declares. With a name it is the one with this tag or typedef;
 * declarations that are refused do not matter unless it depends on them. Without a name it is the fields
 * outside any struct, or else the last struct.
 */
export function parseDeclaration(tokens: Tokens, name: string | undefined): NamedStruct {
  const parser = new TextParser(tokens);
  const layout = name === undefined ? parser.only() : parser.named(name);
  const ownNames = (): ReadonlyMap<AnyStructLayout, string> => parser.names();
  return { layout, ownNames, names: () => new Map([...namesOfKnown(), ...ownNames()]) };
}

class TextParser extends DeclarationParser {
  readonly #loose: Members = { kind: "struct", fields: new Map() };
  /** The open `extern "C" {` and `namespace {`. */
  #blocks = 0;
  #last: AnyStructLayout | undefined;
  #refused = 0;

  constructor(tokens: Tokens) {
    super(tokens, new Scope());
  }

  names(): ReadonlyMap<AnyStructLayout, string> {
    return this.scope.names();
  }

  only(): AnyStructLayout {
    const start = this.tokens.peek();
    while (this.tokens.peek().kind !== "end") {
      this.#part();
      this.scope.keep();
    }
    if (this.#loose.fields.size > 0) return this.layout(start, this.#loose, {});
    if (this.#last === undefined) throw unreadable(this.tokens.peek(), "this declares no field");
    return this.#last;
  }

  named(name: string): AnyStructLayout {
    const { tokens, scope } = this;
    while (tokens.peek().kind !== "end") {
      this.#tolerantPart();
      const [found] = this.#found(name);
      if (found === undefined) continue;
      this.#checkRest(name);
      return found;
    }
    const error = scope.refusal(name) ?? scope.lost;
    if (error !== undefined) throw error;
    throw unreadable(tokens.peek(), "there is no struct of this name");
  }

  /** Parses one part, or goes on after it. */
  #tolerantPart(): void {
    const { tokens, scope } = this;
    tokens.mark();
    const { depth } = tokens;
    const token = tokens.peek();
    try {
      if (scope.lost !== undefined) throw scope.lost;
      this.#part();
      scope.keep();
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      this.#recover(token, error, depth);
    }
  }

  /** Refuses another meaning of a name that is found, in the rest of the text. */
  #checkRest(name: string): void {
    const { tokens, scope } = this;
    try {
      while (tokens.peek().kind !== "end" && scope.lost === undefined) this.#tolerantPart();
    } catch (error) {
      // Where the text cannot be read further, nothing follows
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    }
    const conflict = scope.conflicts.get(name);
    if (conflict !== undefined) throw conflict;
    const [one, other] = this.#found(name);
    if (other !== undefined && !isSameLayout(one!, other)) {
      throw new TypeError(
        `"${name}" is a struct and the typedef of another one in this text: leave one of the two out`,
      );
    }
  }

  /** The structs that a name means: as a tag, and as a typedef. */
  #found(name: string): AnyStructLayout[] {
    const { structs, typedefs } = this.scope;
    const type = typedefs.get(name);
    const named = type?.kind === "undefined" && type.tag !== undefined
      ? structs.get(type.tag)
      : type;
    return [structs.get(name), named].filter((each) => each !== undefined && "fields" in each);
  }

  /** Parses one declaration, or one part of another kind. */
  #part(): void {
    const { tokens } = this;
    const token = tokens.peek();
    if (token.kind === "pragma") {
      if (this.#loose.fields.size === 0) return this.packing.change(tokens.take());
      throw unreadable(token, "there are fields before it: put them into struct { }");
    }
    if (tokens.accept(";")) return;
    if (token.kind === "undecided") throw tokens.skip().undecided!.error;
    if (this.#block(token)) return;
    if (this.#isPrototype()) return this.skipDeclaration();
    const tagged = this.declaration(this.#loose);
    this.#last = tagged?.defined ?? this.#last;
  }

  /** Enters or leaves `extern "C" {` and `namespace {`. */
  #block(token: Token): boolean {
    const { tokens } = this;
    if (token.text === "}" && this.#blocks > 0) {
      tokens.take();
      this.#blocks -= 1;
      return true;
    }
    let end = 0;
    if (token.text === "inline" && tokens.peek(1).text === "namespace") end = 1;
    if (token.text === "extern" && tokens.peek(1).kind === "literal") {
      tokens.take();
      tokens.take();
      if (tokens.accept("{")) this.#blocks += 1;
      return true;
    }
    if (tokens.peek(end).text !== "namespace") return false;
    for (end += 1; tokens.peek(end).kind === "word" || tokens.at("::"); end++) {
      if (end > LONGEST_PROTOTYPE) return false;
    }
    while (!tokens.at("{") && !tokens.at(";") && tokens.peek().kind !== "end") tokens.take();
    if (tokens.take().text === "{") this.#blocks += 1;
    return true;
  }

  /**
   * Whether a function with a type or a macro that the text does not define is declared here. A field with
   * the arguments of an unknown macro after its name must not be taken for one: the parameters must look
   * like some.
   */
  #isPrototype(): boolean {
    const { tokens, scope } = this;
    const first = tokens.peek();
    if (first.kind !== "word" || scope.isType(first) || BEGINS_TYPE.has(first.text)) return false;
    let at = 0;
    let words = 0;
    for (; at < LONGEST_PROTOTYPE; at++) {
      const { kind, text } = tokens.peek(at);
      if (kind === "word") words += 1;
      else if (text !== "*" && text !== "&") break;
      if (kind === "word" && BEGINS_TYPE.has(text) && !isQualifier(text) && !isBasicWord(text)) {
        // EXPORT struct S *f(int), but not MACRO struct S {
        if (tokens.peek(at + 2).text === "{" || text === "typedef") return false;
      }
    }
    const name = tokens.peek(at - 1);
    if (words < 2 || tokens.peek(at).text !== "(" || name.kind !== "word") return false;
    const inside = tokens.peek(at + 1);
    if (inside.text === ")" || scope.isType(inside) || inside.text === "void") return true;
    if (inside.kind !== "word") return false;
    const second = tokens.peek(at + 2);
    return second.kind === "word" || second.text === "*";
  }

  /** Goes on after a declaration that was refused: the names that it declares are not known. */
  #recover(start: Token, error: Error, depth: number): void {
    const { tokens, scope } = this;
    if (++this.#refused > MOST_REFUSED) {
      scope.lost = outOfBounds(start, `more than ${MOST_REFUSED} declarations are refused before`);
      throw scope.lost;
    }
    scope.forget(error);
    const marked = (): readonly Token[] => tokens.marked;
    if (start.kind !== "undecided") {
      // The end of the declaration: a ; or the } of a function's body
      let last = marked().at(-1);
      const isFunction = (): boolean => hasParameters(marked());
      while (
        !(tokens.depth <= depth &&
          (last?.text === ";" || (last?.text === "}" && isFunction() && !tokens.at(";"))))
      ) {
        if (tokens.peek().kind === "end" || (tokens.depth <= depth && tokens.at("}"))) break;
        last = tokens.skip();
      }
      if (marked().length === 0) tokens.skip();
      if (mayChangeAll(marked(), scope)) scope.lost ??= error;
    }
    const undecided = marked().flatMap((token) => token.undecided?.skipped ?? []);
    const all = [...marked(), ...undecided];
    if (all.some(({ kind, text }) => kind === "pragma" || text === "_Pragma")) scope.lost ??= error;
    for (const name of declaredNames(all)) scope.refuse(name, error);
  }
}

/** Whether parameters stand before the first brace: it begins the body of a function. */
function hasParameters(tokens: readonly Token[]): boolean {
  let open = 0;
  for (const [i, { text }] of tokens.entries()) {
    if (text === "{") return false;
    const before = tokens[i - 1];
    if (text === "(" && open === 0 && before?.kind === "word") {
      if (!/^(__attribute(__)?|_?[aA]lignas|__declspec)$/.test(before.text)) return true;
    }
    if (text === "(") open += 1;
    if (text === ")") open -= 1;
  }
  return false;
}

/** Whether a refused declaration may be a macro that changes the packing of what follows. */
function mayChangeAll([first, second, third]: readonly Token[], scope: Scope): boolean {
  if (first?.kind !== "word" || scope.isType(first) || BEGINS_TYPE.has(first.text)) return false;
  return second === undefined || second.text === "(" || second.text === ";" ||
    BEGINS_TYPE.has(second.text) || (second.kind === "word" && third?.text === "{");
}

/** The names that tokens may declare: tags, enumerators, and those before a `;` or `,`. */
function declaredNames(tokens: readonly Token[]): Set<string> {
  const names = new Set<string>();
  tokens.forEach(({ kind, text }, i) => {
    if (kind !== "word" || isBasicWord(text)) return;
    const before = tokens[i - 1]?.text ?? "";
    const after = tokens[i + 1]?.text ?? ";";
    // An attribute may be between the keyword and the tag
    const isTag = /^(struct|union|class|enum|\))$/.test(before) && /^[{:]$/.test(after);
    if (isTag || /^[;,=[}]$/.test(after) || (after === ")" && before === "*")) names.add(text);
    if (/^__attribute|^[A-Z_]+$/.test(after) && before !== "") names.add(text);
  });
  return names;
}
