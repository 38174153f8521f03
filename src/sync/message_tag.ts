/** The tag of a message, and how options that hold it are read. Internal: used by channel and topic. */

import { optionsReader } from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";

/** Accepts a tag. */
export function checkTag(value: unknown, name: string): number {
  if (typeof value !== "number") throw mistyped(name, "an integer", value);
  if (value >>> 0 === value) return value;
  throw new RangeError(`tag ${value} is not an integer from 0 to 4294967295`);
}

const readTagOptions = optionsReader({ tag: checkTag });

/** The tag in options that have nothing else. Defaults to 0. */
export function readTag(options: unknown): number {
  return options === undefined ? 0 : tagAlone(options) ?? readTagOptions(options).tag ?? 0;
}

/** The tag if it is the only option: the common case, which avoids the cost of reading all options. */
export function tagAlone(options: unknown): number | undefined {
  if (typeof options !== "object" || options === null) return undefined;
  for (const name in options) if (name !== "tag") return undefined;
  const { tag } = options as { readonly tag?: unknown };
  return tag === undefined ? undefined : checkTag(tag, "options.tag");
}
