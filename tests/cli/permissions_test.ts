/** `create`, `rm`, `chmod` and `chown` as a user who may not do everything. */

import assert from "node:assert/strict";
import { findSegment } from "../../src/sysv/mod.ts";
import { Segment, statSegment } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { type Ended, freshKey, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

const ROOT = { tools: ["deno"], root: true };

/** Runs command lines one after the other as nobody; a line `exit N` follows what each printed. */
async function asNobodyRun(...lines: readonly (readonly string[])[]): Promise<Ended> {
  await using peer = asNobody(`
    import { main } from ${JSON.stringify(`file://${PROJECT}cli.ts`)};
    for (const line of ${JSON.stringify(lines)}) console.log("exit", await main(line));
  `);
  return await peer.ended();
}

testWith(ROOT, "chmod, chown, rm: another user's segment stays as it is", async () => {
  using roots = Segment.create({ key: freshKey(), size: 100, mode: 0o666 });
  try {
    const name = `id:${roots.id}`;
    const { stdout, stderr } = await asNobodyRun(
      ["chmod", "600", name],
      ["chown", "nobody", name],
      ["rm", "--force", name],
    );
    assert.equal(stdout, "exit 1\nexit 1\nexit 1\n");
    const who = `(segment ${roots.id} has 100 bytes, owner uid 0, mode 0666, nattch 1)`;
    const errors = stderr.trimEnd().split("\n");
    assert.equal(errors.length, 3);
    for (const [i, action] of ["change", "change", "remove"].entries()) {
      assert(
        errors[i]!.startsWith(
          `error: cannot ${action} the segment: shmctl for id ${roots.id}: EPERM`,
        ),
      );
      assert(errors[i]!.endsWith(`root may ${action} it ${who}`), errors[i]);
    }
    const { mode, uid, markedForRemoval } = statSegment(roots.id);
    assert.deepEqual([mode, uid, markedForRemoval], [0o666, 0, false]);
  } finally {
    roots.remove();
  }
});

testWith(ROOT, "rm: goes on after a failure; --mine is of the user who runs it", async () => {
  using roots = Segment.create({ key: freshKey(), size: 100 });
  const key = freshKey();
  const own = `0x${key.toString(16)}`;
  try {
    const { stdout, stderr } = await asNobodyRun(
      ["create", "--size=7", `--key=${own}`],
      ["rm", "--mine", "--dry-run"],
      ["rm", "--force", `id:${roots.id}`, own],
    );
    const [created, dryRun, removed] = stdout.split(/exit \d\n/);
    assert.match(created!, /, 7 bytes, mode 0600\n$/);
    assert.match(
      dryRun!,
      new RegExp(
        `^would ask before removing segment \\d+ \\(key ${own}, 7 bytes\\): its creator, process`,
        "m",
      ),
    );
    assert.doesNotMatch(dryRun!, new RegExp(` segment ${roots.id} `));
    assert.match(removed!, new RegExp(`^removed segment \\d+ \\(key ${own}, 7 bytes\\)\n$`));
    assert.match(stdout, /exit 0\n[^]*exit 0\n[^]*exit 1\n$/);
    assert.match(stderr, /^error: cannot remove [^\n]*EPERM[^\n]*\n$/);
    assert.equal(findSegment(key), undefined);
    assert.equal(statSegment(roots.id).markedForRemoval, false);
  } finally {
    roots.remove();
  }
});

testWith(ROOT, "chmod, chown, rm: an own segment with a mode that forbids all", async () => {
  const key = freshKey();
  const name = `0x${key.toString(16)}`;
  const { stdout, stderr } = await asNobodyRun(
    ["create", "--size=7", `--key=${name}`, "--mode=0"],
    ["chmod", "u+r", name],
    ["chmod", "000", name],
    ["chown", "+0:+0", name],
    ["rm", name],
  );
  assert.equal(stderr, "");
  assert.equal(stdout.match(/exit 0\n/g)?.length, 5);
  const [created, widened, closed, given, removed] = stdout.split("exit 0\n");
  assert.match(created!, /, 7 bytes, mode 0000\n$/);
  assert.match(widened!, /: mode 0400, was 0000\n$/);
  assert.match(closed!, /: mode 0000, was 0400\n$/);
  assert.match(given!, /: owner \w+:\w+, was \w+:\w+\n$/);
  // Its creator keeps the right to remove what now is root's
  assert.match(removed!, /^removed segment /);
  assert.equal(findSegment(key), undefined);
});
