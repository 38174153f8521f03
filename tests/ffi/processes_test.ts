/** Whether a process runs, has ended or does not exist, beside real processes. */

import assert from "node:assert/strict";
import { processExists, processState } from "../../ffi/processes.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";

guardAgainstLeaks();

Deno.test("processExists: an unused id does not exist, and no id means a process group", () => {
  assert(processExists(Deno.pid));
  for (const pid of [0, -1, -Deno.pid, 0x7fffffff]) assert(!processExists(pid));
});

testWith({ tools: ["sleep"] }, "processExists: until the process ends", async () => {
  await using peer = Peer.start("sleep", ["60"]);
  assert(processExists(peer.pid));
  peer.kill("SIGKILL");
  await peer.ended();
  assert(!processExists(peer.pid));
});

testWith(
  { tools: ["perl"] },
  "processState: a zombie has ended, and its id is not gone",
  async () => {
    await using parent = Peer.start("perl", [
      "-e",
      `$| = 1; pipe my $read, my $write; my $child = fork // die $!;
    if (!$child) { close $read; exit }
    close $write; my $end = <$read>; print "$child\n"; <STDIN>; waitpid $child, 0;
    print "reaped\n"; <STDIN>`,
    ]);
    const child = Number(await parent.line());
    assert.equal(processState(parent.pid), "alive");
    // The pipe closes a moment before the process has ended
    while (processState(child) === "alive");
    assert.equal(processState(child), "zombie");
    assert(!processExists(child));
    await parent.write("\n");
    await parent.line();
    assert.equal(processState(child), "gone");
    assert.equal(processState(0), "gone");
  },
);
