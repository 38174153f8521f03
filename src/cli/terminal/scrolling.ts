/** The keys that move through lines, the same in every view. Pure. Internal: used by `top` and `watch`. */

import type { Key } from "./keys.ts";

/** The extent of a frame: the length of a page, and the last scroll position. */
export interface Extent {
  readonly page: number;
  readonly lastScroll: number;
}

/** The position a key moves to from `at`, between 0 and `last`; `undefined` if it does not move. */
export function moved(key: Key, at: number, page: number, last: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    up: -1,
    k: -1,
    down: 1,
    j: 1,
    pageup: -page,
    pagedown: page,
    home: -Infinity,
    g: -Infinity,
    end: Infinity,
    G: Infinity,
  };
  const step = Object.hasOwn(steps, key) ? steps[key] : undefined;
  return step === undefined ? undefined : Math.max(0, Math.min(at + step, last));
}
