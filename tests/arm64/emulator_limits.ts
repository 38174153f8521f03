/** The tests that the emulator cannot run, and why. `run.ts` leaves out nothing else. */

/** Tests with these names, or with names that begin so. */
export interface Limit {
  readonly tests: readonly string[];
  readonly reason: string;
}

export const LIMITS: readonly Limit[] = [
  {
    reason: "it has an entry for each page, and a terabyte has 2^28",
    tests: [
      "Segment.detach: within one task, too, the addresses are bounded",
      "shmget: more than overcommit allows: ENOMEM",
    ],
  },
  {
    reason: "it loses a wake now and then, which slices make up for",
    tests: ["found: "],
  },
  {
    reason: "20 minutes",
    tests: [
      "parseStruct: 16 MiB of anything",
      "parseStruct: 10 000 mutations",
      "parseStruct: sizes and depths out of bounds",
      "typescriptSource: a module that imports it has the same layouts",
    ],
  },
];
