/** Percentiles of times in milliseconds, as microseconds. */
export function percentiles(times: Float64Array): { p50: number; p99: number; max: number } {
  const sorted = times.slice().sort();
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))]! * 1000;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
