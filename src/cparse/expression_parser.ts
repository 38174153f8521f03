/**
 * The part of the parser that reads numbers: constant expressions with the names, types and fields of the
 * text, and attributes. Internal: `specifier_parser.ts` builds on it.
 */

import { type Attributes, readAttribute } from "./attribute.ts";
import { castConstant, type Constant, constantExpression } from "./constant.ts";
import { DEEPEST, type Scope } from "./scope.ts";
import { outOfBounds, type Token, unreadable } from "./token.ts";
import type { Tokens } from "./token_stream.ts";
import type { AlignedLayout, Layout } from "../layout/layout.ts";

const ALIGNOF = /^(_Alignof|alignof|__alignof__|__alignof)$/;

/** Returns the layout without the alignment of a typedef. */
export function plain(layout: Layout | AlignedLayout): Layout {
  return layout.kind === "aligned" ? layout.layout : layout;
}

/** The number of bytes of a string literal without its NUL. */
function stringLength(token: Token): number {
  const match = /^"(.*)"$/s.exec(token.text);
  if (match === null) throw unreadable(token, "this text has no end, or is not text");
  const bytes = match[1]!.replace(/\\(?:[0-7]{1,3}|x[0-9a-fA-F]+|[^uU])/g, "x");
  if (bytes.includes("\\")) throw unreadable(token, "write its bytes in its place");
  return new TextEncoder().encode(bytes).length;
}

/** Reads numbers and attributes. */
export abstract class ExpressionParser {
  protected readonly tokens: Tokens;
  protected readonly scope: Scope;
  /** The current nesting depth of structs, types and expressions. */
  #depth = 0;

  constructor(tokens: Tokens, scope: Scope) {
    this.tokens = tokens;
    this.scope = scope;
  }

  /** Parses a type without a declared name: `int`, `char *`, `struct P[4]`. */
  protected abstract typeName(token: Token): Layout | AlignedLayout;

  /** Parses a constant expression. A `>` ends it in the arguments of a template. */
  protected constant(template = false): Constant {
    const words = {
      word: (word: Token): Constant | undefined => this.#word(word),
      cast: (): ((value: Constant) => Constant) | undefined => {
        const token = this.tokens.peek();
        return this.scope.isType(token) ? this.#cast(token) : undefined;
      },
    };
    return this.deeper(
      this.tokens.peek(),
      () => constantExpression(this.tokens, words, template),
    );
  }

  #cast(token: Token): (value: Constant) => Constant {
    const layout = plain(this.typeName(token));
    if (layout.kind !== "scalar" || layout.name.startsWith("f") || layout.name.endsWith("be")) {
      throw unreadable(token, "only a cast to an integer is a number here");
    }
    if (layout.name === "bool") {
      return ({ value }) => ({ value: value === 0n ? 0n : 1n, type: "int" });
    }
    if (layout.name === "char") throw unreadable(token, "char has a sign on some machines only");
    return (value) => castConstant(value, layout.size, layout.name.startsWith("u"));
  }

  #word(word: Token): Constant | undefined {
    const { tokens } = this;
    if (word.text === "sizeof") return { value: BigInt(this.#sizeof(word)), type: "unsigned long" };
    if (ALIGNOF.test(word.text)) {
      tokens.expect("(", word.text);
      const type = this.typeName(word);
      tokens.expect(")", "the type");
      const align = type.kind === "aligned" ? type.align : type.alignment;
      return { value: BigInt(align), type: "unsigned long" };
    }
    if (word.text === "offsetof" || word.text === "__builtin_offsetof") {
      tokens.expect("(", word.text);
      const layout = plain(this.typeName(word));
      tokens.expect(",", "the type");
      const value = BigInt(this.#offset(layout));
      tokens.expect(")", "the field");
      return { value, type: "unsigned long" };
    }
    let name = word;
    while (tokens.at("::") && tokens.peek(1).kind === "word") {
      tokens.take();
      name = tokens.take();
    }
    return this.scope.constant(name);
  }

  #sizeof(keyword: Token): number {
    const { tokens } = this;
    const parenthesis = tokens.peek(tokens.at("(") ? 1 : 0).kind === "literal"
      ? tokens.accept("(")
      : undefined;
    if (tokens.peek().kind === "literal") {
      let bytes = 1;
      while (tokens.peek().kind === "literal") bytes += stringLength(tokens.take());
      if (parenthesis !== undefined) tokens.expect(")", "the text");
      return bytes;
    }
    tokens.expect("(", "sizeof");
    const { size } = plain(this.typeName(keyword));
    tokens.expect(")", "the type");
    return size;
  }

  /** The offset of `field.inner[3]` in a struct. */
  #offset(struct: Layout): number {
    const { tokens } = this;
    let layout = struct;
    let offset = 0;
    for (let first = true;; first = false) {
      if (!first && tokens.at("[")) {
        const opening = tokens.take();
        const { value } = this.constant();
        tokens.expect("]", "the index");
        if (layout.kind === "cString") {
          offset += Number(value);
          continue;
        }
        if (layout.kind !== "array") throw unreadable(opening, "this is not an array");
        offset += Number(value) * layout.element.size;
        layout = layout.element;
      } else if (first || tokens.accept(".") !== undefined) {
        const name = tokens.take();
        const field = "fields" in layout && Object.hasOwn(layout.fields, name.text)
          ? layout.fields[name.text]
          : undefined;
        if (field === undefined || field.layout.kind === "bits") {
          throw unreadable(name, "this is not a field with an offset");
        }
        offset += field.offset;
        layout = field.layout;
      } else return offset;
    }
  }

  protected attribute(attributes: Attributes, largest: boolean): void {
    readAttribute(this.tokens, attributes, {
      largest,
      alignment: () => {
        const token = this.tokens.peek();
        if (!this.scope.isType(token)) return Number(this.constant().value);
        const type = this.typeName(token);
        return type.kind === "aligned" ? type.align : type.alignment;
      },
    });
  }

  /** Runs a parser that may call itself, and limits the depth. */
  protected deeper<T>(token: Token, parse: () => T): T {
    if (this.#depth >= DEEPEST) throw outOfBounds(token, `this is more than ${DEEPEST} deep`);
    this.#depth += 1;
    try {
      return parse();
    } finally {
      this.#depth -= 1;
    }
  }
}
