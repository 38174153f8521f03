/** `guardAgainstLeaks`: what the tests left behind is found, what other programs do is not. */

import assert from "node:assert/strict";
import { removeSegment, removeSemaphoreSet } from "../../mod.ts";
import { C_NEEDS, CProgram } from "./c_program.ts";
import { guardAgainstLeaks } from "./leaks.ts";
import { testWith } from "./needs.ts";
import { Peer, PROJECT, TestFolder } from "./peer.ts";

guardAgainstLeaks();

const CHURNER = new CProgram(new URL("churner.c", import.meta.url));

/** Runs a guarded test file with this in its only test. */
function guarded(folder: TestFolder, body: string): Peer {
  const file = folder.file(
    "guarded_test.ts",
    `import { listSegments, Segment, SemaphoreSet } from "file://${PROJECT}mod.ts";
    import { guardAgainstLeaks } from "file://${PROJECT}tests/support/leaks.ts";
    import { freshKey, Peer } from "file://${PROJECT}tests/support/peer.ts";
    guardAgainstLeaks();
    Deno.test("body", async () => {
      ${body}
    });`,
  );
  return Peer.start(Deno.execPath(), ["test", "--no-check", "-A", file]);
}

const LEAKS: Readonly<Record<string, string>> = {
  "a segment without a key": "console.log('segment', Segment.create({ size: 1 }).id);",
  "a segment with a key":
    "console.log('segment', Segment.create({ key: freshKey(), size: 1 }).id);",
  "a set with a key": "console.log('set', SemaphoreSet.create({ key: freshKey(), count: 1 }).id);",
  "a set without a key that was used":
    "console.log('set', SemaphoreSet.create({ count: 2, values: [0, 1] }).id);",
  "a peer's segment": `
    const program = "import { Segment } from '@sysv/shm'; console.log(Segment.create({ size: 1 }).id)";
    await using peer = Peer.typescript(program, "--no-lock");
    console.log("segment", await peer.line());
  `,
};

for (const [what, body] of Object.entries(LEAKS)) {
  testWith(
    { tools: ["deno"], files: true },
    `guardAgainstLeaks: finds ${what} that was left behind`,
    async () => {
      using folder = new TestFolder();
      const { code, stdout, stderr } = await guarded(folder, body).ended();
      const [, kind, id] = /^(segment|set) (\d+)$/m.exec(stdout) ?? assert.fail(stdout + stderr);
      if (kind === "segment") removeSegment(Number(id));
      else removeSemaphoreSet(Number(id));
      assert.equal(code, 1);
      assert.match(stdout + stderr, /System V objects were left behind/);
      assert.match(stdout + stderr, new RegExp(`'(segment|semaphore set) ${id} key `));
    },
  );
}

testWith(
  { ...C_NEEDS, tools: ["deno", ...C_NEEDS.tools] },
  "guardAgainstLeaks: what another program creates and removes meanwhile is not ours",
  async () => {
    await using churner = CHURNER.start();
    assert.equal(await churner.line(), "churning");
    using folder = new TestFolder();
    const { code, stdout, stderr } = await guarded(
      folder,
      `// Until all that the other program had is gone, and it has something else
      const ids = () => {
        const theirs = listSegments().filter(({ cpid }) => cpid === ${churner.pid});
        return new Set(theirs.map(({ id }) => id));
      };
      const turn = () => new Promise((done) => setTimeout(done, 1));
      while (ids().size < 5) await turn();
      const before = ids();
      while (!before.isDisjointFrom(ids()) || ids().size < 2) await turn();`,
    ).ended();
    // It removes what it has; killed, it could not
    churner.kill("SIGTERM");
    assert.equal((await churner.ended()).code, 0);
    assert.equal(code, 0, stdout + stderr);
  },
);
