/**
 * The layout of the header that a channel, a Latest and a Topic begin with: 128 bytes, of which only three
 * words have a meaning and a name of their own in each protocol. Data only. Internal: used by the descriptors
 * and by `object_header.ts`.
 */

import { array } from "../layout/array.ts";
import type { ArrayLayout, Fields, ScalarLayout, StructLayout } from "../layout/layout.ts";
import { MESSAGE_TYPE } from "../layout/message_type.ts";
import { u32, u64 } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";
import { LINE } from "./lane_geometry.ts";

type U32 = ScalarLayout<number>;

/** The fields of a header, with those of its shape. */
type HeaderFields<Shape extends Fields> =
  & { magic: U32; version: U32; layout_hash: U32 }
  & Shape
  & { segment_size: ScalarLayout<bigint>; type: typeof MESSAGE_TYPE };

/** A header whose three words of the shape have these names. */
export type HeaderLayout<Names extends string> = StructLayout<
  HeaderFields<{ [Name in Names]: U32 }>
>;

function headerOf<Shape extends Fields>(shape: Shape): StructLayout<HeaderFields<Shape>> {
  return struct({
    /** Which protocol it is. Stored last. */
    magic: u32,
    /** Changes when the meaning of the bytes changes. Stored before the magic. */
    version: u32,
    /** The hash of all structs of the protocol, as its creator knows them. */
    layout_hash: u32,
    ...shape,
    segment_size: u64,
    /** The struct of every message or of the value, if the creator stated one. */
    type: MESSAGE_TYPE,
  } as HeaderFields<Shape>, { align: LINE });
}

/** The header of a protocol, by the names of the three words of its shape. */
export function headerLayout<const Names extends readonly [string, string, string]>(
  ...names: Names
): HeaderLayout<Names[number]> {
  const shape = Object.fromEntries(names.map((name) => [name, u32]));
  return headerOf(shape as { [Name in Names[number]]: U32 });
}

/** The header of every protocol, with its shape as an array. */
export const OBJECT_HEADER: StructLayout<HeaderFields<{ shape: ArrayLayout<U32> }>> = headerOf({
  shape: array(u32, 3),
});

/** The magics of all protocols. Each is its name in ASCII, little-endian. */
export const MAGIC = { CHANNEL: 0x434d4853, LATEST: 0x4c4d4853, TOPIC: 0x544d4853 } as const;

/** A word in the other byte order. */
export function swapped(word: number): number {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, word);
  return bytes.getUint32(0, true);
}
