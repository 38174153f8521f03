/**
 * What the README and CONTRIBUTING.md tell a newcomer to try works as a normal user, without a network,
 * and with nothing downloaded: only the bench and the bridge know packages. The bench has a config and a
 * lock of its own, and the bridge loads its packages when it starts.
 */

import assert from "node:assert/strict";
import { geteuid } from "../ffi/accounts.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { missing, type Needs } from "./support/needs.ts";
import { NOBODY } from "./support/other_user.ts";
import { type Ended, Peer, TestFolder } from "./support/peer.ts";
import { copyProject } from "./support/project_copy.ts";

guardAgainstLeaks();

/** Starts a program as a normal user without a network, with no object of others in sight. */
const OFFLINE = geteuid() === 0
  ? ["unshare", "-n", "-i", "setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
  : ["unshare", "--user", "-n", "-i"];

const NEEDS: Needs = { tools: ["deno", "git", "bash", "unshare", "setpriv"], files: true };

/** Why this user may not have that, or cannot start this Deno there. */
function mayNotBeOffline(): string | undefined {
  const reason = missing(NEEDS);
  if (reason !== undefined) return reason;
  const [program, ...args] = [...OFFLINE, Deno.execPath(), "--version"];
  const { success } = new Deno.Command(program!, { args, stdout: "null", stderr: "null" })
    .outputSync();
  return success ? undefined : "may not start Deno without a network";
}

/** All test files are loaded, which takes half a minute of two idle cores. */
const SAFETY_MS = 600_000;

/** A copy of the project that another user may use, with an empty cache and home beside it. */
class Newcomer implements Disposable {
  readonly #folder = new TestFolder();

  constructor() {
    for (const name of ["project", "home"]) Deno.mkdirSync(`${this.#folder.path}/${name}`);
    copyProject(`${this.#folder.path}/project`);
    const { success } = new Deno.Command("chmod", {
      args: ["-R", "a+rwX", this.#folder.path],
    }).outputSync();
    assert(success);
  }

  /** Runs `deno` with these arguments in the copy. */
  async run(...args: readonly string[]): Promise<Ended> {
    const { path } = this.#folder;
    const [program, ...prefix] = [...OFFLINE, "env", `--chdir=${path}/project`];
    await using peer = Peer.start(program!, [...prefix, Deno.execPath(), ...args], {
      HOME: `${path}/home`,
      DENO_DIR: `${path}/home/cache`,
      TMPDIR: `${path}/home`,
    }, SAFETY_MS);
    return await peer.ended();
  }

  /** Runs `deno`, which must succeed and download nothing, and gives what it printed on stdout. */
  async deno(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `deno ${args.join(" ")}\n${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /^Download /m);
    return stdout;
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

const COMMANDS: readonly (readonly string[])[] = [
  ["task", "demo"],
  ["install"],
  ["cache", "mod.ts", "cli.ts", "bench/run.ts", "src/nats/mod.ts"],
  // All that a test loads is there, and may be loaded with the one permission; no test has this name
  ["test", "--no-check", "--parallel", "--allow-ffi", "--filter", "/^$/", "tests"],
  ["test", "--no-check", "--allow-ffi", "tests/sysv/segment_test.ts"],
  ["run", "--allow-ffi", "cli.ts", "ls"],
];

const reason = mayNotBeOffline();

for (const command of COMMANDS) {
  const name = `deno ${command.join(" ")}: nothing is downloaded`;
  Deno.test({
    name: reason === undefined ? name : `${name} [${reason}]`,
    ignore: reason !== undefined,
    fn: async () => {
      using newcomer = new Newcomer();
      const stdout = await newcomer.deno(...command);
      if (command.includes("demo")) assert.match(stdout, /^(Received message: \w+\n){3}$/);
    },
  });
}

const bridge = "bridge: says how to get the client that it has to download";
Deno.test({
  name: reason === undefined ? bridge : `${bridge} [${reason}]`,
  ignore: reason !== undefined,
  fn: async () => {
    using newcomer = new Newcomer();
    const args = ["bridge", "out", "--quiet", "--stream=S", "--subject=s"];
    const { code, stderr } = await newcomer.run(
      ...["run", "--allow-ffi", "--allow-net", "cli.ts", ...args],
    );
    assert.match(
      stderr,
      /^error: cannot load the client of NATS from npm: ENOCLIENT, .*; `deno cache npm:@nats-io/m,
    );
    assert.equal(code, 1);
  },
});
