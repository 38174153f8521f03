/** Percentiles of round trips, by HdrHistogram. */

import { load } from "./packages.ts";
import type { Percentiles } from "./result.ts";

interface Histogram {
  recordValue(value: number): void;
  getValueAtPercentile(percentile: number): number;
  readonly maxValue: number;
  readonly totalCount: number;
}

interface HdrHistogram {
  build(options: {
    readonly lowestDiscernibleValue: number;
    readonly highestTrackableValue: number;
    readonly numberOfSignificantValueDigits: number;
  }): Histogram;
}

const HIGHEST_NS = 60e9;

/** Collects the times of all rounds of a case. */
export class Latency {
  readonly #all: Histogram;

  private constructor(histogram: Histogram) {
    this.#all = histogram;
  }

  /** Loads the library. */
  static async factory(): Promise<() => Latency> {
    const { build } = await load<HdrHistogram>("hdr-histogram-js");
    const make = (): Histogram =>
      build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: HIGHEST_NS,
        numberOfSignificantValueDigits: 3,
      });
    return () => new Latency(make());
  }

  /** Adds a round's times in nanoseconds. */
  add(times: Float64Array): void {
    for (const time of times) {
      this.#all.recordValue(Math.min(HIGHEST_NS, Math.max(1, Math.round(time))));
    }
  }

  /** Over all rounds. */
  percentiles(): Percentiles {
    const at = (percentile: number): number => this.#all.getValueAtPercentile(percentile);
    return {
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: this.#all.maxValue,
      samples: this.#all.totalCount,
    };
  }
}
