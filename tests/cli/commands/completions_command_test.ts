/**
 * Completion: the scripts, read by the real shells, offer every command, option and value there is,
 * and the keys and ids of the moment; and no text of ours is ever run.
 */

import assert from "node:assert/strict";
import { SemaphoreSet } from "../../../mod.ts";
import { bashCompletion } from "../../../src/cli/completion/bash_completion.ts";
import { completionsCommand } from "../../../src/cli/commands/completions_command.ts";
import { commandWords, type NamedCommand } from "../../../src/cli/completion/completion_words.ts";
import { fishCompletion } from "../../../src/cli/completion/fish_completion.ts";
import { zshCompletion } from "../../../src/cli/completion/zsh_completion.ts";
import { ForeignObject, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { type Needs, testWith } from "../../support/needs.ts";
import { freshKey, PROJECT, TestFolder } from "../../support/peer.ts";
import { type DrivenShell, offered } from "../../support/shells.ts";
import { cliInShellOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { random, run, STARTED } from "../command_line.ts";
import { UsageError } from "../../../src/cli/errors.ts";

guardAgainstLeaks();

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
const SHELLS = Object.keys(SCRIPTS) as DrivenShell[];
const CLI: Needs = { tools: ["deno"] };

function needs(shell: DrivenShell, ...tools: readonly string[]): Needs {
  return { tools: ["deno", shell, ...tools], files: true };
}

/** Our command as somebody has it who installed it, found by its name. */
function installed(folder: TestFolder, name: string): Record<string, string> {
  const path = folder.file(
    name,
    `#!/bin/sh\nexec "${Deno.execPath()}" run --allow-ffi "${PROJECT}cli.ts" "$@"\n`,
  );
  Deno.chmodSync(path, 0o755);
  return { PATH: `${folder.path}:${Deno.env.get("PATH")}` };
}

async function scriptOf(shell: DrivenShell, ...options: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run("completions", shell, ...options);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

/** The commands, as the help lists them. */
async function commandNames(): Promise<string[]> {
  const { stdout } = await run("--help");
  const [, list] = /\nCommands:\n([^]*?)\n\n/.exec(stdout) ?? [];
  return list!.split("\n").map((line) => line.trim().split(" ")[0]!);
}

/** The options of a command, as its help lists them. */
async function optionForms(command: string): Promise<string[]> {
  const { stdout } = await run(command, "--help");
  const options = stdout.matchAll(/^ {2}(?: {4}|(-\w), )(--[a-z-]+)(?: [A-Z|]+)? {2}/gm);
  return [...options].flatMap(([, short, long]) => short === undefined ? [long!] : [long!, short]);
}

/** What there is to complete: every command's options, by its name, asked for once. */
let known: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

async function allForms(): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = await commandNames();
  assert(names.includes("ls") && names.includes("completions") && names.length > 6);
  const entries = names.map(async (name) => [name, await optionForms(name)] as const);
  const forms = new Map(await Promise.all(entries));
  for (const [name, options] of forms) assert(options.includes("--help"), name);
  return forms;
}

for (const shell of SHELLS) {
  testWith(needs(shell), `${shell}: every command and every option is offered`, async () => {
    using folder = new TestFolder();
    const script = folder.file("script", await scriptOf(shell));
    const forms = await (known ??= allForms());
    const names = [...forms.keys()];
    const lines = ["sysv-shm ", "sysv-shm -", ...names.map((name) => `sysv-shm ${name} -`)];
    const [commands, before, ...options] = offered(shell, script, "sysv-shm", lines);
    const named = commands!.filter((each) => !each.startsWith("-"));
    assert.deepEqual(named.toSorted(), names.toSorted());
    assert.deepEqual(before!.toSorted(), ["--help", "--version", "-V", "-h"]);
    for (const [i, name] of names.entries()) {
      assert.deepEqual(options[i]!.toSorted(), forms.get(name)!.toSorted(), name);
    }
  });

  testWith(needs(shell), `${shell}: values, and what has been begun`, async () => {
    using folder = new TestFolder();
    folder.file("some file", "");
    folder.file("some.txt", "");
    const script = folder.file("script", await scriptOf(shell));
    const expected: Readonly<Record<string, readonly string[]>> = {
      "sysv-shm completions ": ["bash", "fish", "zsh"],
      "sysv-shm completions z": ["zsh"],
      "sysv-shm lim": ["limits"],
      "sysv-shm ls --sem": ["--semaphores"],
      "sysv-shm ls --sort nat": ["nattch"],
      "sysv-shm ls --columns creator": ["creator", "creatorGroup", "creatorState"],
      "sysv-shm doctor --skip rm": ["rmid-forced"],
      "sysv-shm channel ": ["discard", "ls", "rm", "stat"],
      "sysv-shm channel r": ["rm"],
      "sysv-shm recv --ack ": ["after", "before"],
      "sysv-shm send --no-consumer e": ["error"],
      "sysv-shm ls ": [],
      "sysv-shm ls -- -": [],
      "sysv-shm ls --older-than ": [],
      "sysv-shm no-such-command ": [],
    };
    const all = offered(shell, script, "sysv-shm", Object.keys(expected));
    for (const [i, [line, words]] of Object.entries(expected).entries()) {
      assert.deepEqual(all[i]!.toSorted(), words, line);
    }
    const [list, files] = offered(shell, script, "sysv-shm", [
      "sysv-shm ls --columns=size,keyH",
      `sysv-shm client ${folder.path}/some.`,
    ]);
    // zsh tells the last part; bash and fish the word
    assert.match(list!.join(" "), /^(--columns=)?(size,)?keyHex$/);
    assert.match(files!.join(" "), /some\.txt$/);
  });

  testWith(
    needs(shell, "ipcmk", "perl"),
    `${shell}: keys and ids of what there is, by asking the command`,
    async () => {
      using folder = new TestFolder();
      const program = "our.shm-2";
      const env = installed(folder, program);
      const script = folder.file("script", await scriptOf(shell, "--name", program));
      const key = freshKey();
      const hex = `0x${key.toString(16)}`;
      using hidden = ForeignObject.segment(10);
      const { perl, id } = await perlSegment({ key, size: 10 });
      await using _peer = perl;
      const set = SemaphoreSet.create({ key: key ^ 0x80000000, count: 1 });
      try {
        const lines = [
          `${program} stat 0x5e`,
          `${program} stat id:`,
          `${program} stat --id `,
          `${program} ls --key=0x5e`,
          `${program} stat --semaphores 0x`,
          `${program} stat 0x`,
          `${program} channel rm id:`,
        ];
        const all = offered(shell, script, program, lines, env);
        const last = (texts: readonly string[]): string[] =>
          texts.map((text) => text.replace(/^.*[:=]/, ""));
        const [keys, ids, idValues, keyValues, sets, segments, channels] = all.map(last);
        assert(keys!.includes(hex), `${keys}`);
        assert(ids!.includes(`${id}`) && ids!.includes(`${hidden.id}`), `${ids}`);
        assert(idValues!.includes(`${id}`) && idValues!.includes(`${hidden.id}`), `${idValues}`);
        assert(keyValues!.includes(hex), `${keyValues}`);
        assert(!segments!.includes("0x00000000"));
        assert(channels!.includes(`${id}`), `${channels}`);
        const setKey = `0x${((key ^ 0x80000000) >>> 0).toString(16)}`;
        assert(sets!.includes(setKey) && !sets!.includes(hex), `${sets}`);
        assert(!segments!.includes(setKey), `${segments}`);
      } finally {
        set.remove();
        output("ipcrm", "-m", `${id}`);
      }
    },
  );

  testWith(needs(shell), `${shell}: whatever a help says, none of it is run`, () => {
    using folder = new TestFolder();
    const trap = `${folder.path}/trap`;
    const evil = `'"\`touch ${trap}\` $(touch ${trap}) (touch ${trap}) ; touch ${trap}; ` +
      `[a:b] {c} \\' \\ %s *? !! #\n| touch ${trap} & < > ~ $HOME -- - :x`;
    const command: NamedCommand = {
      name: "go",
      summary: evil,
      help: () => "",
      completes: "nothing",
      options: {
        plain: { short: "p", help: evil },
        value: { value: "KIND", help: evil, choices: ["one", evil, "on;e"], list: true },
        other: { value: "ID", help: evil },
      },
      run: () => Promise.resolve(0),
    };
    const script = folder.file("script", SCRIPTS[shell]("evil", commandWords([command])));
    const lines = [
      "evil ",
      "evil g",
      "evil go -",
      "evil go --value ",
      "evil go --value=on",
      "evil go ",
    ];
    const [all, begun, options, , values] = offered(shell, script, "evil", lines);
    assert(all!.includes("go"));
    assert.deepEqual(begun, ["go"]);
    assert.deepEqual(options!.toSorted(), ["--other", "--plain", "--value", "-p"]);
    assert(values!.some((each) => /(^|=)one$/.test(each)), `${values}`);
    assert.throws(() => Deno.lstatSync(trap), Deno.errors.NotFound);
  });

  testWith(needs(shell), `${shell}: the script has no syntax error`, async () => {
    using folder = new TestFolder();
    output(shell, "-n", folder.file("script", await scriptOf(shell)));
  });
}

testWith(
  { ...ON_TERMINAL, tools: [...ON_TERMINAL.tools!, "bash"] },
  "bash, typed at: what bash takes for words of its own, at : and =, is not doubled",
  async () => {
    using folder = new TestFolder();
    const script = folder.file("script", await scriptOf("bash"));
    await using bash = cliInShellOnTerminal(folder, "exec bash --norc --noprofile -i");
    // In place of the command: lists one segment, and tells what it was given
    await bash.write(
      "PS1=; stty -echo; sysv-shm() { " +
        '[[ $* == *keyHex,id ]] && echo 0x1234 56 || printf "got:%s\\n" "$@"; }\n' +
        `source ${script}; echo rea''dy\n`,
    );
    await bash.stdout(/ready/);
    await bash.write("sysv-shm ls --columns=size,keyH\t\n");
    await bash.stdout(/got:--columns=size,keyHex\r\n/);
    await bash.write("sysv-shm stat id:\t\n");
    await bash.stdout(/got:id:56\r\n/);
    await bash.write("sysv-shm ls --key=0x\t--json\n");
    await bash.stdout(/got:--key=0x1234\r\ngot:--json\r\n/);
    await bash.write("exit\n");
    await bash.ended();
  },
);

const MISTAKES: readonly (readonly [string[], RegExp])[] = [
  [[], /^for which shell\? bash, zsh or fish$/],
  [["sh"], /^no shell sh: bash, zsh or fish$/],
  [["bash", "zsh"], /^unexpected argument zsh$/],
  [["bash", "--name="], /^option --name: "" is no name of letters, digits and _ \. \+ -$/],
  [["bash", "--name", "a b"], /^option --name: "a b"/],
  [["bash", "--name", "x;y"], /^option --name: "x;y"/],
  [["bash", "--name", "../x"], /^option --name/],
  [["bash", "--name", "$(x)"], /^option --name/],
];

Deno.test("10 000 random texts are no shell, and no name, and refused in one line", async () => {
  const pick = random(7);
  const { run: complete } = completionsCommand([]);
  for (let round = 0; round < 10_000; round++) {
    const text = String.fromCharCode(...Array.from({ length: pick(9) }, () => pick(0x3000)));
    for (const args of [["--", text], ["bash", `--name= ${text}`]]) {
      await assert.rejects(() => complete(args), (error) => {
        assert(error instanceof UsageError, `${JSON.stringify(text)} gave ${error}`);
        return true;
      });
    }
  }
});

testWith(CLI, "mistakes: one line, a hint, and 2", async () => {
  const outcomes = await Promise.all(MISTAKES.map(async ([args, message]) => ({
    message,
    ...await run("completions", ...args),
  })));
  for (const { code, stdout, stderr, message } of outcomes) {
    const [error, hint, ...rest] = stderr.split("\n");
    assert.match(error!.replace(/^error: /, ""), message);
    assert.deepEqual(
      [code, stdout, hint, rest],
      [2, "", `try: ${STARTED} completions --help`, [""]],
    );
  }
});
