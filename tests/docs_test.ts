/**
 * The pages, followed as their reader does: each in a copy of the project and in an IPC namespace of
 * its own, block for block, in order. What a block's first line says:
 *
 * - `sh`: commands; one that fails ends the page.
 * - `console`: commands behind `$`, and what they print, which is compared without what differs from
 *   run to run (`support/console.ts`); with `exact`, as it is.
 * - `console screen`: one command that draws on a terminal, and what stands there before `q` ends it.
 * - `sh terminal=2`: a command that stays in a second window. `text terminal=2`: what has appeared
 *   there by now; a last part that begins with `^C` is what follows that key.
 * - Anything behind a line that says "Save this as `NAME`": a file. `ts ignore` is for those: they
 *   wait for other programs, where plain `ts` is run by `deno task test:doc`.
 * - `not-run: REASON`: what cannot be run where tests are.
 *
 * A block that is none of these, and is not `text`, `mermaid` or without a language, fails: a page shows
 * only what a test runs. `README.md` has a test of its own.
 */

import assert from "node:assert/strict";
import { type Block, blocks, type Pane, Terminal, withoutChance } from "./support/console.ts";
import { withExamples } from "./support/examples.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { missing, type Needs, testWith } from "./support/needs.ts";
import { Peer, PROJECT, TestFolder } from "./support/peer.ts";
import { copyProject, DENO_FOLDER } from "./support/project_copy.ts";
import { ON_TERMINAL } from "./support/terminal.ts";
import { TerminalScreen } from "./support/terminal_screen.ts";

guardAgainstLeaks();

const FOLLOWING: Needs = {
  tools: ["deno", "git", "bash", "unshare", "nsenter"],
  files: true,
  namespace: true,
};

/** What a page, or one of its sections, needs besides. */
const ALSO: Readonly<Record<string, Needs>> = {
  "docs/command.md": both(ON_TERMINAL, { tools: ["g++", "make", "ipcmk", "perl"] }),
  "docs/guide.md": ON_TERMINAL,
  "examples/README.md": { tools: ["gcc", "make", "python3"] },
  "docs/recipes.md: A C program": { tools: ["gcc", "make"] },
  "docs/recipes.md: Locks, roles and waits shared with C": { tools: ["gcc", "ipcrm"] },
  "docs/recipes.md: Python": { tools: ["python3 with sysv_ipc"] },
  "docs/recipes.md: Containers and IPC namespaces": { tools: ["sh"], root: true },
  "docs/recipes.md: Limits": { tools: ["sh"], root: true },
  "docs/recipes.md: Cleaning up": { tools: ["ipcmk", "ipcrm", "perl"] },
  "docs/recipes.md: Security and trust": { tools: ["perl", "setpriv"], root: true },
};

/** Pages whose sections are followed each by itself, behind what precedes the first one. */
const BY_SECTION = ["docs/recipes.md"];

/** Whose blocks `readme_test.ts` runs. */
const README = "README.md";

/** The code at the reader's own risk, which the last test here runs. */
const AT_OWN_RISK = "docs/shared_array_buffer.md";

/** Languages of blocks in which there is nothing to run. */
const PASSIVE = ["", "text", "mermaid"];

/** Where the screens are compared, in columns. */
const COLUMNS = 80;

/** The pages git knows or would add. */
function pages(): string[] {
  const { stdout } = new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
    cwd: PROJECT,
  }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n");
}

function read(page: string): Block[] {
  return blocks(Deno.readTextFileSync(PROJECT + page));
}

function notRun({ info }: Block): boolean {
  return /\bnot-run: \S/.test(info);
}

/** Whether a block is something to do for the reader. */
function isStep({ language, info, file }: Block): boolean {
  return language === "sh" || language === "console" || file !== undefined ||
    /terminal=/.test(info);
}

/** One page, or one section with what precedes all of them. */
interface Unit {
  readonly name: string;
  readonly steps: readonly Block[];
}

