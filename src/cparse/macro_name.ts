/**
 * Names that look like macros which the text does not define. C would read such a name as a variable or a
 * tag, and the bytes of the struct would not be where the program with the macro has them. Internal.
 */

import { type Token, unreadable } from "./token.ts";

/** Whether a word begins with `__` or is all capitals. */
export function looksLikeMacro({ kind, text, expanded }: Token): boolean {
  // A name that a macro of the text makes is what its author wants; these names of Linux and glibc are known
  return kind === "word" && expanded !== true &&
    /^(__(?!empty_|in6_u$|value32$)\w+|_?[A-Z][A-Z0-9_]*[A-Z0-9_])$/.test(text);
}

/** Whether a word looks like a macro that stands for an attribute. */
export function looksLikeAttribute(token: Token): boolean {
  return looksLikeMacro(token) &&
    /PACK(ED)?$|PACKED|ALIGN(ED)?$|ALIGNED|ATTR(IBUTE)?(_|$)/i.test(token.text);
}

/** Whether a word in the place of a tag looks like such a macro. */
export function looksLikePacking(token: Token): boolean {
  return looksLikeMacro(token) && /PACKED|ALIGNED/i.test(token.text);
}

/** The error at a word that stands where none can: a macro, or something is missing before it. */
export function undefinedMacro(token: Token): TypeError {
  const advice = "#define it before, or write in its place what it stands for";
  return unreadable(
    token,
    looksLikeMacro(token)
      ? `this looks like a macro that the text does not define: ${advice}, such as ` +
        "__attribute__((packed)), which changes the layout"
      : `";" or "," is expected here. If this is a macro, ${advice}`,
  );
}
