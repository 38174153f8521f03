/** `cli.ts read`: writes bytes of a segment to standard output, unchanged. */

import { Segment } from "../../sysv/segment.ts";
import {
  type ByteRange,
  LENGTH_OPTION,
  OFFSET_OPTION,
  pieces,
  rangeIn,
  rangeWanted,
  READING_HELP,
} from "../bytes/byte_range.ts";
import { confirmMemory } from "../objects/missing_memory.ts";
import { command } from "../command.ts";
import { printable, printBytes } from "../output.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { CommandFailure } from "../errors.ts";
import { plural } from "../text/wording.ts";

const help = (options: string): string =>
  `Write bytes of a segment to stdout, as they are.

Usage: cli.ts read KEY|id:ID [options]

${TARGET_HELP}

${READING_HELP}

A terminal gets only text: to show other bytes there, use dump or --force.

Options:
${options}

Exit codes: 0 written, or the reader ended; 1 no such segment, not
permitted, out of range, or the output failed; 2 wrong usage.

Examples:
  deno run --allow-ffi cli.ts read 0xcafe > segment.bin
  deno run --allow-ffi cli.ts read id:5 --offset 1 --length 2K | strings
`;

/** The longest text that goes to a terminal without being asked for. */
const TERMINAL_BYTES = 2 ** 20;

export const readCommand = command({
  options: {
    ...OFFSET_OPTION,
    ...LENGTH_OPTION,
    force: { short: "f", help: "do not ask, whatever the bytes are and take" },
    ...TARGET_OPTIONS,
  },
  completes: "segments",
  help,
  async run(parsed): Promise<void> {
    const wanted = rangeWanted(parsed.options);
    const { id } = findSegment(targetOf(parsed));
    using segment = Segment.attach(id, { readOnly: true, trust: true });
    const range = rangeIn(segment, wanted);
    if (parsed.options.force !== true) confirmMemory(segment, range);
    if (parsed.options.force !== true && Deno.stdout.isTerminal()) {
      await printBytes(copyForTerminal(segment, range));
    } else {
      for (const piece of pieces(segment, range)) await printBytes(piece);
    }
  },
});

/** A checked copy: the segment may change between the check and the write. */
function copyForTerminal(segment: Segment, { offset, length }: ByteRange): Uint8Array {
  const copy = length > TERMINAL_BYTES ? undefined : segment.read(offset, length);
  if (copy !== undefined && isHarmless(copy)) return copy;
  const what = copy === undefined ? plural(length, "byte") : "bytes that are not text";
  throw new CommandFailure(
    `segment ${segment.id}: ${what} will not go to a terminal: use dump, a pipe or a file, or --force`,
  );
}

/** Whether a terminal only shows the bytes: text without control characters but newlines and tabs. */
function isHarmless(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const visible = text.replaceAll(/[\n\t]/g, "");
    return printable(visible) === visible;
  } catch {
    return false;
  }
}
