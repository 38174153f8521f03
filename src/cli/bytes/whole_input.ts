/** Reads all of standard input. Internal: used by `write` and `struct`. */

import { StandardStreamError } from "../output.ts";

/** How much memory is allocated at once for the input. */
const BLOCK_BYTES = 2 ** 20;

/**
 * All of standard input, but at most one byte more than `limit`. Each block is filled before the next
 * one is allocated, so that a slow input takes no more memory than its size.
 */
export async function readInput(limit: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  for (let room = limit + 1; room > 0;) {
    const block = new Uint8Array(Math.min(BLOCK_BYTES, room));
    const filled = await fill(block);
    if (filled > 0) blocks.push(block.subarray(0, filled));
    if (filled < block.length) break;
    room -= filled;
  }
  return blocks;
}

/** Fills the block; returns how many bytes came before it was full or the input ended. */
async function fill(block: Uint8Array): Promise<number> {
  let filled = 0;
  try {
    while (filled < block.length) {
      const count = await Deno.stdin.read(block.subarray(filled));
      if (count === null) break;
      filled += count;
    }
  } catch (error) {
    throw new StandardStreamError("read standard input", error);
  }
  return filled;
}
