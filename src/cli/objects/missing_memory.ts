/**
 * The memory that reading a segment would allocate. A page that was never accessed has no memory; at the
 * first read it gets a page of zeros for good. For a sparse segment that may be more than there is.
 */

import { readFileStart } from "../../../ffi/files.ts";
import { report } from "../output.ts";
import { confirm } from "../terminal/question.ts";
import { formatSize } from "../text/size.ts";
import type { ByteRange } from "../bytes/byte_range.ts";
import { residencesIn } from "./processes.ts";
import { CommandFailure } from "../errors.ts";

/** Enough for the lines of 100 000 segments. */
const PROC_BYTES = 2 ** 25;

/** From this many bytes on, a message reports how much memory reading takes. */
const TOLD_BYTES = 2 ** 26;

function readText(path: string): string {
  const bytes = readFileStart(path, PROC_BYTES);
  // If the kernel does not report it, it is unknown, which does not prevent reading
  return typeof bytes === "number" ? "" : new TextDecoder().decode(bytes);
}

/** Bytes of the segment that are in memory or swapped out. */
export function presentBytes(id: number, table: string): number | undefined {
  const residence = residencesIn(table).get(id);
  return residence && residence.resident + residence.swapped;
}

/** Bytes that are available without swapping, from /proc/meminfo. */
export function availableBytes(meminfo: string): number | undefined {
  const kilobytes = /^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/**
 * Reports if reading the range may take much memory. If that is more than is available, asks first, or
 * refuses without a terminal.
 *
 * @throws {CommandFailure} the range must not be read
 */
export function confirmMemory({ id, size }: { readonly id: number; readonly size: number }, {
  length,
}: ByteRange): void {
  const present = presentBytes(id, readText("/proc/sysvipc/shm"));
  const available = availableBytes(readText("/proc/meminfo"));
  if (present === undefined || available === undefined) return;
  const missing = Math.min(length, Math.max(0, size - present));
  if (missing <= available) {
    if (missing >= TOLD_BYTES) {
      report(
        `note: this may give ${formatSize(missing)} of memory to pages that had none, for good`,
      );
    }
    return;
  }
  const what =
    `segment ${id}: to read ${formatSize(length)} of it may take ${formatSize(missing)} of ` +
    `memory for pages that have none, and ${formatSize(available)} are available`;
  const otherwise = "choose a part with --offset and --length, or --force";
  if (!confirm(`${what}: read it all the same?`, otherwise)) {
    throw new CommandFailure("nothing read");
  }
}
