/** Medians and spreads. */

import { findCase, type Result } from "./result.ts";

/** The middle of a list, or of its two middle ones the mean; `NaN` of nothing. */
export function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (sorted[half - 1]! + upper) / 2;
}

/** The median of a case's rounds; `NaN` if it was not run. */
export function medianOf(result: Result, name: string): number {
  return median(findCase(result, name)?.figures ?? []);
}

/** What a list of rounds comes down to. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Median and spread; all `NaN` of nothing. */
export function summarise(list: readonly number[]): Summary {
  if (list.length === 0) return { median: NaN, least: NaN, most: NaN };
  return { median: median(list), least: Math.min(...list), most: Math.max(...list) };
}

/** Whether no figure of one list lies within the other: the rounds disagree beyond their spread. */
export function apart(a: readonly number[], b: readonly number[]): boolean {
  if (a.length === 0 || b.length === 0) return false;
  const [one, other] = [summarise(a), summarise(b)];
  return one.most < other.least || other.most < one.least;
}