function units(): Unit[] {
  return pages().filter((page) => page !== README).flatMap((page) => {
    const steps = read(page).filter((block) => isStep(block) && !notRun(block));
    const sections = [...new Set(steps.map(({ section }) => section))].filter((name) =>
      name !== ""
    );
    if (!BY_SECTION.includes(page)) return steps.length === 0 ? [] : [{ name: page, steps }];
    return sections.map((name) => ({
      name: `${page}: ${name}`,
      steps: steps.filter(({ section }) => section === name || section === ""),
    }));
  });
}

/** A folder with a `python3` that knows `sysv_ipc`, which the first on the PATH may not be. */
function pythonFolder(folder: TestFolder): string | undefined {
  for (const python of ["python3", "/usr/bin/python3"]) {
    const find = "import sys, sysv_ipc; print(sys.executable)";
    try {
      const { success, stdout } = new Deno.Command(python, { args: ["-c", find] }).outputSync();
      if (!success) continue;
      Deno.mkdirSync(`${folder.path}/python`);
      const executable = new TextDecoder().decode(stdout).trim();
      Deno.symlinkSync(executable, `${folder.path}/python/python3`);
      return `${folder.path}/python`;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** Follows a page; all that is there are its blocks and a copy of the project. */
class Follower implements AsyncDisposable {
  readonly #folder = new TestFolder();
  readonly #terminal: Terminal;
  readonly #panes = new Map<string, Pane>();
  readonly #saved: { readonly file: string; readonly text: string }[] = [];

  constructor() {
    const { path } = this.#folder;
    for (const name of ["project", "notes"]) Deno.mkdirSync(`${path}/${name}`);
    copyProject(`${path}/project`);
    const python = pythonFolder(this.#folder);
    this.#terminal = new Terminal({
      folder: `${path}/project`,
      notes: `${path}/notes`,
      path: python === undefined ? [DENO_FOLDER] : [python, DENO_FOLDER],
    });
  }

  async follow(block: Block): Promise<void> {
    const { language, info, text, file } = block;
    const pane = /\bterminal=(\w+)/.exec(info)?.[1];
    if (file !== undefined) this.#save(file, text);
    else if (language === "sh" && pane !== undefined) {
      assert(this.#panes.get(pane)?.ended ?? true, "the second terminal is still busy");
      this.#panes.set(pane, this.#terminal.pane(`exec ${text}`));
    } else if (pane !== undefined) await this.#look(pane, text);
    else if (language === "sh") await this.#succeeds(text);
    else if (/\bscreen\b/.test(info)) await this.#draws(text);
    else await this.#prints(text, info === "exact" ? (output) => output.trim() : withoutChance);
  }

  #save(file: string, text: string): void {
    Deno.writeTextFileSync(`${this.#folder.path}/project/${file}`, `${text}\n`);
    this.#saved.push({ file, text });
  }

  async #succeeds(command: string): Promise<void> {
    const { code, output } = await this.#terminal.run(command, true);
    assert.equal(code, 0, `${command}\n${output}`);
  }

  async #prints(session: string, comparable: (output: string) => string): Promise<void> {
    const parts = session.split(/^\$ /m);
    assert.equal(parts.shift(), "", "a session begins with a command");
    for (const part of parts) {
      const [, command, shown] = /^((?:.*\\\n)*.*)\n?([^]*)$/.exec(part)!;
      const { output } = await this.#terminal.run(command!);
      assert.equal(comparable(output), comparable(shown!), command);
    }
  }

  /** Waits for what a second window is to show, and presses Ctrl-C there if that is shown. */
  async #look(name: string, text: string): Promise<void> {
    const pane = this.#panes.get(name);
    assert(pane !== undefined, `nothing was started in terminal ${name}`);
    const [before, after] = text.split(/^\^C\n?/m);
    const showing = async (shown: string): Promise<void> => {
      const comparable = withoutChance(shown);
      await pane.shows((output) => withoutChance(output) === comparable);
      assert.equal(withoutChance(pane.output), comparable);
    };
    await showing(before!);
    if (after === undefined) return;
    pane.interrupt();
    assert.equal(await pane.code(), 0);
    await showing(before! + after);
  }

  async #draws(session: string): Promise<void> {
    const [, command, shown] = /^\$ (.*)\n([^]*)$/.exec(session)!;
    const rows = shown!.split("\n").length;
    const pty = this.#folder.compile("gcc", "pty", [`${PROJECT}tests/support/pty.c`, "-lutil"]);
    const script = `stty cols ${COLUMNS} rows ${rows}; ${command}`;
    await using pane = this.#terminal.pane(`exec '${pty}' sh -c '${script}'`);
    const drawn = (output: string): string => {
      const screen = new TerminalScreen(COLUMNS, rows);
      screen.write(output);
      return withoutChance(screen.text);
    };
    await pane.shows((output) => drawn(output) === withoutChance(shown!));
    assert.equal(drawn(pane.output), withoutChance(shown!), command);
    await pane.type("q");
    assert.equal(await pane.code(), 0);
  }

  /** At the end what was saved has no type errors, and nothing is left in the system. */
  async finish(): Promise<void> {
    for (const pane of this.#panes.values()) {
      assert.equal(await pane.code(), 0, "a second terminal is still busy");
    }
    // Not where they were saved: the page may have removed them
    const programs = this.#saved.filter(({ file }) => file.endsWith(".ts"));
    const copies = programs.map(({ text }, i) => {
      Deno.writeTextFileSync(`${this.#folder.path}/project/page_${i}.ts`, text);
      return `page_${i}.ts`;
    });
    if (copies.length > 0) await this.#succeeds(`deno check --quiet ${copies.join(" ")}`);
    for (const objects of ["ls", "ls --semaphores"]) {
      const { output } = await this.#terminal.run(`deno run --allow-ffi cli.ts ${objects} --json`);
      assert.equal(output.trim(), "[]", "the page leaves System V objects behind");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pane of this.#panes.values()) await pane[Symbol.asyncDispose]();
    await this.#terminal[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** The tools of both; everything else that either needs. */
function both(needs: Needs, more: Needs): Needs {
  return { ...needs, ...more, tools: [...needs.tools ?? [], ...more.tools ?? []] };
}

/** What is in the table under a name that no executable has, where it can be had. */
function here({ tools = [], ...needs }: Needs): Needs {
  using folder = new TestFolder();
  const isPython = (tool: string): boolean => tool === "python3 with sysv_ipc";
  if (!tools.some(isPython) || pythonFolder(folder) === undefined) return { ...needs, tools };
  return { ...needs, tools: tools.filter((tool) => !isPython(tool)) };
}

const READING: Needs = { tools: ["git"], files: true };
const readable = missing(READING) === undefined;

// Which pages there are cannot be seen then; ignored, with the reason
if (!readable) testWith(both(READING, FOLLOWING), "docs: the pages work as printed", () => {});

for (const { name, steps } of readable ? units() : []) {
  testWith(both(FOLLOWING, here(ALSO[name] ?? {})), `${name} works as printed`, async () => {
    await using follower = new Follower();
    for (const step of steps) {
      try {
        await follower.follow(step);
      } catch (error) {
        throw new Error(`${name}, the block at line ${step.line}`, { cause: error });
      }
    }
    await follower.finish();
  });
}

testWith(READING, "docs: every block of every page is run, or says why not", () => {
  const inDocTest = withExamples();
  const known = new Set(units().map(({ name }) => name));
  for (const page of Object.keys(ALSO)) assert(known.has(page), `there is no ${page}`);

  for (const page of pages()) {
    const all = read(page);
    for (const [i, block] of all.entries()) {
      const where = `${page}:${block.line}`;
      const { language, info, file } = block;
      if (/\bnot-run\b/.test(info)) {
        assert(notRun(block), `${where}: not-run: and the reason`);
      } else if (file !== undefined) {
        const used = all.slice(i + 1).some((later) =>
          isStep(later) && !notRun(later) && later.text.includes(file)
        );
        assert(used, `${where}: nothing is done with ${file}`);
      } else if (language === "ts" && !/\bignore\b/.test(info)) {
        assert(inDocTest.includes(page), `${where}: test:doc does not run it: add ${page} there`);
      } else if (!isStep(block) && page !== AT_OWN_RISK) {
        assert(PASSIVE.includes(language), `${where}: no test runs ${language} ${info}`);
      } else if (page === README) {
        assert.equal(info, "", `${where}: readme_test.ts knows no such mark`);
      }
    }
  }
});

testWith(
  { tools: ["deno"], files: true },
  "docs/architecture.md: the diagram of the folders shows the real imports",
  () => {
    interface Info {
      readonly modules: readonly {
        readonly specifier: string;
        readonly dependencies?: readonly { readonly code?: { readonly specifier: string } }[];
      }[];
    }
    const room = (url: string): string => {
      const parts = url.slice(`file://${PROJECT}`.length).split("/");
      return parts.length === 1 ? parts[0]! : parts.slice(0, parts[0] === "src" ? 2 : 1).join("/");
    };
    const imports = new Map<string, Set<string>>();
    for (const front of ["mod.ts", "cli.ts"]) {
      const args = ["info", "--json", front];
      const { stdout } = new Deno.Command(Deno.execPath(), { args, cwd: PROJECT }).outputSync();
      const { modules }: Info = JSON.parse(new TextDecoder().decode(stdout));
      for (const { specifier, dependencies = [] } of modules) {
        for (const { code } of dependencies) {
          if (!code?.specifier.startsWith("file:") || code.specifier.endsWith(".json")) continue;
          const [from, to] = [room(specifier), room(code.specifier)];
          if (from !== to) imports.set(from, (imports.get(from) ?? new Set()).add(to));
        }
      }
    }
    const among = (from: string): string[] => [...imports.get(from) ?? []];
    const reaches = (from: string, to: string): boolean =>
      among(from).some((next) => next === to || reaches(next, to));
    // Without what another arrow says already
    const arrows = [...imports.keys()].flatMap((from) =>
      among(from).filter((to) => !among(from).some((other) => reaches(other, to)))
        .map((to) => `${from} --> ${to}`)
    );
    const diagram = read("docs/architecture.md").find(({ language }) => language === "mermaid")!;
    const drawn = diagram.text.split("\n").map((line) => line.trim()).filter((line) =>
      /-->/.test(line)
    );
    assert.deepEqual(drawn.toSorted(), arrows.toSorted());
  },
);

testWith(READING, "docs/architecture.md: the list of files is that of the repository", () => {
  const { stdout } = new Deno.Command("git", {
    args: ["ls-files", "ffi", "src", "c"],
    cwd: PROJECT,
  }).outputSync();
  const listed: string[] = [];
  let folder: string | undefined;
  for (const line of Deno.readTextFileSync(`${PROJECT}docs/architecture.md`).split("\n")) {
    if (line.startsWith("#")) folder = /^### `(.+)`$/.exec(line)?.[1];
    const file = /^- `([^`]+)`: ./.exec(line)?.[1];
    if (folder !== undefined && file !== undefined) listed.push(`${folder}/${file}`);
  }
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  assert.deepEqual(listed.toSorted(), files.toSorted());
});

testWith(
  both(READING, { tools: ["deno"] }),
  "docs/shared_array_buffer.md: the code at the reader's own risk does what it says",
  async () => {
    const unrun = read(AT_OWN_RISK).filter(({ language }) => !PASSIVE.includes(language))
      .filter(({ language, info }) => language !== "ts" || info !== "");
    assert.deepEqual(unrun.map(({ language, info }) => `${language} ${info}`), ["ts ignore"]);
    await using peer = Peer.typescript(`
    import { Segment } from "@sysv/shm";
    import assert from "node:assert/strict";
    ${unrun[0]!.text}
    using segment = Segment.create({ size: 65536 });
    segment.remove();
    const bytes = shared(segment);
    bytes[0] = 7;
    assert.equal(segment.bytes[0], 7);
    assert.equal(segment.stat().nattch, 2);
    detach(bytes);
    assert.equal(segment.stat().nattch, 1);
    console.log(segment.bytes[0], bytes[0]);
  `);
    const { stdout, stderr } = await peer.ended();
    assert.equal(`${stdout}${stderr}`, "7 0\n");
  },
);
