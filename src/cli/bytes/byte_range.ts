/** The range of a segment that a command line names, and copies of its bytes. */

import { plural } from "../text/wording.ts";
import type { Segment } from "../../sysv/segment.ts";
import { type OptionTable, type Parsed, sizeOption } from "../usage.ts";
import { CommandFailure } from "../errors.ts";

/** The option for the start of the range; its short form is that of hexdump. */
export const OFFSET_OPTION = {
  offset: { short: "s", value: "BYTES", help: "where to begin: 4096, 0x1000, 4K (default 0)" },
} as const satisfies OptionTable;

/** The option for the number of bytes, for commands that show them. */
export const LENGTH_OPTION = {
  length: { short: "n", value: "BYTES", help: "how many (default: up to the end)" },
} as const satisfies OptionTable;

/** The part of a help text about reading a segment. */
export const READING_HELP =
  `A range that is not all within the segment is an error, and nothing is written.
Read permission is enough, even if another user created the segment. It is
copied MiB by MiB, so what other processes write meanwhile may be in the bytes.

It is attached for that moment: its attach count, LPID and times change, and
pages without memory get some, for good. If that may be more than is free, you
are asked first; without a terminal it is refused.`;

/** How much of a segment is copied at once: enough to be fast, and small beside a large segment. */
const PIECE_BYTES = 2 ** 20;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** The range that a command line asks for; without a length it goes to the end. */
export interface RangeWanted {
  readonly offset: number;
  readonly length: number | undefined;
}

/** Reads `--offset` and `--length`; throws a `UsageError` if one is not a number of bytes. */
export function rangeWanted(options: Parsed<"offset" | "length">["options"]): RangeWanted {
  return {
    offset: sizeOption("offset", options.offset) ?? 0,
    length: sizeOption("length", options.length),
  };
}

/** The range, by default to the end; throws a `CommandFailure` if the segment has not all of it. */
export function rangeIn(
  { id, size }: Pick<Segment, "id" | "size">,
  { offset, length = Math.max(size - offset, 0) }: RangeWanted,
): ByteRange {
  if (offset > size) {
    throw new CommandFailure(
      `segment ${id} has ${plural(size, "byte")}: offset ${offset} is beyond its end`,
    );
  }
  // Both may be near 2^53, so that their sum would exceed it
  if (length > size - offset) {
    throw new CommandFailure(
      `segment ${id} has ${plural(size, "byte")}: from offset ${offset} there are ` +
        `${size - offset}, not ${length}`,
    );
  }
  return { offset, length };
}

/** The bytes in copies of at most 1 MiB, each made on request. */
export function* pieces(
  segment: Segment,
  { offset, length }: ByteRange,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  for (let done = 0; done < length; done += PIECE_BYTES) {
    yield segment.read(offset + done, Math.min(PIECE_BYTES, length - done));
  }
}
