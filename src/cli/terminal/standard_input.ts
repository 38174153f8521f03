/**
 * Standard input as bytes, read so that a signal ends the wait for it. For the commands of this
 * folder.
 */

import { fstatSync } from "node:fs";
import { orAborted } from "./interruption.ts";
import { StandardStreamError } from "../output.ts";

const STDIN = 0;
/** As much as a pipe holds, unless somebody made it larger. */
const CHUNK_BYTES = 65536;

/**
 * What there is to read, at most `most` bytes at a time, as soon as it is there. What is given is valid
 * until the next is asked for. A signal is heard where there is nothing to read.
 *
 * @throws {StandardStreamError} it cannot be read
 */
export async function* inputChunks(
  signal: AbortSignal,
  most: number = CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, void> {
  // While one is made use of, the other is filled
  let chunk = new Uint8Array(most);
  let next = new Uint8Array(most);
  let reading = read(chunk);
  for (;;) {
    signal.throwIfAborted();
    const count = await orAborted(reading, signal);
    if (count === null) return;
    reading = read(next);
    yield chunk.subarray(0, count);
    [chunk, next] = [next, chunk];
  }
}

/** As {@linkcode inputChunks}, in blocks of `size` bytes, of which only the last one may have fewer. */
export async function* inputBlocks(
  signal: AbortSignal,
  size: number,
): AsyncGenerator<Uint8Array, void, void> {
  const block = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of inputChunks(signal)) {
    for (let start = 0; start < chunk.length;) {
      const part = chunk.subarray(start, start + size - filled);
      block.set(part, filled);
      start += part.length;
      filled += part.length;
      if (filled < size) break;
      yield block;
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** Never fails where nobody waits for it: that is told by whoever does. */
function read(chunk: Uint8Array): Promise<number | null> {
  const reading = Deno.stdin.read(chunk).catch((error) => {
    throw new StandardStreamError("read standard input", error);
  });
  reading.catch(() => {});
  return reading;
}

/** How many bytes there will be, where standard input is a file; `undefined` where nobody knows. */
export function inputSize(): number | undefined {
  try {
    const stat = fstatSync(STDIN);
    return stat.isFile() ? stat.size : undefined;
  } catch {
    // It is closed, which reading it tells better
    return undefined;
  }
}
