/** Percentiles of round trips, by the histogram of `node:perf_hooks`. */

import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Percentiles } from "./result.ts";

const HIGHEST_NS = 60e9;

/** Collects the times of all rounds of a case. */
export class Latency {
  readonly #all: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: HIGHEST_NS,
    figures: 3,
  });

  /** Adds a round's times in nanoseconds. */
  add(times: Float64Array): void {
    for (const time of times) this.#all.record(Math.min(HIGHEST_NS, Math.max(1, Math.round(time))));
  }

  /** Over all rounds. */
  percentiles(): Percentiles {
    const at = (percentile: number): number => this.#all.percentile(percentile);
    return {
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: this.#all.max,
      samples: this.#all.count,
    };
  }
}
