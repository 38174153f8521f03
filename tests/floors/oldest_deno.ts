/**
 * The oldest Deno that this project supports, from npm: `deno task floor` runs the default tests and the
 * README's commands with it, and shows that an older one is refused in one line. As root it also runs every
 * part while `kernel.io_uring_disabled` is 2, which denies io_uring to the whole system for a few seconds.
 *
 * It needs Node's npm, 250 MB below `.ci/tools`, and about five minutes on two cores.
 */

import assert from "node:assert/strict";
import { geteuid } from "../../ffi/accounts.ts";
import { OLDEST_DENO } from "../../ffi/platform.ts";
import { mayUnshare } from "../support/needs.ts";
import { Peer, PROJECT } from "../support/peer.ts";
import { assertAllWork, EVERY_PART, reportOf } from "./surroundings.ts";

/** The last release before {@linkcode OLDEST_DENO}. */
const TOO_OLD = "2.7.14";

const IO_URING_DISABLED = "/proc/sys/kernel/io_uring_disabled";

/** Installs a Deno from npm, unless it is there, and returns the path of its executable. */
function install(version: string): string {
  const folder = `${PROJECT}.ci/tools/deno-${version}`;
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", "install", "--prefix", folder, ...quiet, `deno@${version}`);
  return `${folder}/node_modules/.bin/deno`;
}

/** Runs a command in the project, which must succeed. */
function run(command: string, ...args: readonly string[]): void {
  console.log(`== ${command.replace(PROJECT, "")} ${args.join(" ")}`.replaceAll(PROJECT, ""));
  const { code } = new Deno.Command(command, {
    args: [...args],
    cwd: PROJECT,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  assert.equal(code, 0, `${command} ended with ${code}`);
}

/** Runs the default tests, in an IPC namespace of their own where that is permitted. */
function runDefaultTests(deno: string): void {
  const [command, ...args] = [...mayUnshare() ? ["unshare", "-i"] : [], deno];
  run(command!, ...args, "test", "--quiet", "--allow-ffi", "tests");
}

/** Asserts that the command ends with one line. */
function isRefused(deno: string): void {
  console.log(`== Deno ${TOO_OLD} is refused`);
  for (const words of [["ls"], ["server"], ["send", "hello"], ["doctor"]]) {
    const { code, stdout, stderr } = new Deno.Command(deno, {
      args: ["run", "--allow-ffi", `${PROJECT}cli.ts`, ...words],
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).outputSync();
    const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.match(printed, new RegExp(`^error: .*this is Deno ${TOO_OLD}, and .* is needed.*\n$`));
    assert.equal(code, 1);
  }
}

/** Every part with the sysctl that denies io_uring, which has its old value again afterwards. */
async function withoutIoUring(): Promise<void> {
  if (geteuid() !== 0) return console.log("== skipped: kernel.io_uring_disabled=2 [needs root]");
  console.log("== kernel.io_uring_disabled=2");
  const before = Deno.readTextFileSync(IO_URING_DISABLED);
  Deno.writeTextFileSync(IO_URING_DISABLED, "2");
  try {
    const report = await reportOf(Peer.start(EVERY_PART[0]!, EVERY_PART.slice(1)));
    assert.equal(report.ring, false);
    assertAllWork(report);
  } finally {
    Deno.writeTextFileSync(IO_URING_DISABLED, before);
  }
}

if (import.meta.main) {
  await withoutIoUring();
  isRefused(install(TOO_OLD));
  const deno = install(OLDEST_DENO);
  runDefaultTests(deno);
  run(deno, "run", "-A", "tests/run.ts", "readme_test.ts");
  console.log(`ok: Deno ${OLDEST_DENO} runs everything, ${TOO_OLD} is refused`);
}
