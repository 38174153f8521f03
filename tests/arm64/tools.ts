/** What runs programs for aarch64 here: qemu, the cross compiler, and Deno for aarch64 from npm. */

import { existsSync } from "node:fs";
import { hasTool } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

/** Runs one program for aarch64; its system calls are those of this kernel. */
export const QEMU = "qemu-aarch64-static";
/** The cross compilers' name of the target, and the beginning of their own names. */
export const TARGET = "aarch64-linux-gnu";
/** Where Debian installs what dynamic programs load. */
const SYSROOT = `/usr/${TARGET}`;

/** Debian's package for each tool, and for the libraries that Deno loads. */
const PACKAGES: Readonly<Record<string, string>> = {
  [QEMU]: "qemu-user-static",
  [`${TARGET}-gcc`]: `gcc-${TARGET}`,
  [`${TARGET}-g++`]: `g++-${TARGET}`,
  [`${SYSROOT}/include/stdio.h`]: "libc6-dev-arm64-cross",
  [`${SYSROOT}/lib/libgcc_s.so.1`]: "libgcc-s1-arm64-cross",
};

/** Where Deno for aarch64 is installed; git ignores it. */
const FOLDER = `${PROJECT}.ci/tools/arm64`;
/** Deno for aarch64. */
export const DENO = `${FOLDER}/node_modules/@deno/linux-arm64-glibc/deno`;
/** The command that runs it. */
export const DENO_COMMAND: readonly string[] = [QEMU, "-L", SYSROOT, DENO];
/** The variables of its environment: what one processor's Deno caches is not for the other's. */
export const DENO_ENV: Readonly<Record<string, string>> = {
  DENO_DIR: `${FOLDER}/cache`,
  DENO_NO_UPDATE_CHECK: "1",
};

/** Runs a command and returns what it prints on standard output, or throws what it says. */
function output(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): string {
  const { success, stdout, stderr } = new Deno.Command(command, {
    args: [...args],
    env,
    stdin: "null",
  }).outputSync();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout).trim();
}

function isThere(tool: string): boolean {
  return tool.startsWith("/") ? existsSync(tool) : hasTool(tool);
}

/** The version of Deno that the project is tested with. */
function wantedDeno(): string {
  return Deno.readTextFileSync(`${PROJECT}.ci/deno-version`).trim();
}

function denoVersion(): string | undefined {
  if (!existsSync(DENO)) return undefined;
  const [command, ...args] = DENO_COMMAND;
  return /^deno (\S+)/.exec(output(command!, [...args, "--version"], DENO_ENV))?.[1];
}

/**
 * Installs what is missing: Debian's packages where that is permitted, Deno from npm.
 *
 * @throws {Error} what could not be installed
 */
export function install(): void {
  const missing = Object.entries(PACKAGES).filter(([tool]) => !isThere(tool)).map(([, name]) =>
    name
  );
  if (missing.length > 0) {
    console.log(`installing these Debian packages: ${missing.join(" ")}`);
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    output("apt-get", ["update", "-qq"], env);
    output("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], env);
  }
  const version = wantedDeno();
  if (denoVersion() === version) return;
  console.log(`installing Deno ${version} for aarch64 from npm into .ci/tools/arm64`);
  output("npm", [
    ...["install", "--prefix", FOLDER, "--force", "--no-save", "--no-audit", "--no-fund"],
    `@deno/linux-arm64-glibc@${version}`,
  ]);
  const installed = denoVersion();
  if (installed !== version) throw new Error(`Deno for aarch64 is ${installed}, not ${version}`);
}

/** What ran: the date and all versions, as a line. */
export function versions(): string {
  const [, qemu] = /version (\d[\d.]+)/.exec(output(QEMU, ["--version"])) ?? [];
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, Deno ${wantedDeno()} for aarch64, qemu ${qemu}, Linux ${Deno.osRelease()}`;
}
