/**
 * Our command on a terminal of its own, as a person uses it. `pty.c` is the terminal; it is compiled
 * when first needed: register such tests with `testWith(ON_TERMINAL, ...)`.
 */

import type { Needs } from "./needs.ts";
import { type Ended, Peer, PROJECT, type TestFolder } from "./peer.ts";

/** What tests that use {@linkcode cliOnTerminal} need. */
export const ON_TERMINAL: Needs = { tools: ["deno", "gcc", "sh"], files: true };

/**
 * Starts our command with stdin, stdout and stderr on one terminal. Write to the peer's stdin to
 * type, `"\x03"` for Ctrl-C and `"\x04"` for Ctrl-D; its stdout is all that appears, with `\r\n`.
 */
export function cliOnTerminal(folder: TestFolder, ...args: readonly string[]): Peer {
  return cliInShellOnTerminal(folder, 'exec "$@"', ...args);
}

/** As {@linkcode cliOnTerminal}, our command being `"$@"` in a shell script: for redirections. */
export function cliInShellOnTerminal(
  folder: TestFolder,
  script: string,
  ...args: readonly string[]
): Peer {
  const pty = folder.compile("gcc", "pty", [
    ...["-O1", "-Wall", "-Wextra", "-Werror"],
    `${PROJECT}tests/support/pty.c`,
    "-lutil",
  ]);
  const cli = [Deno.execPath(), "run", "--allow-ffi", `${PROJECT}cli.ts`, ...args];
  return Peer.start(pty, ["sh", "-c", script, "sh", ...cli]);
}

/** The lines that appeared on a terminal, without what Deno itself clears there when it starts. */
export function appeared({ stdout }: Pick<Ended, "stdout">): string[] {
  // deno-lint-ignore no-control-regex
  return stdout.replace(/^(\x1b\[[0-9]*[A-Z])+/, "").split("\r\n");
}
