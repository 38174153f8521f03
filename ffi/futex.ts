/** Futexes: waiting for a change of a 32-bit word in shared memory. Internal: used by `src/sync`. */

import { lending, memory, timespec } from "./libc.ts";

/** Returns the result of futex, or -errno. If `operation` is a wait, it blocks this thread. */
export function futex(
  word: Deno.PointerObject,
  operation: number,
  value: number,
  timeoutMs: number | undefined,
): number {
  const { symbols, errno, platform } = memory();
  const timeout = timeoutMs === undefined ? null : timespec(timeoutMs);
  const result = symbols.futex(platform.syscalls.futex, word, operation, value, timeout);
  return result === -1 ? -errno[0]! : result;
}

/** Waits on another thread. Its errno stays there, so the caller checks the word and the clock. */
export async function futexAsync(
  word: Deno.PointerObject,
  operation: number,
  value: number,
  timeoutMs: number,
): Promise<void> {
  const { symbols, platform } = memory();
  const timeout = timespec(timeoutMs);
  const call = symbols.futexAsync(platform.syscalls.futex, word, operation, value, timeout);
  await lending([timeout], call);
}
