/** Makes the peers ready: compiles those in C, installs what those in Node need. */

import { type PackageName, PACKAGES } from "./packages.ts";

const HERE = new URL(".", import.meta.url).pathname;
/** Where npm installs to; kept from run to run. */
const INSTALLED = `${HERE}.packages`;

const C_PROGRAMS = [
  "channel",
  "deny",
  "iceoryx",
  "latest",
  "lifecycle",
  "mailbox",
  "pipe",
  "topic",
  "unix_socket",
];
/** What a program is compiled with. Debian has iceoryx in `iceoryx` and `libiceoryx-binding-c-dev`. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  iceoryx: ["-I/usr/include/iceoryx/v2.0.3", "-liceoryx_binding_c"],
};
const NODE_PACKAGES: readonly PackageName[] = ["shm-typed-array", "zeromq"];
const NEEDS: Readonly<Record<string, PackageName>> = {
  "node_shm.cjs": "shm-typed-array",
  "node_lifecycle.cjs": "shm-typed-array",
  "node_zeromq.cjs": "zeromq",
};

const NAMESPACES = [["unshare", "--ipc"], ["unshare", "--map-root-user", "--ipc"]];

/** Where there is no Node, Deno starts itself in its place. */
const REAL_NODE = `if (process.versions.deno) {
  console.error("error: no node on this machine");
  process.exit(1);
}`;

/** A command, and why it cannot be run, if it cannot. */
function attempt(command: string, args: readonly string[], env: Record<string, string> = {}):
  | string
  | undefined {
  try {
    const { success, stderr } = new Deno.Command(command, { args: [...args], env }).outputSync();
    if (success) return undefined;
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    const told = lines.find((line) => /error/i.test(line)) ?? lines[0] ?? `${command} failed`;
    return told.replace(/^error: /, "");
  } catch (error) {
    return `no ${command}: ${(error as Error).message}`;
  }
}

function installedVersion(name: PackageName): string | undefined {
  try {
    return JSON.parse(
      Deno.readTextFileSync(`${INSTALLED}/node_modules/${name}/package.json`),
    ).version;
  } catch {
    return undefined;
  }
}

/** The programs of `peers/`, ready to be started. */
export class Programs {
  /** What keeps a program, by its name, or Node from running. */
  readonly #missing = new Map<string, string>();
  readonly #folder: string;
  /** Starts a command in an IPC namespace of its own; empty where that is not permitted. */
  readonly namespace: readonly string[];

  /** Builds into `folder`; `say` is told of each step. */
  constructor(folder: string, say: (step: string) => void) {
    this.#folder = folder;
    for (const name of C_PROGRAMS) {
      say(`compiling ${name}.c`);
      this.#note(
        `${name}.c`,
        attempt("gcc", [
          "-O2",
          "-std=gnu11",
          "-o",
          `${folder}/${name}`,
          `${HERE}peers/${name}.c`,
          ...LIBRARIES[name] ?? [],
        ]),
      );
    }
    this.namespace =
      NAMESPACES.find((command) =>
        attempt(command[0]!, [...command.slice(1), "true"]) === undefined
      ) ?? [];
    const noNode = attempt("node", ["-e", REAL_NODE]);
    this.#note("node", noNode);
    if (noNode === undefined) { for (const name of NODE_PACKAGES) this.#install(name, say); }
  }

  #note(name: string, reason: string | undefined): void {
    if (reason !== undefined) this.#missing.set(name, reason);
  }

  #install(name: PackageName, say: (step: string) => void): void {
    const wanted = PACKAGES[name];
    if (installedVersion(name) !== wanted) {
      say(`installing ${name} ${wanted}`);
      Deno.mkdirSync(INSTALLED, { recursive: true });
      const reason = attempt("npm", [
        "install",
        "--prefix",
        INSTALLED,
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        `${name}@${wanted}`,
      ]);
      if (reason !== undefined) return this.#note(name, reason);
    }
    this.#note(name, attempt("node", ["-e", `require("${name}")`], this.env));
  }

  /** What peers find in their environment. */
  get env(): Record<string, string> {
    return { NODE_PATH: `${INSTALLED}/node_modules`, NO_COLOR: "1" };
  }

  /** Why a program cannot be run; `undefined` if it can. */
  reasonAgainst(program: string): string | undefined {
    const needed = NEEDS[program];
    return this.#missing.get(program) ??
      (program.endsWith(".cjs") ? this.#missing.get("node") : undefined) ??
      (needed === undefined ? undefined : this.#missing.get(needed));
  }

  /** The command that starts it. */
  command(program: string): string[] {
    if (program.endsWith(".c")) return [`${this.#folder}/${program.slice(0, -2)}`];
    const path = `${HERE}peers/${program}`;
    return program.endsWith(".cjs") ? ["node", path] : [Deno.execPath(), "run", "-A", path];
  }
}
