/**
 * The members of a struct or union as C declares them. Internal: the code that walks a struct in C's order
 * uses it.
 */

import type { AnyStructLayout, Member } from "./layout.ts";

/** The members in order, whether all of them have a name or not. */
export function membersOf({ fields, members }: AnyStructLayout): readonly Member[] {
  return members ?? Object.entries(fields).map(([name, field]) => ({ name, ...field }));
}
