/** The keys that move through lines, the same in every view. Pure. For `top` and `watch`. */

import type { Key } from "./keys.ts";

/** What a frame knew of its size: how far a page goes, and how far one can scroll. */
export interface Extent {
  readonly page: number;
  readonly lastScroll: number;
}

/** Where a key moves to from `at`, between 0 and `last`; `undefined` if it is none that moves. */
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
