/** Made-up results of the bench, for its tests. */

import type { CaseResult, Result } from "../../bench/result.ts";

/** One case with these figures. */
export function madeUpCase(
  name: string,
  figures: readonly number[],
  more: Partial<CaseResult> = {},
): CaseResult {
  const [measure, peer, ...variant] = name.split("/") as [CaseResult["measure"], string, string];
  return { measure, peer, variant: variant.join("/"), figures, ...more };
}

/** A result with these cases, of a full run unless it says otherwise. */
export function madeUpResult(cases: readonly CaseResult[], more: Partial<Result> = {}): Result {
  return {
    format: 2,
    date: "2026-01-02T03:04:05.000Z",
    commit: "abc1234",
    modified: false,
    quick: false,
    only: null,
    rounds: 3,
    seconds: 600,
    machine: {
      cpu: "Imagined(R) CPU 7 @ 1.00GHz",
      cores: 2,
      kernel: "6.1.0",
      arch: "x86_64",
      memoryBytes: 2 ** 32,
      load: 0.05,
      virtual: true,
      pinned: [0, 1],
      siblings: null,
    },
    software: { deno: "2.9.6", v8: "15", node: "v20", gcc: "gcc 12", zeromq: "6" },
    notRun: [],
    cases,
    ...more,
  };
}
