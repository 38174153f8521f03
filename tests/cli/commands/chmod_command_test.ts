/** `cli.ts chmod` on segments that ipcmk and Perl made, as ipcs sees them afterwards. */

import assert from "node:assert/strict";
import { statSegment } from "../../../mod.ts";
import { ForeignObject, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey } from "../../support/peer.ts";
import { runHere } from "../command_line.ts";
import { ipcsFigures } from "../ipcs.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";

guardAgainstLeaks();

const FOREIGN = { tools: ["deno", "ipcmk", "ipcrm", "ipcs", "perl"] };

testWith(FOREIGN, "chmod: several, each from its own mode; one is not there", async () => {
  const key = freshKey();
  await using held = await perlSegment({ key, size: 5, mode: 0o604 });
  const { id: perls } = held;
  using ipcmks = ForeignObject.segment(100, "0640");
  const created = hexKey(statSegment(ipcmks.id).key);
  const names = [`id:${ipcmks.id}`, "0x5eed0fff", `0x${key.toString(16)}`, `id:${perls}`];
  const { code, stdout, stderr } = await runHere("chmod", "g=u,o+x", ...names);
  assert.equal(code, 1);
  assert.match(stderr, /^error: no segment has key \d+ \(0x5eed0fff\): [^\n]*\n$/);
  assert.equal(
    stdout,
    `segment ${ipcmks.id} (key ${created}, 100 bytes): ` +
      "mode 0661, was 0640\n" +
      `segment ${perls} (key 0x${key.toString(16)}, 5 bytes): mode 0665, was 0604\n`,
  );
  assert.equal(ipcsFigures(ipcmks.id).access_perms, "0661");
  assert.equal(ipcsFigures(perls).access_perms, "0665");
});

testWith(FOREIGN, "chmod: one marked for removal; its owner and times stay", async () => {
  const key = freshKey();
  await using held = await perlSegment({ key, size: 5 });
  const { id } = held;
  output("ipcrm", "-m", `${id}`);
  const before = ipcsFigures(id);
  const { code, stdout } = await runHere("chmod", "0", "--id", `${id}`);
  assert.deepEqual([code, stdout], [0, `segment ${id} (no key, 5 bytes): mode 0000, was 0600\n`]);
  const after = ipcsFigures(id);
  assert.equal(after.access_perms, "0");
  for (const name of ["uid", "gid", "cuid", "cgid", "nattch", "cpid", "lpid", "bytes"]) {
    assert.equal(after[name], before[name], name);
  }
});
