/** `cli.ts` as a process: help, versions, permissions, output that cannot be written. */

import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { type Ended, freshKey, Peer, PROJECT, TestFolder } from "./support/peer.ts";
import { appeared, cliInShellOnTerminal, ON_TERMINAL } from "./support/terminal.ts";
import { cliInShell, runHere, toEnd } from "./cli/command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const SHELL = { tools: ["deno", "sh"] };

/** That this is help for `usage`, on stdout alone, with examples, and fits a terminal. */
function assertHelp({ code, stdout, stderr }: Ended, usage: string): void {
  assert.deepEqual([code, stderr], [0, ""]);
  assert(stdout.includes(`\nUsage: cli.ts ${usage}`), stdout);
  assert.match(stdout, /\nExamples:\n {2}.*\bdeno (run|install) [^\n]*cli\.ts\b/);
  assert.match(stdout, /[^\n]\n$/);
  for (const line of stdout.split("\n")) assert(line.length <= 80, line);
}

Deno.test("cli.ts --help: all commands, and COMMAND --help whatever else is on the line", async () => {
  for (const help of ["--help", "-h", "help"]) {
    const ended = await runHere(help);
    assertHelp(ended, "COMMAND [options]");
    const [, list] = /\nCommands:\n([^]*?)\n\n/.exec(ended.stdout)!;
    const names = list!.split("\n").map((line) => line.trim().split(" ")[0]!);
    assert.equal(names.length, 25);
    for (const name of names) {
      for (const line of ["--help", "-h", "--bogus --help", "-qh", "--key=1 -h -- x"]) {
        const ended = await runHere(name, ...line.split(" "));
        assertHelp(ended, name);
        assert.match(ended.stdout, /\nExit codes: 0 /, name);
      }
    }
  }
});

Deno.test("cli.ts --version: name and version", async () => {
  for (const option of ["--version", "-V"]) {
    const { code, stdout, stderr } = await runHere(option);
    assert.deepEqual([code, stdout, stderr], [0, `${config.name} ${config.version}\n`, ""]);
  }
});

testWith(CLI, "cli.ts: without --allow-ffi one line of error that names it", async () => {
  for (const name of ["server", "client"]) {
    const args = ["run", "--no-prompt", `${PROJECT}cli.ts`, name, `--key=${freshKey()}`];
    const { code, stdout, stderr } = await toEnd(Peer.start(Deno.execPath(), args));
    assert.match(stderr, /^error: [^\n]*--allow-ffi[^\n]*\n$/);
    assert.deepEqual([code, stdout], [1, ""]);
  }
});

testWith(ON_TERMINAL, "cli.ts: without --allow-ffi on a terminal, no prompt", async () => {
  using folder = new TestFolder();
  const script = 'deno=$1; shift 3; exec "$deno" run "$@"';
  for (const args of [["ls"], ["recv"], ["dump", "5"], ["top"]]) {
    await using peer = cliInShellOnTerminal(folder, script, ...args);
    const ended = await peer.ended();
    const [error, ...rest] = appeared(ended);
    assert.match(error!, /^error: [^\n]*--allow-ffi[^\n]*$/);
    assert.deepEqual([ended.code, rest], [1, [""]]);
  }
});

testWith(SHELL, "cli.ts --help: no stack trace without a reader, or on a full disk", async () => {
  const gone = await cliInShell('{ "$@"; echo "exit $?" >&2; } | exec <&-', "--help").ended();
  assert.equal(gone.stderr, "exit 0\n");
  const full = await cliInShell('exec "$@" >/dev/full', "--help").ended();
  assert.match(
    full.stderr,
    /^error: cannot write to standard output: No space left on device.*\n$/,
  );
  assert.equal(full.code, 1);
});
