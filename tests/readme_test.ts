/**
 * The README's commands, run as printed, in order, in a copy of the project with nothing but its own
 * files, and the output it shows beside what they print. Its TypeScript is run by `deno task test:doc`.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { SharedNamespace } from "./support/own_namespace.ts";
import { Peer, PROJECT, TestFolder } from "./support/peer.ts";
import { steps, withoutChance } from "./support/console.ts";
import { copyProject, DENO_FOLDER } from "./support/project_copy.ts";

guardAgainstLeaks();

/** What stays in the foreground of a terminal of its own until somebody presses Ctrl-C. */
const FOREGROUND = "deno run --allow-ffi cli.ts server";

/** A shell in the clone within `home`, with this Deno first on its path. */
function shell(namespace: SharedNamespace, home: string, script: string): Peer {
  const args = ["-euo", "pipefail", "-c", `cd "$0"; ${script}`, `${home}/sysv-shm`];
  return namespace.start("bash", args, {
    HOME: home,
    PATH: `${DENO_FOLDER}:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
  });
}

async function succeeds(peer: Peer, what: string): Promise<string> {
  const { code, stdout, stderr } = await peer.ended();
  assert.equal(code, 0, `${what}\n${stdout}${stderr}`);
  return stdout;
}

testWith(
  { tools: ["deno", "git", "bash", "make", "g++"], files: true },
  "the README's commands work as printed",
  async () => {
    using folder = new TestFolder();
    Deno.mkdirSync(`${folder.path}/sysv-shm`);
    copyProject(`${folder.path}/sysv-shm`);
    await using namespace = await SharedNamespace.make();
    const readme = Deno.readTextFileSync(`${PROJECT}README.md`);
    const blocks = [...readme.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text!.trim());
    assert(blocks.includes(FOREGROUND));
    // Installing Deno is what .ci/run does where there is none
    const scripts = blocks.filter((text) => !text.startsWith("npm install"));
    assert(scripts.length >= 4);

    let server: Peer | undefined;
    for (const script of scripts) {
      if (script === FOREGROUND) {
        server = shell(namespace, folder.path, `exec ${script}`);
        await server.stderr(/listening on key 1111/);
        continue;
      }
      const stdout = await succeeds(shell(namespace, folder.path, script), script);
      if (server !== undefined) {
        await server.stdout(/^Received message: hello\nReceived message: from another process$/m);
        server.kill("SIGINT");
        await succeeds(server, FOREGROUND);
        server = undefined;
      }
      if (script.includes("../hello")) assert.match(stdout, /segments: \d+/);
      if (script.includes("bin/shm")) assert.match(stdout, /^KEY +ID OWNER /m);
      if (script.includes("build/server")) {
        assert.match(stdout, /Received message: hello\nReceived message: C\+\+\n/);
      }
    }
  },
);

testWith(
  { tools: ["deno", "bash", "unshare", "ipcmk", "perl"], files: true, namespace: true },
  "the README shows what its commands print",
  async () => {
    const shown = steps(Deno.readTextFileSync(`${PROJECT}README.md`));
    assert(shown.length >= 10);
    using folder = new TestFolder();
    const script = [
      "shopt -s expand_aliases",
      'alias shm="deno run --allow-ffi cli.ts"',
      `cd ${PROJECT}`,
      ...shown.map(({ command }, i) => `{ ${command}\n} >${folder.path}/${i} 2>&1 </dev/null`),
    ].join("\n");
    await using shell = Peer.start("unshare", ["-i", "bash", "-c", script], {
      PATH: `${DENO_FOLDER}:${Deno.env.get("PATH") ?? "/usr/bin:/bin"}`,
    });
    const { stderr } = await shell.ended();
    assert.equal(stderr, "");
    for (const [i, { command, output }] of shown.entries()) {
      const printed = Deno.readTextFileSync(`${folder.path}/${i}`);
      assert.equal(withoutChance(printed), withoutChance(output), command);
    }
  },
);
