/**
 * The README's commands, run as printed, in order, in a copy of the project with nothing but its own
 * files, and the output it shows beside what they print. Its TypeScript is run by `deno task test:doc`.
 * `docs_test.ts` follows `docs/command.md` and the other pages.
 */

import assert from "node:assert/strict";
import * as library from "../mod.ts";
import { COMMANDS } from "../src/cli/command_list.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { SharedNamespace } from "./support/own_namespace.ts";
import { Peer, PROJECT, TestFolder } from "./support/peer.ts";
import { LANGUAGES } from "./interop/conformance/languages.ts";
import { table } from "./interop/conformance/matrix.ts";
import { SUITE } from "./interop/conformance/suite.ts";
import { steps, withoutChance } from "./support/console.ts";
import { copyProject, DENO_FOLDER } from "./support/project_copy.ts";

guardAgainstLeaks();

/** Runs in the foreground of a second terminal until Ctrl-C. */
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
  { tools: ["deno", "git", "bash"], files: true },
  "README.md: its commands work as printed",
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
    }
  },
);

testWith(
  { tools: ["deno", "bash", "unshare"], files: true, namespace: true },
  "README.md: it shows what its commands print",
  async () => {
    const shown = steps(Deno.readTextFileSync(`${PROJECT}README.md`));
    assert(shown.length >= 4);
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

testWith(
  { files: true },
  "README.md: it has at most 200 lines, and the figures of the bench's page",
  () => {
    const readme = Deno.readTextFileSync(`${PROJECT}README.md`);
    assert(readme.trimEnd().split("\n").length <= 200);
    const measured = Deno.readTextFileSync(`${PROJECT}bench/README.md`);
    /** The first cell that has a number, of the row of `peer` in the section of `heading`. */
    const figure = (heading: string, peer: string): string => {
      const section = measured.split(/^### /m).find((text) => text.startsWith(`${heading}\n`))!;
      const row = section.split("\n").find((line) => line.startsWith(`| ${peer} `))!;
      const cells = row.split("|").slice(2).map((cell) => cell.trim());
      // Where there is a spread, it is in parentheses behind the median
      return cells.find((cell) => cell !== "")!.replace(/ \(.*| msg\/s/g, "");
    };
    const PROMISES = "channel, promises (await send, for await)";
    const [SOCKET, C] = ["Unix socket, Deno", "C twin of the channel"];
    const rounds = ["Round trips, flowing", "Round trips, woken"].map((heading) =>
      [PROMISES, SOCKET, C].map((peer) => figure(heading, peer))
    );
    const batches = ["channel, TS to TS", "Unix socket, Deno, a batch a write", C].map((peer) =>
      figure("Payloads", peer)
    );
    const shown = [...readme.matchAll(/^\| (?:round trip|messages a second).*$/gm)].map(([row]) =>
      row.split("|").slice(2, 5).map((cell) => cell.trim())
    );
    assert.deepEqual(shown, [...rounds, batches]);
  },
);

testWith({ files: true }, "README.md: its matrix has all cases of the conformance suite", () => {
  const columns = LANGUAGES.flatMap(({ short: sender }) =>
    LANGUAGES.map(({ short }) => ({ head: `${sender}-${short}`, failures: new Map() }))
  );
  const matrix = table(Object.entries(SUITE), columns, true).join("\n");
  assert(Deno.readTextFileSync(`${PROJECT}README.md`).includes(`\n${matrix}\n`), matrix);
});

testWith({ files: true }, "README.md: what it leads to is exported, or a command", () => {
  const readme = Deno.readTextFileSync(`${PROJECT}README.md`);
  const section = readme.split(/^## /m).find((text) => text.startsWith("Which one do I need?"))!;
  const named = [...section.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  assert(named.length > 15);
  const known = new Set([...Object.keys(library), ...COMMANDS.map(({ name }) => name)]);
  assert.deepEqual(named.filter((name) => !known.has(name)), []);
});
