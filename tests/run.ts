/**
 * Runs the test files, several at a time, each in an IPC namespace of its own where that is permitted:
 * then no file meets another's objects. `deno task test:all`; names of files or folders run only those.
 */

import { mayUnshare } from "./support/needs.ts";
import { PROGRAMS, PROJECT } from "./support/peer.ts";
import { testFiles } from "./support/test_files.ts";

/** A rule of the house is no matter of the machine: `deno task rules` runs it. */
const ELSEWHERE = ["rules_test.ts"];
/**
 * The files that take longest begin first, so that the run does not end with one of them alone. Those that
 * mostly sleep are among them: the others run in that time.
 */
const LONGEST = [
  "model_test.ts",
  "crash/channel_kills_test.ts",
  "nats/kills_test.ts",
  "cli/neighbours/",
  "offline_test.ts",
  "docs_test.ts",
  "doc_test.ts",
  "channel/sanitizers_test.ts",
  "cli/joining_test.ts",
  "crash/",
  "bench/",
  "channel/",
  "interop/",
  "sysv/semaphore_",
  "cli/commands/",
];

function rank(file: string): number {
  const place = LONGEST.findIndex((start) => file.startsWith(start));
  return place === -1 ? LONGEST.length : place;
}

/** What of a file's output is worth a line in the log of all. */
function inShort(output: string): string {
  const lines = output.split("\n");
  return lines.filter((line) => /^(ok|FAILED) \| |\.\.\. ignored/.test(line)).join("\n");
}

/** Runs one file to its end, prints how it went, and says whether it passed. */
async function run(file: string, alone: boolean, programs: string): Promise<boolean> {
  const test = [Deno.execPath(), "test", "--no-check", "-P=tests", `${PROJECT}tests/${file}`];
  const [command, ...args] = alone ? ["unshare", "-i", ...test] : test;
  const { success, stdout, stderr } = await new Deno.Command(command!, {
    args,
    cwd: PROJECT,
    env: { NO_COLOR: "1", [PROGRAMS]: programs },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  console.log(`${file}\n${success ? inShort(output) : output}`);
  return success;
}

const wanted = Deno.args.map((path) => path.replace(/^(\.\/)?tests\//, ""));
const queue = testFiles()
  .filter((file) => !ELSEWHERE.includes(file))
  .filter((file) => wanted.length === 0 || wanted.some((start) => file.startsWith(start)))
  .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
if (queue.length === 0) {
  console.error(`no test file below tests/ begins with ${wanted.join(" or ")}`);
  Deno.exit(2);
}
const alone = mayUnshare();
// Tests wait for processes most of the time: one file more than cores keeps the cores busy
const atOnce = alone ? navigator.hardwareConcurrency + 1 : 1;
const programs = Deno.makeTempDirSync({ prefix: "test-programs-" });
const failed: string[] = [];
try {
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (!await run(file, alone, programs)) failed.push(file);
    }
  }));
} finally {
  Deno.removeSync(programs, { recursive: true });
}
if (failed.length > 0) {
  console.error(`these failed: ${failed.join(", ")}`);
  Deno.exit(1);
}
