/** Completion in the real shells; `candidates_test.ts` checks what there is to offer. */

import assert from "node:assert/strict";
import { SHELL_SCRIPTS } from "../../../src/cli/completion/shell_scripts.ts";
import { perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { type Needs, testWith } from "../../support/needs.ts";
import { freshKey, PROJECT, TestFolder } from "../../support/peer.ts";
import { type DrivenShell, offered } from "../../support/shells.ts";
import { cliInShellOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { runHere } from "../command_line.ts";

guardAgainstLeaks();

/** A name that needs no quoting but is no name of a function. */
const PROGRAM = "our.shm-2";

function needs(shell: DrivenShell, ...tools: readonly string[]): Needs {
  return { tools: ["deno", shell, ...tools], files: true };
}

/** A program of that name, found by it. */
function installed(folder: TestFolder, script: string): Record<string, string> {
  const path = folder.file(PROGRAM, `#!/bin/sh\n${script}\n`);
  Deno.chmodSync(path, 0o755);
  return { PATH: `${folder.path}:${Deno.env.get("PATH")}` };
}

const COMMAND = `exec "${Deno.execPath()}" run --allow-ffi "${PROJECT}cli.ts" "$@"`;

for (const shell of Object.keys(SHELL_SCRIPTS) as DrivenShell[]) {
  testWith(
    needs(shell, "ipcmk", "perl"),
    `completions ${shell}: commands, options, values, keys, ids and files`,
    async () => {
      using folder = new TestFolder();
      folder.file("some.txt", "");
      const env = installed(folder, COMMAND);
      const { code, stdout } = await runHere("completions", shell, "--name", PROGRAM);
      assert.equal(code, 0);
      const key = freshKey();
      await using held = await perlSegment({ key, size: 10 });
      const { id } = held;
      const hex = `0x${key.toString(16)}`;
      // What is offered for a line, without what bash and zsh keep of the word
      const expected: readonly (readonly [line: string, ...words: string[]])[] = [
        ["ch", "channel", "chmod", "chown"],
        ["-", "--help", "--version", "-V", "-h"],
        ["limits -", "--help", "--json", "-h"],
        ["ls --sem", "--semaphores"],
        ["ls --sort nat", "nattch"],
        ["ls --columns=size,keyH", "keyHex"],
        ["channel r", "rm"],
        [`stat ${hex}`, hex],
        [`stat id:${id}`, `${id}`],
        [`ls --key=${hex.slice(0, -1)}`, hex],
        [`client ${folder.path}/some.`, "some.txt"],
        ["ls "],
      ];
      const lines = expected.map(([line]) => `${PROGRAM} ${line}`);
      const all = offered(shell, folder.file("script", stdout), PROGRAM, lines, env);
      for (const [i, [line, ...words]] of expected.entries()) {
        const last = all[i]!.map((word) => word.replace(/^.*[/:=,]/, ""));
        assert.deepEqual(last.toSorted(), words, line);
      }
    },
  );

  testWith(needs(shell), `completions ${shell}: no text that is offered is run`, () => {
    using folder = new TestFolder();
    const trap = `${folder.path}/trap`;
    const evil = `'"\`touch ${trap}\` $(touch ${trap}) (touch ${trap}) ; touch ${trap}; ` +
      `[a:b] {c} \\' \\ %s *? !! # | touch ${trap} & < > ~ $HOME -- - :x`;
    const lines = folder.file("lines", `go\t${evil}\n${evil}\tgo\n:\n`);
    const env = installed(folder, `cat ${lines}`);
    const script = folder.file("script", SHELL_SCRIPTS[shell](PROGRAM));
    const all = offered(shell, script, PROGRAM, [`${PROGRAM} `, `${PROGRAM} go --x `], env);
    for (const words of all) assert(words.includes("go"), `${words}`);
    assert.throws(() => Deno.lstatSync(trap), Deno.errors.NotFound);
  });
}

testWith(
  { ...ON_TERMINAL, tools: [...ON_TERMINAL.tools!, "bash"] },
  "completions bash, typed at: what bash takes for words of its own, at : and =, is not doubled",
  async () => {
    using folder = new TestFolder();
    const script = folder.file("script", SHELL_SCRIPTS.bash("sysv-shm"));
    await using bash = cliInShellOnTerminal(folder, "exec bash --norc --noprofile -i");
    // In place of the command: completes the last word, and prints what it was given
    await bash.write(
      "PS1=; stty -echo; sysv-shm() { " +
        'if [[ $1 == __complete ]]; then printf "%s\\t\\n:\\n" "${@: -1}56"; ' +
        'else printf "got:%s\\n" "$@"; fi; }\n' +
        `source ${script}; echo rea''dy\n`,
    );
    await bash.stdout(/ready/);
    await bash.write("sysv-shm ls --columns=size,keyH\t\n");
    await bash.stdout(/got:--columns=size,keyH56\r\n/);
    await bash.write("sysv-shm stat id:\t\n");
    await bash.stdout(/got:id:56\r\n/);
    await bash.write("sysv-shm ls --key=0x\t--json\n");
    await bash.stdout(/got:--key=0x56\r\ngot:--json\r\n/);
    await bash.write("exit\n");
    await bash.ended();
  },
);
