/** Names of users and groups, and whether a process lives: libc's answers beside other programs'. */

import assert from "node:assert/strict";
import { accountId, type AccountKind, accountName } from "../../ffi/accounts.ts";
import { processExists, processState } from "../../ffi/processes.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";

guardAgainstLeaks();

const DATABASE: Readonly<Record<AccountKind, string>> = { user: "passwd", group: "group" };

for (const kind of ["user", "group"] as const) {
  testWith(
    { tools: ["getent"] },
    `every ${kind} there is has the name and number of getent`,
    () => {
      const { stdout } = new Deno.Command("getent", { args: [DATABASE[kind]] }).outputSync();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      assert(lines.length > 3);
      const seen = new Set<number>();
      for (const line of lines) {
        const [name, , number] = line.split(":");
        assert.equal(accountId(kind, name!), Number(number));
        // Two names may share a number; the first is the one it is called by
        if (!seen.has(Number(number))) assert.equal(accountName(kind, Number(number)), name);
        seen.add(Number(number));
      }
    },
  );

  Deno.test(`a ${kind} that there is not has no name and no number`, () => {
    assert.equal(accountName(kind, 0xfffffff0), undefined);
    for (const name of ["", "no such account", "ro\0ot", "x".repeat(100_000)]) {
      assert.equal(accountId(kind, name), undefined);
    }
  });
}

Deno.test("processes that there are not do not exist, and no number means a group of them", () => {
  assert(processExists(Deno.pid));
  for (const pid of [0, -1, -Deno.pid, 0x7fffffff]) assert(!processExists(pid));
});

testWith({ tools: ["sleep"] }, "a process exists until its end", async () => {
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
