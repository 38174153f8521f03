/** A semaphore set for the time of a test. */

import { SemaphoreSet } from "../../mod.ts";
import type { SemaphoreSetCreateOptions } from "../../src/sysv/mod.ts";

/** Creates a set that goes when `body` ends. */
export async function withSet(
  options: SemaphoreSetCreateOptions,
  body: (set: SemaphoreSet) => void | Promise<void>,
): Promise<void> {
  const set = SemaphoreSet.create(options);
  try {
    await body(set);
  } finally {
    set.remove();
  }
}
