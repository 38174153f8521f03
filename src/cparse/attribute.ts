/**
 * Parses `__attribute__((...))` and `alignas(...)` and keeps those that affect the layout. Internal.
 */

import { checkAlignment } from "../layout/check.ts";
import { locate, type Token, type Tokens, unreadable } from "./token.ts";

/** The effects of the attributes read so far. */
export interface Attributes {
  packed?: Token;
  aligned?: { readonly token: Token; readonly bytes: number };
}

/** Attributes that do not change the layout. */
const HARMLESS = new Set(
  ["unused", "deprecated", "may_alias", "designated_init", "nonstring", "visibility"],
);

const ATTRIBUTE = new Set(["__attribute__", "__attribute"]);
const ALIGNAS = new Set(["alignas", "_Alignas"]);

/** Whether an attribute starts here. `orAlignas` says whether `alignas` counts as one. */
export function isAttribute({ text }: Token, orAlignas: boolean): boolean {
  return ATTRIBUTE.has(text) || (orAlignas && ALIGNAS.has(text));
}

/** The context in which an attribute is read. */
export interface AttributeContext {
  /** Whether the largest of several alignments applies, as for a field. Elsewhere compilers disagree. */
  readonly largest: boolean;
  /** Reads the number in `aligned(...)`, or the number or type in `alignas(...)`. */
  alignment(): number;
}

/** Reads the attribute that starts here and records its effect. */
export function readAttribute(
  tokens: Tokens,
  attributes: Attributes,
  context: AttributeContext,
): void {
  const keyword = tokens.take();
  tokens.expect("(", keyword.text);
  if (ALIGNAS.has(keyword.text)) {
    align(keyword, attributes, context);
    tokens.expect(")", "the alignment");
    return;
  }
  tokens.expect("(", "__attribute__(");
  while (!tokens.at(")")) {
    const name = tokens.take();
    const plain = name.text.replace(/^__(.*)__$/, "$1");
    if (plain === "packed") attributes.packed ??= name;
    else if (plain === "aligned") {
      if (tokens.accept("(") === undefined) {
        throw unreadable(name, "how much this is depends on the compiler's options: give a number");
      }
      align(name, attributes, context);
      tokens.expect(")", "the alignment");
    } else if (HARMLESS.has(plain)) {
      const opening = tokens.accept("(");
      if (opening !== undefined) tokens.skipParentheses(opening);
    } else if (name.text !== ",") {
      throw unreadable(
        name,
        "what this attribute does to the layout is not known here: leave it out",
      );
    }
  }
  tokens.take();
  tokens.expect(")", "__attribute__((...)");
}

function align(token: Token, attributes: Attributes, context: AttributeContext): void {
  const bytes = context.alignment();
  if (bytes === 0 && ALIGNAS.has(token.text)) return; // C: it has no effect
  locate(token, () => checkAlignment(bytes, "an alignment"));
  const before = attributes.aligned?.bytes ?? bytes;
  if (!context.largest && before !== bytes) {
    throw unreadable(token, `of ${before} and ${bytes} compilers do not choose the same: keep one`);
  }
  attributes.aligned = { token, bytes: Math.max(before, bytes) };
}
