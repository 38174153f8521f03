/**
 * The part of the parser that reads structs, unions and the declarations in them. What is not data, such as
 * functions and static members, is skipped. Internal: `declaration.ts` builds on it.
 */

import { anonymous } from "../layout/anonymous.ts";
import type { AnyStructLayout, FieldLayout, Layout } from "../layout/layout.ts";
import { struct } from "../layout/struct.ts";
import { union } from "../layout/union.ts";
import { type Attributes, isAttribute } from "./attribute.ts";
import { plain } from "./expression_parser.ts";
import { looksLikePacking, undefinedMacro } from "./macro_name.ts";
import { checkAlignas, MemberParser, type Members, PACKED_PLACE } from "./member_parser.ts";
import { Packing } from "./packing.ts";
import { isSameLayout } from "./same_layout.ts";
import type { Tagged } from "./specifier_parser.ts";
import { locate, type Token, unreadable } from "./token.ts";

/** Reads structs and the declarations in them. */
export abstract class DeclarationParser extends MemberParser {
  protected readonly packing = new Packing();

  /** Parses one declaration with its `;`. Returns what it defines. */
  protected declaration(members: Members): Tagged | undefined {
    const { tokens } = this;
    const start = tokens.peek();
    if (tokens.accept(";") || this.#skipped(start)) return undefined;
    const specifiers = this.specifiers();
    const { attributes: { packed, aligned }, defined } = specifiers;
    if (packed !== undefined) throw unreadable(packed, PACKED_PLACE);
    if (specifiers.storage.has("virtual")) {
      throw unreadable(start, "a virtual function adds a hidden pointer: this is not plain data");
    }
    const next = tokens.peek();
    const ends = next.text === ";" || next.kind === "end" || next.text === "}";
    if (ends && (specifiers.alone || defined !== undefined)) {
      const isMember = this.inside !== undefined && defined !== undefined &&
        specifiers.tag === undefined;
      if (aligned !== undefined) {
        throw unreadable(aligned.token, "it aligns a struct right after the word struct");
      }
      if (isMember) this.anonymous(start, members, anonymous(defined));
    } else {
      do if (this.member(specifiers, members)) return specifiers; while (tokens.accept(","));
    }
    this.semicolon();
    return specifiers;
  }

  /** Skips what declares no data and is no function: `using`, `friend`, templates, `public:`. */
  #skipped(start: Token): boolean {
    const { tokens } = this;
    const next = tokens.peek(1);
    switch (start.text) {
      case "public":
      case "private":
      case "protected":
        if (next.text !== ":") return false;
        tokens.take();
        tokens.take();
        return true;
      case "_Static_assert":
      case "static_assert":
        tokens.take();
        tokens.skipBrackets(tokens.expect("(", start.text));
        this.semicolon();
        return true;
      case "using":
        tokens.take();
        this.#using();
        return true;
      case "template": {
        tokens.take();
        const opening = tokens.accept("<");
        if (opening !== undefined) tokens.skipBrackets(opening);
        this.skipDeclaration();
        return true;
      }
      case "friend":
      case "operator":
      case "~":
        if (start.text !== "~" && next.text === ";") return false;
        this.skipDeclaration();
        return true;
    }
    return false;
  }

