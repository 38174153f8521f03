/**
 * The type of a message or value in a header: what lets peers with another struct refuse each other, and
 * name the first field that differs. `docs/wire_format.md` defines the text and the numbers. Internal: used
 * by the channel, by `Latest` and by `Topic`.
 */

import { array } from "./array.ts";
import { isLayout } from "./check.ts";
import type { AnyStructLayout, ArrayLayout, ScalarLayout, StructLayout } from "./layout.ts";
import { fnv1a } from "./layout_hash.ts";
import { isMessageLayout, messageText } from "./message_text.ts";
import { mistyped } from "./refusal.ts";
import { u16, u32 } from "./scalar.ts";
import { struct } from "./struct.ts";

/** How many fields have a fingerprint: as many as there is room for in a header. */
const FINGERPRINTS = 46;

/** A message type in memory. Hash 0: the creator stated none. */
export const MESSAGE_TYPE: StructLayout<{
  hash: ScalarLayout<number>;
  fields: ArrayLayout<ScalarLayout<number>>;
}> = struct({ hash: u32, fields: array(u16, FINGERPRINTS) });

/** A message type as numbers. */
export interface MessageTypeValue {
  readonly hash: number;
  /** A fingerprint for each of the first fields, each of all text up to that field; then 0. */
  readonly fields: readonly number[];
}

/** The type of messages of bytes. */
export const NO_MESSAGE_TYPE: MessageTypeValue = {
  hash: 0,
  fields: new Array<number>(FINGERPRINTS).fill(0),
};

/** The message type of a struct. */
export interface MessageType extends MessageTypeValue {
  /** {@linkcode messageText} of the struct. */
  readonly text: string;
}

const known = new WeakMap<AnyStructLayout, MessageType>();

/** Returns the message type of a struct. Computed once for each layout. */
export function messageType(layout: AnyStructLayout): MessageType {
  let type = known.get(layout);
  if (type === undefined) known.set(layout, type = compute(layout));
  return type;
}

function compute(layout: AnyStructLayout): MessageType {
  const text = messageText(layout);
  const fields: number[] = [];
  let state = fnv1a("");
  for (const [leaf] of text.matchAll(/[^;]*;/g)) {
    state = fnv1a(leaf, state);
    fields.push((state ^ state >>> 16) & 0xffff);
  }
  return {
    text,
    // 0 says that there is no type
    hash: fnv1a(text) || 1,
    fields: NO_MESSAGE_TYPE.fields.map((none, leaf) => fields[leaf] ?? none),
  };
}

/**
 * Says where a struct differs from another message type, of which only the numbers are known: its first
 * field that differs, as in the canonical text.
 */
export function firstDifference(layout: AnyStructLayout, other: MessageTypeValue): string {
  const { text, fields } = messageType(layout);
  const leaves = text.split(";");
  const size = leaves.pop()!;
  const differs = leaves.slice(0, FINGERPRINTS).findIndex((_, i) => fields[i] !== other.fields[i]);
  if (differs !== -1) return `the first field that differs is ${leaves[differs]} here`;
  if (leaves.length >= FINGERPRINTS) {
    return `the first ${FINGERPRINTS} fields are the same, and a later one or the size differs`;
  }
  const last = leaves.at(-1) ?? "no field";
  return other.fields[leaves.length] === 0
    ? `its end differs: ${last} and size ${size} here`
    : `it has more fields there, after ${last} here`;
}

/**
 * Checks that `layout` can be that of messages: a struct of one length. `bytes` is the function for all
 * other messages.
 *
 * @throws {TypeError} it is not the layout of a struct, or it ends with a flexible array
 */
export function checkMessageLayout(layout: unknown, bytes: string): void {
  if (!isLayout(layout) || layout.kind !== "struct") {
    throw mistyped(
      "layout",
      "the layout of a struct, made by struct() or parseStruct() (a union can be a field of one)",
      layout,
    );
  }
  if (!isMessageLayout(layout)) {
    throw new TypeError(
      '"layout" ends with a flexible array, and messages of structs have one length: use ' +
        `${bytes}, and layout.view on the bytes`,
    );
  }
}
