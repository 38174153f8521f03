/**
 * The bench: builds all peers, runs them in turns, and writes what it found.
 *
 *     deno task bench [--quick] [--only NAME] [--rounds N]
 *     deno task bench --list                  names of the targets and of the cases, for --only
 *     deno task bench --report FILE           writes README.md and the plots anew from a result file
 *     deno task bench --compare A B           what changed between two result files
 *
 * A full run writes `results/DATE-CPU.json`, `README.md` and `plots/`. With `--quick` or `--only` the page
 * stays as it is and the tables are printed: `--report` makes a page of such a result too.
 */

import { parseArgs } from "node:util";
import { listSegments, listSemaphoreSets, removeSegment, removeSemaphoreSet } from "../mod.ts";
import { Cases, FULL, QUICK } from "./cases.ts";
import { compareResults } from "./comparison.ts";
import { describeMachine, version } from "./machine.ts";
import { PACKAGES } from "./packages.ts";
import { writePlots } from "./plots.ts";
import { Processes } from "./processes.ts";
import { Programs } from "./programs.ts";
import { Progress } from "./progress.ts";
import { report, tables } from "./report.ts";
import {
  fileName,
  type KeptResult,
  parseResult,
  type Result,
  resultText,
  wholeRuns,
} from "./result.ts";
import { runRounds } from "./rounds.ts";
import { matching, TARGETS } from "./targets.ts";

const HERE = new URL(".", import.meta.url).pathname;
const RESULTS = `${HERE}results/`;
const ROUNDS = 5;
/** What a run writes is no change of what is measured. */
const WRITTEN = ["results", "plots", "README.md"].map((path) => `:(top,exclude)bench/${path}`);
/** Keys of a run: so many from a random one on, under a prefix of ours. */
const KEYS = 0x10000;
const KEY_PREFIX = 0x5e000000;

const USAGE = "usage: deno task bench [--quick] [--only NAME] [--rounds N] | --list | " +
  "--report FILE | --compare A B";

/** What was asked for. */
interface Wanted {
  readonly quick: boolean;
  readonly only: string | null;
  readonly rounds: number;
}

function read(path: string): Result {
  return parseResult(Deno.readTextFileSync(path));
}

/** As `deno fmt` wants it: a page that is written must pass the check as one that was typed. */
function format(path: string): void {
  const args = ["fmt", "--quiet", "--config", `${HERE}../deno.json`, path];
  new Deno.Command(Deno.execPath(), { args }).outputSync();
}

/** The names of the files in the folder of results. */
function resultFiles(): string[] {
  Deno.mkdirSync(RESULTS, { recursive: true });
  return [...Deno.readDirSync(RESULTS)].map(({ name }) => name);
}

/** The full runs of a machine that are kept. */
function keptRuns({ machine }: Result): KeptResult[] {
  const all = resultFiles().filter((name) => name.endsWith(".json"))
    .map((file) => ({ file, result: read(RESULTS + file) }));
  return wholeRuns(all, machine);
}

async function writePage(result: Result, file: string): Promise<void> {
  await writePlots(result, `${HERE}plots`);
  Deno.writeTextFileSync(`${HERE}README.md`, report(result, file, keptRuns(result)));
  format(`${HERE}README.md`);
}

function git(...args: readonly string[]): string {
  return version("git", "-C", HERE, ...args) ?? "";
}

function software(programs: Programs): Record<string, string> {
  const hasNode = programs.reasonAgainst("node") === undefined;
  return {
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    node: (hasNode ? version("node", "--version") : undefined) ?? "not there",
    gcc: version("gcc", "--version") ?? "not there",
    nats: version("nats-server", "--version") ?? "not there",
    ...PACKAGES,
  };
}

/** Removes what a killed peer left at our keys. */
function removeObjects(firstKey: number): void {
  const ours = ({ key }: { readonly key: number }): boolean =>
    key >= firstKey && key < firstKey + KEYS;
  for (const segment of listSegments().filter(ours)) removeSegment(segment.id);
  for (const set of listSemaphoreSets().filter(ours)) removeSemaphoreSet(set.id);
}

