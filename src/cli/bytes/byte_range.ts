/**
 * Which bytes of a segment a command line means, and copies of them. For `dump`, `read` and `write`.
 */

import type { Segment } from "../../sysv/segment.ts";
import { CommandFailure } from "../command.ts";
import { type OptionTable, type Parsed, sizeOption } from "../usage.ts";

/** The option that says where; short as in hexdump. */
export const OFFSET_OPTION = {
  offset: { short: "s", value: "BYTES", help: "where to begin: 4096, 0x1000, 4K (default 0)" },
} as const satisfies OptionTable;

/** And the one that says how many, for what shows them. */
export const LENGTH_OPTION = {
  length: { short: "n", value: "BYTES", help: "how many (default: up to the end)" },
} as const satisfies OptionTable;

/** How much of a segment is copied at a time: enough to be fast, little beside a large segment. */
const PIECE_BYTES = 2 ** 20;

/** Some bytes of a segment. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** What a command line says of a range: the length is left open where it says none. */
export interface RangeWanted {
  readonly offset: number;
  readonly length: number | undefined;
}

/**
 * Reads `--offset` and `--length`.
 *
 * @throws {UsageError} one of them is no number of bytes
 */
export function rangeWanted(options: Parsed<"offset" | "length">["options"]): RangeWanted {
  return {
    offset: sizeOption("offset", options.offset) ?? 0,
    length: sizeOption("length", options.length),
  };
}

/** A number of bytes in words. */
export function byteCount(count: number): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}

/**
 * The range, up to the end of the segment if no length was said.
 *
 * @throws {CommandFailure} not within the segment
 */
export function rangeIn(
  { id, size }: Pick<Segment, "id" | "size">,
  { offset, length = Math.max(size - offset, 0) }: RangeWanted,
): ByteRange {
  if (offset > size) {
    throw new CommandFailure(
      `segment ${id} has ${byteCount(size)}: offset ${offset} is beyond its end`,
    );
  }
  // Both may be near 2^53, their sum beyond
  if (length > size - offset) {
    throw new CommandFailure(
      `segment ${id} has ${byteCount(size)}: from offset ${offset} there are ` +
        `${size - offset}, not ${length}`,
    );
  }
  return { offset, length };
}

/** The bytes as copies of a MiB at most, each taken when it is asked for. */
export function* pieces(
  segment: Segment,
  { offset, length }: ByteRange,
): Generator<Uint8Array<ArrayBuffer>, void, void> {
  for (let done = 0; done < length; done += PIECE_BYTES) {
    yield segment.read(offset + done, Math.min(PIECE_BYTES, length - done));
  }
}
