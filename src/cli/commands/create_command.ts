/** `cli.ts create`: creates a segment for other programs. */

import { HUGE_PAGE } from "../../../ffi/constants.ts";
import { ShmError } from "../../../ffi/shm_error.ts";
import { IPC_PRIVATE } from "../../sysv/key.ts";
import { Segment } from "../../sysv/segment.ts";
import type { SegmentCreateOptions } from "../../sysv/segment_options.ts";
import { listSegments, segmentTable, setSegmentPermissions } from "../../sysv/segment_stat.ts";
import { command } from "../command.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { printLine, report, shownJson, StandardStreamError } from "../output.ts";
import { FactsReader, type SegmentFacts } from "../objects/segment_facts.ts";
import { formatSize, parseSize } from "../text/size.ts";
import {
  keyOption,
  modeOption,
  type OptionTable,
  type Parsed,
  sizeOption,
  valueOf,
} from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { keyText } from "../text/wording.ts";

const OPTIONS = {
  size: { short: "s", value: "SIZE", help: "bytes: 4096, 64K, 64KiB, 64KB, 1.5M (needed)" },
  key: {
    short: "k",
    value: "KEY",
    help: "1111, 0x457, 02127, path:project (default: a random one)",
  },
  private: { help: "no key: only its id finds it" },
  mode: { value: "MODE", help: "permissions (default 0600), whatever the umask" },
  huge: { help: "of huge pages, from the system's pool" },
  "huge-size": { value: "SIZE", help: "of huge pages of this size: 2M, 1G" },
  "no-reserve": { help: "reserve no memory: it may be larger than what is free" },
  json: { help: "all facts of the segment as JSON; the stable form" },
} as const satisfies OptionTable;

const help = (options: string): string =>
  `Create a segment for other programs to find.

Usage: cli.ts create --size SIZE [options]

The segment is zeros and stays until it is removed. Its key and id are printed;
if that fails, it is removed again. Until a program attaches it, it counts as an
orphan for \`rm --orphans\`.

Options:
${options}

Exit codes: 0 created; 1 failed, and nothing is left behind; 2 wrong usage; 129,
130, 143 ended by a signal before its id was printed.

Examples:
  deno run --allow-ffi cli.ts create --size 64K
  deno run --allow-ffi cli.ts create --size 2049 --key 1111 --mode 660
  id=$(deno run --allow-ffi cli.ts create --size 1M --private --json | jq .id)
`;

/** The permission bits that the owner needs to attach a segment. */
const OWNER_ACCESS = 0o600;

const DEFAULT_MODE = 0o600;

export const createCommand = command({
  options: OPTIONS,
  completes: "nothing",
  help,
  async run({ options }): Promise<number> {
    const wanted = wantedSegment(options);
    const key = keyOption(options.key);
    if (key !== undefined && options.private === true) {
      throw new UsageError("--key or --private, not both");
    }

    using interruption = new Interruption();
    const id = key !== undefined
      ? create({ ...wanted, key })
      : options.private === true
      ? create(wanted)
      : createAtFreeKey((free) => create({ ...wanted, key: free }));
    try {
      const facts = factsOf(id);
      const told = options.json === true
        ? shownJson(JSON.stringify(facts, null, 2))
        : `segment ${id}, ${keyText(facts.key)}, ${facts.size} bytes, mode ${facts.perms}`;
      await unlessAborted(printLine(told), interruption.signal);
      return 0;
    } catch (error) {
      return giveUp(id, error);
    }
  },
});

function wantedSegment(
  options: Parsed<keyof typeof OPTIONS>["options"],
): Omit<SegmentCreateOptions, "key"> & { readonly mode: number } {
  const size = sizeOption("size", options.size, 1);
  if (size === undefined) throw new UsageError("Missing --size, for example --size 64K");
  const hugePages = hugeSizeOption(options["huge-size"]) ?? options.huge === true;
  const noReserve = options["no-reserve"] === true;
  if (hugePages !== false && noReserve) {
    throw new UsageError("--no-reserve does not go with huge pages, which are reserved at once");
  }
  return { size, mode: modeOption(options.mode) ?? DEFAULT_MODE, noReserve, hugePages };
}

function hugeSizeOption(text: string | true | undefined): number | undefined {
  return valueOf("huge-size", text, (each) => {
    const bytes = parseSize(each);
    const sizes = HUGE_PAGE.LOGARITHMS.map((logarithm) => 2 ** logarithm);
    if (sizes.includes(bytes)) return bytes;
    throw new RangeError(`no huge page has ${each} bytes but ${sizes.map(formatSize).join(", ")}`);
  });
}

function create(options: SegmentCreateOptions & { readonly mode: number }): number {
  const { mode } = options;
  // Creation attaches it once, which needs the owner's permissions, whatever the final mode is
  using segment = Segment.create({ ...options, mode: mode | OWNER_ACCESS });
  try {
    if ((mode & OWNER_ACCESS) !== OWNER_ACCESS) setSegmentPermissions(segment.id, { mode });
  } catch (error) {
    segment.remove();
    throw error;
  }
  return segment.id;
}

/** Calls `create` with random keys until one of them is free. */
export function createAtFreeKey<Result>(
  create: (key: number) => Result,
  randomKey: () => number = () => crypto.getRandomValues(new Int32Array(1))[0]!,
): Result {
  for (;;) {
    const key = randomKey();
    if (key === IPC_PRIVATE) continue;
    try {
      return create(key);
    } catch (error) {
      if (!ShmError.is(error, "EEXIST")) throw error;
    }
  }
}

function factsOf(id: number): SegmentFacts {
  const stat = listSegments().find((each) => each.id === id);
  if (stat !== undefined) return new FactsReader().facts(stat);
  throw new CommandFailure(
    `the new segment ${id} went as soon as no process was attached: it was removed, or the sysctl ` +
      "kernel.shm_rmid_forced is 1, under which no segment lives without a program that uses it",
  );
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  await Promise.race([
    promise,
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  ]);
}

/** Removes a segment that could not be reported; returns the exit code, or throws the error to print. */
function giveUp(id: number, error: unknown): number {
  segmentTable.ensureRemoved(id);
  const removed = `the new segment ${id} was removed again`;
  if (error instanceof Interrupted) {
    report(`${error.message}; ${removed}`);
    return error.exitCode;
  }
  if (error instanceof Deno.errors.BrokenPipe) {
    throw new CommandFailure(`no process reads the output; ${removed}`);
  }
  if (error instanceof StandardStreamError) {
    throw new CommandFailure(`${error.message}; ${removed}`);
  }
  throw error;
}