  /** Parses `using Name = type;`. Other forms add names that the text has already. */
  #using(): void {
    const { tokens } = this;
    if (tokens.peek(1).text !== "=") return this.skipDeclaration();
    const name = tokens.take();
    tokens.take();
    const { type, attributes } = this.specifiers();
    this.checkTypedef(attributes);
    this.defineType(name, this.derive(type, this.declarator().parts));
    this.semicolon();
  }

  protected override record(keyword: Token): Tagged {
    const { tokens, scope } = this;
    const attributes: Attributes = {};
    while (isAttribute(tokens, true)) this.attribute(attributes, false);
    this.#refuseMacro();
    const tag = tokens.peek().kind === "word" ? tokens.take() : undefined;
    if (tokens.at("final") && /^[:{]$/.test(tokens.peek(1).text)) tokens.take();
    if (tokens.at(":") && tokens.peek(1).kind === "word") {
      throw unreadable(tokens.peek(), "a base class is not supported");
    }
    const opening = tokens.accept("{");
    if (opening !== undefined && tag !== undefined && looksLikePacking(tag)) {
      throw undefinedMacro(tag);
    }
    if (opening === undefined) {
      if (tag === undefined) {
        throw unreadable(tokens.peek(), `a name or "{" must follow ${keyword.text}`);
      }
      const extra = attributes.packed ?? attributes.aligned?.token;
      if (extra !== undefined) {
        throw unreadable(extra, "C ignores it where the fields do not follow");
      }
      return { type: scope.struct(tag), alone: true };
    }
    const defined = this.#defined(keyword, tag, opening, attributes);
    return {
      type: defined,
      alone: tag !== undefined,
      defined,
      braces: true,
      ...(tag === undefined ? {} : { tag }),
    };
  }

  /** Parses a struct from after its `{`, and gives it its tag. One that has the tag already must be the same. */
  #defined(
    keyword: Token,
    tag: Token | undefined,
    opening: Token,
    attributes: Attributes,
  ): AnyStructLayout {
    const { tokens, scope } = this;
    const kind = keyword.text === "union" ? "union" : "struct";
    const members: Members = { kind, fields: new Map(), tag };
    const before = tag === undefined ? undefined : scope.structs.get(tag.text);
    try {
      this.deeper(keyword, () => this.#body(members, opening));
      while (isAttribute(tokens, false)) this.attribute(attributes, false);
      const layout = this.layout(tag ?? keyword, members, attributes);
      if (before !== undefined && isSameLayout(before, layout)) return before;
      if (before === undefined) {
        if (tag !== undefined) scope.define(scope.structs, tag.text, layout);
        return layout;
      }
    } catch (error) {
      if (before === undefined) throw error;
    }
    throw scope.conflict(tag!);
  }

  /** Refuses a macro before the tag: `struct PACKED S {`, `struct ALIGNED(8) S {`. */
  #refuseMacro(): void {
    const { tokens } = this;
    let end = 1;
    if (tokens.at("__declspec") || tokens.peek().kind !== "word") return;
    if (tokens.peek(1).text === "(") {
      for (let open = 0; end < 32; end++) {
        const { text } = tokens.peek(end);
        if (text === "(") open += 1;
        if (text === ")") open -= 1;
        if (text === ")" && open === 0) break;
      }
      end += 1;
    }
    while (tokens.peek(end).text.startsWith("__attribute")) end += 1;
    const follows = tokens.peek(end);
    const after = tokens.peek(end + 1).text;
    if (follows.kind === "word" && follows.text !== "final" && /^[{:]$/.test(after)) {
      throw undefinedMacro(tokens.peek());
    }
    if (end > 1 && follows.text === "{") throw undefinedMacro(tokens.peek());
  }

  #body(members: Members, opening: Token): void {
    const { tokens } = this;
    const outer = this.inside;
    this.inside = members;
    try {
      while (!tokens.accept("}")) {
        const token = tokens.peek();
        if (token.kind === "end") throw unreadable(opening, "this brace is never closed");
        if (token.kind === "pragma") throw unreadable(token, "it must be outside the struct");
        this.declaration(members);
      }
    } finally {
      this.inside = outer;
    }
  }

  /** Makes the layout of a struct or union. */
  protected layout(token: Token, members: Members, attributes: Attributes): AnyStructLayout {
    const { kind, fields, aligned } = members;
    const { packed, mode } = attributes;
    if (mode !== undefined) throw unreadable(mode, "a struct has no mode");
    if (packed !== undefined && aligned !== undefined) {
      throw unreadable(aligned, "an aligned field of a packed struct is not supported");
    }
    if (packed !== undefined && this.atomicClass !== undefined) {
      throw unreadable(packed, "g++ does not pack std::atomic: use #pragma pack or a plain type");
    }
    const isBitField = (field: FieldLayout): boolean => field.kind === "bits";
    if (packed !== undefined && (this.packing.current ?? 1) > 1) {
      if ([...fields.values()].some(isBitField)) {
        throw unreadable(packed, "compilers do not agree on it for bit-fields under #pragma pack");
      }
    }
    const pack = packed === undefined ? this.packing.current : 1;
    const align = attributes.aligned?.bytes;
    const make: (fields: Record<string, FieldLayout>, options: object) => AnyStructLayout =
      kind === "union" ? union : struct;
    const layout = locate(token, () =>
      make(Object.fromEntries(fields), {
        ...(pack === undefined ? {} : { pack }),
        ...(align === undefined ? {} : { align }),
      }));
    checkAlignas(attributes.alignas, layout.alignment);
    this.count(token);
    this.scope.nest(token, layout, (layout.members ?? Object.values(layout.fields)).map(inner));
    return layout;
  }
}

function inner({ layout }: { readonly layout: Layout }): Layout {
  return plain(layout);
}
