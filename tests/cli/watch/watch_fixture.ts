/** Looks for the tests of `watch`, as they could be taken of a segment: nothing is created. */

import type { Look } from "../../../src/cli/watch/watched.ts";

/** A look that found this change, at a time of the day that texts can be compared with. */
export function watchLook(
  before: Uint8Array<ArrayBuffer>,
  now: Uint8Array<ArrayBuffer>,
  at = 0,
): Look {
  const time = new Date(2026, 0, 2, 3, 4, 5, 67);
  return { time, at, before, now, others: 1, end: undefined };
}
