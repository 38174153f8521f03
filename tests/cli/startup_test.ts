/** What is loaded before a command runs, by the graph of the imports and by V8 in the end. */

import assert from "node:assert/strict";
import { COMMANDS, COMPLETE } from "../../src/cli/command_list.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { missing, type Needs, testWith } from "../support/needs.ts";
import { PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const CLI: Needs = { tools: ["deno"], files: true };
/** All that is loaded where no library is. */
const FRONT = ["cli.ts", "src/cli/command_list.ts", "src/cli/output.ts"];

function output(program: string, ...args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args: [...args], cwd: PROJECT })
    .outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

interface Dependency {
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier: string };
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly Dependency[];
  }[];
}

function inProject(specifier: string): string {
  const root = `file://${PROJECT}`;
  return specifier.startsWith(root) ? specifier.slice(root.length) : specifier;
}

/** What a module imports, and what it may import later, by the names of the modules. */
function imports(front: string): ReadonlyMap<string, { now: string[]; later: string[] }> {
  const { modules }: Info = JSON.parse(output(Deno.execPath(), "info", "--json", front));
  return new Map(modules.map(({ specifier, dependencies = [] }) => {
    const named = (dynamic: boolean): string[] =>
      dependencies.flatMap(({ isDynamic = false, code }) =>
        code !== undefined && isDynamic === dynamic ? [inProject(code.specifier)] : []
      );
    return [inProject(specifier), { now: named(false), later: named(true) }];
  }));
}

/** All that is loaded with a module, before anything is imported dynamically. */
function loadedWith(front: string): Set<string> {
  const graph = imports(front);
  const found = new Set([front]);
  for (const module of found) for (const next of graph.get(module)?.now ?? []) found.add(next);
  return found;
}

/** Which modules of the project the command line loads, as V8 tells it when it ends. */
function loadedBy(...args: readonly string[]): string[] {
  using folder = new TestFolder();
  const deno = Deno.execPath();
  output(deno, "run", "--allow-ffi", `--coverage=${folder.path}`, "cli.ts", ...args);
  const scripts = [...Deno.readDirSync(folder.path)].flatMap(({ name }) => {
    if (!name.endsWith(".json")) return [];
    const { url }: { url: string } = JSON.parse(Deno.readTextFileSync(`${folder.path}/${name}`));
    return [inProject(url)];
  });
  return scripts.filter((script) => !script.includes(":")).toSorted();
}

testWith(CLI, "cli.ts: Deno finds each command's file before it runs", () => {
  const { later } = imports("cli.ts").get("src/cli/command_list.ts")!;
  const files = [...COMMANDS, COMPLETE].map(({ name }) =>
    `src/cli/commands/${name.replace("__", "")}_command.ts`
  );
  assert.deepEqual(later.toSorted(), files.toSorted());
});

testWith(CLI, "cli.ts --version, --help: load no library", () => {
  for (const option of ["--version", "-V", "--help", "-h", "help"]) {
    assert.deepEqual(loadedBy(option), FRONT, option);
  }
});

testWith(CLI, "ls: loads no other command, no layout, and nothing that waits", () => {
  const loaded = loadedBy("ls");
  const commands = loaded.filter((path) => path.startsWith("src/cli/commands/"));
  assert.deepEqual(commands, ["src/cli/commands/ls_command.ts"]);
  assert(loaded.includes("src/sysv/segment_stat.ts"));
  const needless =
    /^src\/sync\/(?!lane_geometry)|^src\/layout\/c_[^s]|_set\.ts$|_wait\.ts$|^src\/mailbox\/mailbox/;
  assert.deepEqual(loaded.filter((path) => needless.test(path)), []);
});

testWith(CLI, "latest ls: loads no other protocol, and no parser of C", () => {
  const loaded = loadedBy("latest", "ls");
  assert(loaded.includes("src/latest/latest_stat.ts"));
  const needless =
    /^src\/(cparse|nats|topic\/(?!lanes)|channel\/(?!lanes)|mailbox\/(?!semaphores))/;
  assert.deepEqual(loaded.filter((path) => needless.test(path)), []);
});

/** The protocol of each command for messages. */
const PROTOCOLS = { send: "channel", recv: "channel", pub: "topic", sub: "topic", topic: "topic" };

testWith(CLI, "send, recv, pub, sub, topic: load no other protocol, and no parser of C", () => {
  for (const [name, own] of Object.entries(PROTOCOLS)) {
    const others = new RegExp(
      `^src/(cparse|nats|latest|mailbox|${own === "topic" ? "channel" : "topic"})/`,
    );
    // These few tell `ls` what looks like which kind
    const known = /\/(lanes|cells|semaphores)\.ts$/;
    const loaded = [...loadedWith(`src/cli/commands/${name}_command.ts`)];
    assert(loaded.some((path) => path.startsWith(`src/${own}/`)), name);
    assert.deepEqual(
      loaded.filter((path) => others.test(path) && !known.test(path)),
      [],
      name,
    );
  }
});

testWith(CLI, "mod.ts, ls: load no module of Node", () => {
  for (const front of ["mod.ts", "src/cli/commands/ls_command.ts"]) {
    assert.deepEqual([...loadedWith(front)].filter((path) => path.startsWith("node:")), [], front);
  }
});

/** Why `deno compile` cannot be tried: it would download what it puts the program into. */
function cannotCompile(): string | undefined {
  const reason = missing(CLI);
  if (reason !== undefined) return reason;
  const { denoDir }: { denoDir: string } = JSON.parse(output(Deno.execPath(), "info", "--json"));
  const archive = `release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  try {
    Deno.lstatSync(`${denoDir}/dl/${archive}`);
    return undefined;
  } catch {
    return `no denort of this Deno in ${denoDir}`;
  }
}

const reason = cannotCompile();

Deno.test({
  name: `deno compile: what it makes runs every command${
    reason === undefined ? "" : ` [${reason}]`
  }`,
  ignore: reason !== undefined,
  fn: () => {
    using folder = new TestFolder();
    const program = `${folder.path}/shm`;
    output(Deno.execPath(), "compile", "--quiet", "--allow-ffi", "--output", program, "cli.ts");
    assert.match(output(program, "--version"), /^@sysv\/shm /);
    assert.match(output(program, "ls"), /^KEY /);
    for (const { name } of COMMANDS) assert.match(output(program, name, "--help"), /\nUsage: /);
  },
});
