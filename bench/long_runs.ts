/**
 * The long runs against crashes, for the page: they check and do not measure, and are typed in by hand from what
 * they print.
 */

/** One of them. */
export interface LongRun {
  /** The task of `deno.json`. */
  readonly task: string;
  readonly date: string;
  readonly done: string;
  /** What held. */
  readonly checked: string;
}

/** The last run of each. A run fails at the first thing that is wrong, so none was found in these. */
export const LONG_RUNS: readonly LongRun[] = [
  {
    task: "soak",
    date: "2026-11-30",
    done: "100 001 corruptions of live memory",
    checked: "each peer goes on, or ends with an error that names the damage",
  },
  {
    task: "soak",
    date: "2026-11-30",
    done: "60 242 peers of a channel in C and 601 in TypeScript killed",
    checked: "no message is lost or changed, and no peer waits for a dead one",
  },
  {
    task: "soak",
    date: "2026-11-30",
    done: "40 141 peers of `Latest` and `Topic` in C and 403 in TypeScript killed",
    checked:
      "23.5 million values are whole and in order; each of the 28.9 million missed ones is counted",
  },
  {
    task: "soak",
    date: "2026-11-30",
    done: "10^9 reads of a `Latest` beside a writer that never pauses",
    checked: "no value is torn",
  },
  {
    task: "bridge",
    date: "2026-11-30",
    done: "300 kills of bridges, server, producers and consumers",
    checked:
      "each of 448 499 messages is in the stream once, in the order of its lane, and reached the far channel",
  },
  {
    task: "recorder",
    date: "2026-11-30",
    done: "300 recorders killed",
    checked: "each message is in a file, in the order of its lane",
  },
];
