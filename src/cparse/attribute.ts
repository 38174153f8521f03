/**
 * Parses `__attribute__((...))`, `[[...]]` and `alignas(...)` and keeps those that affect the layout.
 * Internal.
 */

import { checkAlignment } from "../layout/check.ts";
import { locate, type Token, unreadable } from "./token.ts";
import type { Tokens } from "./token_stream.ts";

/** The effects of the attributes read so far. */
export interface Attributes {
  packed?: Token;
  aligned?: { readonly token: Token; readonly bytes: number };
  /** The strictest `alignas`. It must not reduce an alignment. */
  alignas?: { readonly token: Token; readonly bytes: number };
  /** The size of an integer, such as `QI` for a byte. */
  mode?: Token;
}

/** Attributes that do not change the layout. */
const HARMLESS = new Set(
  `unused deprecated unavailable may_alias designated_init nonstring visibility type_visibility
  warn_if_not_aligned transparent_union counted_by access warn_unused warn_unused_result nothrow leaf const
  pure noreturn malloc format nonnull returns_nonnull gnu_inline always_inline noinline cold hot artificial
  preserve_access_index btf_type_tag btf_decl_tag flag_enum enum_extensibility noderef
  availability swift_name section weak used retain tls_model`.split(/\s+/),
);

/** Words in `[[...]]` that do. */
const HARMFUL =
  /^(packed|aligned|mode|no_unique_address|vector_size|ms_struct|scalar_storage_order)$/;

const ATTRIBUTE = new Set(["__attribute__", "__attribute"]);
const ALIGNAS = new Set(["alignas", "_Alignas"]);

/** Whether an attribute starts here. `orAlignas` says whether `alignas` counts as one. */
export function isAttribute(tokens: Tokens, orAlignas: boolean): boolean {
  const { text } = tokens.peek();
  return ATTRIBUTE.has(text) || (orAlignas && ALIGNAS.has(text)) ||
    (text === "[" && tokens.peek(1).text === "[");
}

/** Skips the `[[...]]` that starts here. */
function skipDoubleBrackets(tokens: Tokens): void {
  const opening = tokens.take();
  const inner = tokens.take();
  for (let open = 2; open > 0;) {
    const { kind, text } = tokens.take();
    if (kind === "end") throw unreadable(opening, "this bracket is never closed");
    if (HARMFUL.test(text)) {
      throw unreadable(opening, "write __attribute__((...)) in its place, or leave it out");
    }
    if (text === inner.text) open += 1;
    if (text === "]") open -= 1;
  }
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
  if (tokens.at("[")) return skipDoubleBrackets(tokens);
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
    } else if (plain === "mode") {
      tokens.expect("(", "mode");
      attributes.mode = tokens.take();
      tokens.expect(")", "the mode");
    } else if (HARMLESS.has(plain)) {
      const opening = tokens.accept("(");
      if (opening !== undefined) tokens.skipBrackets(opening);
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
  if (ALIGNAS.has(token.text) && bytes >= (attributes.alignas?.bytes ?? 0)) {
    attributes.alignas = { token, bytes };
  }
  const before = attributes.aligned?.bytes ?? bytes;
  if (!context.largest && before !== bytes) {
    throw unreadable(token, `of ${before} and ${bytes} compilers do not choose the same: keep one`);
  }
  attributes.aligned = { token, bytes: Math.max(before, bytes) };
}
