/**
 * Hashes by which programs recognise the same layout: FNV-1a over a text of its fields. Internal: used by
 * the protocols of this library and by `message_type.ts`.
 */

import type { AnyStructLayout } from "./layout.ts";

/** What FNV-1a begins with. Source: draft-eastlake-fnv. */
const OFFSET_BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

/** FNV-1a of ASCII `text`, 32 bits, continued from the hash `state` of the text before it. */
export function fnv1a(text: string, state: number = OFFSET_BASIS): number {
  let hash = state;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}

/** The structs of a protocol by the names that the text gives them. */
export type NamedStructs = Readonly<Record<string, AnyStructLayout>>;

/** Every field of `structs` with its offset and size, as text: the input of {@linkcode layoutHash}. */
export function layoutText(structs: NamedStructs): string {
  return Object.entries(structs).map(([name, { size, fields }]) => {
    const places = Object.entries(fields).map(([field, { offset, size }]) =>
      `${field}@${offset}+${size}`
    );
    return `${name}:${size}{${places.join(",")}}`;
  }).join(";");
}

const hashes = new WeakMap<NamedStructs, number>();

/**
 * FNV-1a of {@linkcode layoutText}, 32 bits. Computed when the first object of a protocol is opened:
 * programs without one start sooner.
 */
export function layoutHash(structs: NamedStructs): number {
  let hash = hashes.get(structs);
  if (hash === undefined) hashes.set(structs, hash = fnv1a(layoutText(structs)));
  return hash;
}
