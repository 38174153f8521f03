/**
 * Tests that need more than `--allow-ffi`: processes, a compiler, files.
 *
 * Such a test is registered in every run. Where the permission or the tool is missing it is
 * *ignored*, with the reason at the end of its name, so that a run never reports as passed what it
 * did not do. `.ci/run` grants everything and fails if a test was ignored that the machine could run.
 */

import { existsSync } from "node:fs";
import { geteuid } from "../../ffi/accounts.ts";

/** What a test can ask for beyond `--allow-ffi`. A tool is an executable found on the PATH. */
export interface Needs {
  /**
   * Executables the test starts; implies `--allow-run`. `"deno"` means this very Deno, which cannot be started
   * where it runs in the emulator.
   */
  readonly tools?: readonly string[];
  /** Files: the test reads the project and reads and writes a temporary folder. */
  readonly files?: boolean;
  /** Files that packages install, such as headers, by their paths; implies `files`. */
  readonly installed?: readonly string[];
  /** Connections to servers on this machine. */
  readonly loopback?: boolean;
  /** Root, to act as another user or to change a limit. */
  readonly root?: boolean;
  /** An IPC namespace of the test's own, made by `unshare -i`. */
  readonly namespace?: boolean;
  /** Processors: processes of the test have to run at the same time. */
  readonly cores?: number;
  /** System calls of other processes failed and ended by `strace`. */
  readonly traces?: boolean;
}

const toolFound = new Map<string, boolean>();

function granted(name: "run" | "read" | "write"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

/**
 * The variable that names another target for C, such as `aarch64-linux-gnu`: its compilers are used, and its
 * programs run under qemu. `tests/arm64/run.ts` sets it.
 */
export const CROSS = "SHM_TEST_CROSS";

/** Whether Deno itself runs in the emulator: a program that it starts would not. */
function isEmulated(): boolean {
  const env = { name: "env", variable: CROSS } as const;
  return Deno.build.arch === "aarch64" && Deno.permissions.querySync(env).state === "granted" &&
    Deno.env.get(CROSS) !== undefined;
}

/** Whether the tool is found on the PATH. */
export function hasTool(tool: string): boolean {
  if (tool === "deno") return !isEmulated();
  const known = toolFound.get(tool);
  if (known !== undefined) return known;
  let found = false;
  try {
    new Deno.Command(tool, { args: ["--version"], stdin: "null", stdout: "null", stderr: "null" })
      .outputSync();
    found = true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  toolFound.set(tool, found);
  return found;
}

/** Whether this user may make an IPC namespace. */
export function mayUnshare(): boolean {
  if (!granted("run") || !hasTool("unshare")) return false;
  return new Deno.Command("unshare", { args: ["-i", "true"], stderr: "null" }).outputSync().success;
}

function mayConnect(): boolean {
  return Deno.permissions.querySync({ name: "net", host: "127.0.0.1" }).state === "granted";
}

function mayTrace(): boolean {
  const args = ["-qq", "-o", "/dev/null", "true"];
  return new Deno.Command("strace", { args, stderr: "null" }).outputSync().success;
}

/** Why a test with these needs cannot run here, or `undefined` when it can. */
export function missing(needs: Needs): string | undefined {
  if (needs.tools !== undefined && !granted("run")) return "needs --allow-run";
  const { installed = [] } = needs;
  if ((needs.files === true || installed.length > 0) && !(granted("read") && granted("write"))) {
    return "needs --allow-read and --allow-write";
  }
  if (needs.loopback === true && !mayConnect()) return "needs --allow-net=127.0.0.1";
  if (needs.root === true && geteuid() !== 0) return "needs root";
  if (needs.namespace === true && !mayUnshare()) return "may not make an IPC namespace";
  const { cores = 1 } = needs;
  if (navigator.hardwareConcurrency < cores) return `needs ${cores} processors`;
  if (needs.traces === true && !granted("run")) return "needs --allow-run";
  if (needs.traces === true && !hasTool("strace")) return "no strace on this machine";
  if (needs.traces === true && !mayTrace()) return "may not trace other processes";
  const absent = (needs.tools ?? []).filter((tool) => !hasTool(tool))
    .concat(installed.filter((path) => !existsSync(path)));
  return absent.length === 0 ? undefined : `no ${absent.join(", ")} on this machine`;
}

/** Registers `body` as a test, ignored with the reason where `needs` are not met. */
export function testWith(needs: Needs, name: string, body: () => void | Promise<void>): void {
  const reason = missing(needs);
  if (reason === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [${reason}]`, ignore: true, fn: body });
}
