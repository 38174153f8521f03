/** The option `--interval`: how often a live view refreshes. Internal: used by `top` and `watch`. */

import { Deadline } from "../../sync/deadline.ts";
import { durationOption } from "../usage.ts";
import { UsageError } from "../errors.ts";

/** The longest interval. JavaScript timers end at 24.8 days; no user needs one that long. */
const LONGEST_MS = 24 * 3600e3;

/** The largest share of the time that a view spends on reading. */
const SHARE_OF_TIME = 0.25;

/** When to look again, after a look that began at `start`; later than `every` if looks take long. */
export function nextLook(every: number, start: number): Deadline {
  return Deadline.after(Math.max(every, (performance.now() - start) / SHARE_OF_TIME));
}

/** An interval as the user typed it, and in milliseconds. */
export interface Interval {
  readonly interval: string;
  readonly every: number;
}

/**
 * Reads `--interval`; defaults to `usual`.
 *
 * @throws {UsageError} not a duration, or shorter than `least` milliseconds or longer than a day
 */
export function intervalOption(
  text: string | true | undefined,
  usual: string,
  least: number,
): Interval {
  const interval = typeof text === "string" ? text : usual;
  const every = durationOption("interval", interval)!;
  if (every < least) throw new UsageError(`option --interval: at least ${least}ms`);
  if (every > LONGEST_MS) throw new UsageError("option --interval: at most 1d");
  return { interval, every };
}
