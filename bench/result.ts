/** A result file: what a run found, and on what machine. The report and the comparison read nothing else. */

/** The measures, in the order of the report. */
export const MEASURES = {
  roundTrip: { unit: "ns", better: "less" },
  wake: { unit: "ns", better: "less" },
  payload: { unit: "messages/s", better: "more" },
  lines: { unit: "ns", better: "less" },
  clients: { unit: "messages/s", better: "more" },
  idle: { unit: "share of a core", better: "less" },
  startUp: { unit: "ms", better: "less" },
  lifecycle: { unit: "ns", better: "less" },
  bridge: { unit: "messages/s", better: "more" },
  throughput: { unit: "messages/s", better: "more" },
  producers: { unit: "messages/s", better: "more" },
  latest: { unit: "ns", better: "less" },
  fanOut: { unit: "messages/s", better: "more" },
  allocation: { unit: "bytes/message", better: "less" },
  fields: { unit: "ns", better: "less" },
} as const;

/** One of them. */
export type Measure = keyof typeof MEASURES;

/** Times in nanoseconds, over all rounds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly samples: number;
}

/** One measure of one peer: a figure a round. */
export interface CaseResult {
  readonly measure: Measure;
  readonly peer: string;
  /** How it is measured: the bytes of a message, pinned or not, what is done. */
  readonly variant: string;
  readonly figures: readonly number[];
  /** Further figures of the same rounds: CPU time, memory. */
  readonly beside?: Readonly<Record<string, readonly number[]>>;
  readonly percentiles?: Percentiles;
  /** Why rounds have no figure. */
  readonly failures?: readonly string[];
}

/** What it ran on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly arch: string;
  readonly memoryBytes: number;
  /** Processes that wanted to run in the minute before, on average. */
  readonly load: number;
  readonly virtual: boolean;
  /** The cores that the two sides of pinned cases have; empty: they cannot be pinned. */
  readonly pinned: readonly number[];
  /** Whether those two are hardware threads of one core; `null`: not known. */
  readonly siblings: boolean | null;
}

/** A whole run. */
export interface Result {
  readonly format: 2;
  readonly date: string;
  readonly commit: string;
  /** Whether there were changes that are not in the commit. */
  readonly modified: boolean;
  readonly quick: boolean;
  readonly only: string | null;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: Machine;
  readonly software: Readonly<Record<string, string>>;
  readonly notRun: readonly {
    readonly peer: string;
    readonly reason: string;
  }[];
  readonly cases: readonly CaseResult[];
}

/** A run and the name of its file. */
export interface KeptResult {
  readonly file: string;
  readonly result: Result;
}

/** What a case is called on the command line, in targets and in comparisons. */
export function caseName({ measure, peer, variant }: {
  readonly measure: string;
  readonly peer: string;
  readonly variant: string;
}): string {
  return `${measure}/${peer}/${variant}`;
}

/** The case of that name; `undefined` if it was not run. */
export function findCase({ cases }: Result, name: string): CaseResult | undefined {
  return cases.find((one) => caseName(one) === name);
}

/** A processor's name as part of a file name. */
export function slug(cpu: string): string {
  return cpu.toLowerCase()
    .replaceAll(/\((r|tm)\)|\b(cpu|processor)\b|@.*/g, " ")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "") || "unknown";
}

/** The name of its file: no run takes the place of another one of that day. */
export function fileName(
  { date, quick, only, machine }: Pick<
    Result,
    "date" | "quick" | "only" | "machine"
  >,
  taken: (name: string) => boolean,
): string {
  const part = only === null ? "" : "-part";
  const stem = `${date.slice(0, 10)}-${slug(machine.cpu)}${quick ? "-quick" : ""}${part}`;
  let name = `${stem}.json`;
  for (let n = 2; taken(name); n++) name = `${stem}-${n}.json`;
  return name;
}

/** The runs that are full ones of that machine, the oldest first. */
export function wholeRuns(all: readonly KeptResult[], { cpu, cores }: Machine): KeptResult[] {
  return all.filter(({ result: { quick, only, machine } }) =>
    !quick && only === null && machine.cpu === cpu && machine.cores === cores
  ).sort((a, b) => Date.parse(a.result.date) - Date.parse(b.result.date));
}

/** The text of its file: JSON, and each case on a line. */
export function resultText({ cases, ...run }: Result): string {
  const lines = cases.map((one) => JSON.stringify(one)).join(",\n");
  return `${JSON.stringify(run).slice(0, -1)},"cases":[\n${lines}\n]}\n`;
}

/**
 * The result in a file's text.
 *
 * @throws {TypeError} it is no result of this format
 */
export function parseResult(text: string): Result {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("format" in value)) {
    throw new TypeError("this is no result of the bench");
  }
  if (value.format !== 2) throw new TypeError(`format ${value.format} is not known: only 2 is`);
  if (!("cases" in value && Array.isArray(value.cases))) {
    throw new TypeError("this is no result of the bench");
  }
  return value as Result;
}