async function measure({ quick, only, rounds }: Wanted, listOnly: boolean): Promise<void> {
  const started = performance.now();
  const folder = Deno.makeTempDirSync({ prefix: "bench-" });
  const firstKey = KEY_PREFIX + crypto.getRandomValues(new Uint8Array(1))[0]! * KEYS;
  const processes = new Processes();
  const progress = new Progress();
  const cleanUp = (): void => {
    processes.killAll();
    removeObjects(firstKey);
    Deno.removeSync(folder, { recursive: true });
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    Deno.addSignalListener(signal, () => {
      progress.end();
      cleanUp();
      Deno.exit(code);
    });
  }
  try {
    const machine = describeMachine();
    const programs = new Programs(folder, (step) => progress.step(step));
    const scale = quick ? QUICK : FULL;
    const setting = { programs, processes, machine, scale, folder, firstKey };
    const { cases: all, notRun } = new Cases(setting).all();
    const cases = only === null ? all : matching(all, only);
    for (const { peer, reason } of notRun) progress.note(`not run: ${peer}: ${reason}`);
    if (listOnly) {
      const names = cases.flatMap((one) => one.names);
      if (only === null) names.unshift(...TARGETS.map(({ name }) => name));
      return console.log(names.join("\n"));
    }
    if (cases.length === 0) {
      throw new Error(`no target and no case is called ${only}: --list shows them`);
    }
    const results = await runRounds({
      cases,
      rounds,
      rehearse: !quick,
      turn: (done, count, now) => progress.at(done, count, now),
      failed: (text) => progress.note(text),
    });
    progress.end();
    const result: Result = {
      format: 2,
      date: new Date().toISOString(),
      commit: git("rev-parse", "--short", "HEAD"),
      modified: git("status", "--porcelain", "--", "..", ...WRITTEN) !== "",
      quick,
      only,
      rounds,
      seconds: Math.round((performance.now() - started) / 1000),
      machine,
      software: software(programs),
      notRun,
      cases: results,
    };
    await keep(result);
  } finally {
    cleanUp();
  }
}

async function keep(result: Result): Promise<void> {
  const taken = resultFiles();
  const name = fileName(result, (one) => taken.includes(one));
  Deno.writeTextFileSync(RESULTS + name, resultText(result));
  if (result.quick || result.only !== null) console.log(tables(result));
  else await writePage(result, name);
  const seconds = `in ${result.seconds} s`;
  console.error(`wrote bench/results/${name} ${seconds}`);
}

/** Ends with 2, as for every mistake on a command line. */
function refuse(reason: string): never {
  console.error(`${reason}\n${USAGE}`);
  Deno.exit(2);
}

function parse(): ReturnType<typeof parseOptions> {
  try {
    return parseOptions();
  } catch (error) {
    refuse((error as Error).message);
  }
}

// deno-lint-ignore explicit-function-return-type -- what parseArgs makes of the options is its type
function parseOptions() {
  return parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      list: { type: "boolean", default: false },
      report: { type: "string" },
      compare: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parse();
  if (positionals.length !== (values.compare ? 2 : 0)) {
    refuse(values.compare ? "--compare takes two result files" : `what is ${positionals[0]}?`);
  }
  if (values.compare) {
    return console.log(compareResults(read(positionals[0]!), read(positionals[1]!)));
  }
  if (values.report !== undefined) {
    return await writePage(read(values.report), values.report.replace(/.*\//, ""));
  }
  const { quick, only = null } = values;
  const rounds = Number(values.rounds ?? (quick ? 1 : ROUNDS));
  if (!(Number.isInteger(rounds) && rounds >= 1)) refuse(`--rounds ${values.rounds} is no number`);
  await measure({ quick, only, rounds }, values.list);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
