/** `--interval`: how often a live view looks. For `top` and `watch`. */

import { durationOption, UsageError } from "../usage.ts";

/** Timers of JavaScript end at 24.8 days; nobody watches that slowly. */
const LONGEST_MS = 24 * 3600e3;

/** An interval as it was said, and in milliseconds. */
export interface Interval {
  readonly interval: string;
  readonly every: number;
}

/**
 * Reads `--interval`, or takes `usual`.
 *
 * @throws {UsageError} no duration, or one shorter than `least` milliseconds or longer than a day
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
