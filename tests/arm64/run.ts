/**
 * The tests on aarch64, emulated: `deno task test:arm64 [FILE]...` installs qemu and Deno for aarch64 where
 * they are missing, and runs
 *
 * - TypeScript: every test that starts no process, in Deno for aarch64;
 * - TypeScript and C: the tests with C peers, both for aarch64;
 * - both processors: the same tests, Deno for this processor with C for aarch64, and C with C.
 *
 * Some files run in one process, with a limit; where one fails, each by itself. What the emulator cannot do is in
 * `emulator_limits.ts`, and what it cannot show in `docs/memory_model.md`.
 */

import { CROSS, mayUnshare } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";
import { testFiles } from "../support/test_files.ts";
import { DENO_COMMAND, DENO_ENV, install, TARGET, versions } from "./tools.ts";

/** The tests whose C peers run as programs for aarch64 too. */
const WITH_C = [
  "channel/c_",
  "interop/c_examples_test.ts",
  "latest/c_",
  "topic/c_",
];
/** Those with C alone, or with our command as a process. */
const WITH_C_ALONE = [
  "channel/sanitizers_test.ts",
  "interop/conformance_test.ts",
  "interop/pairs_test.ts",
  "latest/sanitizers_test.ts",
  "topic/sanitizers_test.ts",
];
/** About the project and not about its code: their results are the same everywhere. */
const OF_THE_PROJECT = ["bench/", "cparse/parse_struct_compiler", "docs_test.ts", "rules_test.ts"];

/** Seconds for one file; the slowest one takes a third of that on an idle machine. */
const LIMIT = 600;
/** Files in one process: Deno takes about 6 s to start there. */
const GROUP = 8;

/** One way to run test files. */
interface Way {
  readonly name: string;
  readonly files: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const PRELOAD = "--preload=tests/arm64/ignore_limits.ts";
const EMULATED = [
  ...["test", "--no-check", "--no-prompt", PRELOAD],
  ...["--allow-ffi", "--allow-read", "--allow-write", "--allow-env", "--allow-net=127.0.0.1"],
];

function ways(files: readonly string[]): Way[] {
  const begin = (starts: readonly string[]) => (file: string) =>
    starts.some((start) => file.startsWith(start));
  const withC = files.filter(begin(WITH_C));
  const withoutC = files.filter((file) => !begin([...WITH_C, ...OF_THE_PROJECT])(file));
  const cross = { [CROSS]: TARGET };
  return [
    {
      name: "TypeScript for aarch64",
      files: withoutC,
      command: [...DENO_COMMAND, ...EMULATED],
      env: DENO_ENV,
    },
    {
      name: "TypeScript and C for aarch64",
      files: withC,
      command: [...DENO_COMMAND, ...EMULATED, "--allow-run"],
      env: { ...DENO_ENV, ...cross },
    },
    {
      name: `C for aarch64, alone and with TypeScript for ${Deno.build.arch}`,
      files: [...withC, ...files.filter(begin(WITH_C_ALONE))],
      command: [Deno.execPath(), "test", "--no-check", "-P=tests", PRELOAD],
      env: cross,
    },
  ];
}

/** How many tests ended how. */
type Counts = Readonly<Record<"passed" | "failed" | "ignored", number>>;

function sum(counts: readonly Counts[]): Counts {
  const of = (name: keyof Counts): number => counts.reduce((sum, each) => sum + each[name], 0);
  return { passed: of("passed"), failed: of("failed"), ignored: of("ignored") };
}

function inWords({ passed, failed, ignored }: Counts): string {
  return `${passed} passed, ${failed} failed, ${ignored} ignored`;
}

/** Files of one folder, which run in one process. */
function groups(files: readonly string[]): string[][] {
  const byFolder = Object.groupBy(files, (file) => file.slice(0, file.lastIndexOf("/") + 1));
  return Object.values(byFolder).flatMap((all = []) =>
    Array.from(
      { length: Math.ceil(all.length / GROUP) },
      (_, i) => all.slice(i * GROUP, (i + 1) * GROUP),
    )
  );
}

/**
 * Runs files in one process, prints how they went, and returns the counts. If several files do not all
 * pass in time, each runs again by itself, and that result counts.
 */
async function run(files: readonly string[], way: Way, alone: boolean): Promise<Counts> {
  const started = performance.now();
  const [command, ...args] = [
    ...alone ? ["unshare", "-i"] : [],
    ...["timeout", "--signal=KILL", `${LIMIT * files.length}`],
    ...way.command,
    ...files.map((file) => `tests/${file}`),
  ];
  const { success, signal, stdout, stderr } = await new Deno.Command(command!, {
    args,
    cwd: PROJECT,
    env: { NO_COLOR: "1", ...way.env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  const found = /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?: \| (\d+) ignored)?/m.exec(
    text,
  );
  const [passed, failed, ignored] = [1, 2, 3].map((group) => Number(found?.[group] ?? 0));
  const counts: Counts = { passed: passed!, failed: failed!, ignored: ignored! };
  const seconds = Math.round((performance.now() - started) / 1000);
  if (success && found !== null) {
    console.log(`${files.join(" ")}\n  ${inWords(counts)} (${seconds} s)`);
    return counts;
  }
  console.log(`${files.join(" ")}\n${text}\n  ${signal ?? "failed"} after ${seconds} s`);
  if (files.length === 1) return { ...counts, failed: Math.max(counts.failed, 1) };
  const each: Counts[] = [];
  for (const file of files) each.push(await run([file], way, alone));
  return sum(each);
}

const wanted = Deno.args.map((path) => path.replace(/^(\.\/)?tests\//, ""));
const files = testFiles().sort()
  .filter((file) => wanted.length === 0 || wanted.some((start) => file.startsWith(start)));
if (Deno.build.arch === "aarch64") {
  console.error(
    "this machine is aarch64: test:all, litmus and tests/arm64/fast_calls.ts are for it",
  );
  Deno.exit(2);
}
if (files.length === 0) {
  console.error(`no test file below tests/ begins with ${wanted.join(" or ")}`);
  Deno.exit(2);
}
install();
const alone = mayUnshare();
// Each in an IPC namespace of its own
const atOnce = alone ? navigator.hardwareConcurrency : 1;
const all: Counts[] = [];
const results: string[] = [];
for (const way of ways(files)) {
  console.log(`== ${way.name}`);
  const counts: Counts[] = [];
  const queue = groups(way.files);
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      counts.push(await run(group, way, alone));
    }
  }));
  all.push(...counts);
  results.push(`${way.name}: ${inWords(sum(counts))}`);
}
console.log(`== ${versions()}\n${results.join("\n")}`);
if (sum(all).failed > 0) Deno.exit(1);
