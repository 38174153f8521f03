/** `cli.ts write`: writes standard input into a segment, all of it or nothing. */

import { Segment } from "../../sysv/segment.ts";
import { OFFSET_OPTION, rangeIn, rangeWanted } from "../bytes/byte_range.ts";
import { readInput } from "../bytes/whole_input.ts";
import { command } from "../command.ts";
import { report } from "../output.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { CommandFailure } from "../errors.ts";
import { plural } from "../text/wording.ts";

const help = (options: string): string =>
  `Write stdin into a segment, as it is: all of it, or nothing.

Usage: cli.ts write KEY|id:ID [options]

${TARGET_HELP}

The whole input is read first. If it does not fit between the offset and the end
of the segment, or is interrupted, nothing is written. Bytes after it stay, and
no NUL is added. Other processes see it come byte by byte; to send a message,
use client.

Options:
${options}

Exit codes: 0 written; 1 no such segment, not permitted, or the input does not
fit; 2 wrong usage; 129, 130, 143 when SIGHUP, SIGINT or SIGTERM ended it.

Examples:
  printf 'hello\\0' | deno run --allow-ffi cli.ts write 0xcafe --offset 1
  deno run --allow-ffi cli.ts write id:5 --length 4096 < page.bin
`;

export const writeCommand = command({
  options: {
    ...OFFSET_OPTION,
    length: { short: "n", value: "BYTES", help: "refuse an input of more or fewer bytes" },
    trust: { help: "write to a segment that another user created too" },
    quiet: { short: "q", help: "print only errors on stderr" },
    ...TARGET_OPTIONS,
  },
  completes: "segments",
  help,
  async run(parsed): Promise<void> {
    const { options } = parsed;
    const wanted = rangeWanted(options);
    const { id } = findSegment(targetOf(parsed));
    // Attached before any input is read: a refusal comes at once, and the segment cannot go meanwhile
    using segment = Segment.attach(id, { trust: options.trust === true });
    const { offset, length } = rangeIn(segment, wanted);
    const blocks = await readInput(length);
    const count = blocks.reduce((sum, block) => sum + block.length, 0);
    if (count > length) {
      throw new CommandFailure(
        wanted.length === undefined
          ? `the input is more than the ${
            plural(length, "byte")
          } from offset ${offset} of segment ` +
            `${id} to its end: nothing written`
          : `the input is more than --length says, ${plural(length, "byte")}: nothing written`,
      );
    }
    if (wanted.length !== undefined && count < length) {
      throw new CommandFailure(
        `the input has ${
          plural(count, "byte")
        } and not ${length}, as --length says: nothing written`,
      );
    }
    let at = offset;
    for (const block of blocks) {
      segment.write(block, at);
      at += block.length;
    }
    if (options.quiet !== true) {
      report(`wrote ${plural(count, "byte")} at offset ${offset} of segment ${id}`);
    }
  },
});
