/**
 * Reads standard input as bytes, so that a signal ends the wait for it. Internal: used by the commands.
 */

import { fstatSync } from "node:fs";
import { orAborted } from "./interruption.ts";
import { StandardStreamError } from "../output.ts";

const STDIN = 0;
/** The default capacity of a pipe. */
const CHUNK_BYTES = 65536;

/**
 * The input in chunks of at most `most` bytes, as soon as bytes arrive. A chunk is valid until the next
 * one is requested. A signal ends the wait when there is nothing to read.
 *
 * @throws {StandardStreamError} the read failed
 */
export async function* inputChunks(
  signal: AbortSignal,
  most: number = CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, void> {
  // One buffer is filled while the caller uses the other
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

/** As {@linkcode inputChunks}, in blocks of `size` bytes; only the last block may be shorter. */
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

/** Reads a chunk. An early failure is not an unhandled rejection: the code that awaits it reports it. */
function read(chunk: Uint8Array): Promise<number | null> {
  const reading = Deno.stdin.read(chunk).catch((error) => {
    throw new StandardStreamError("read standard input", error);
  });
  reading.catch(() => {});
  return reading;
}

/** The total number of bytes if standard input is a file; `undefined` if it is unknown. */
export function inputSize(): number | undefined {
  try {
    const stat = fstatSync(STDIN);
    return stat.isFile() ? stat.size : undefined;
  } catch {
    // It is closed; reading it reports that better
    return undefined;
  }
}
