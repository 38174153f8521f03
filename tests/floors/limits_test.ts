/**
 * Every part under small limits of the kernel and of the process: it works, or the error names the limit with
 * its value and what helps, and nothing is left behind.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE } from "../support/own_namespace.ts";
import { Peer, withLocalImports } from "../support/peer.ts";
import { WITHOUT_COMMANDS } from "./every_part.ts";
import { assertAllWork, EVERY_PART, failedParts, reportAfter, reportOf } from "./surroundings.ts";

guardAgainstLeaks();

/** The parts that use semaphore sets. */
const SHARED = ["mailbox", "channel", "latest", "topic", "shm send", "shm pub", "shm latest"];

/** Limits of an IPC namespace, the message when one is reached, and a few of the parts that reach it. */
const SYSCTLS: readonly (readonly [string, string, RegExp, readonly string[]])[] = [
  ["sem", "2 100 100 100", /set may have 1 to 2 semaphores \(.*kernel\.sem/, SHARED],
  ["sem", "100 3 100 100", /0 of the 3 semaphores .*\(SEMMNS\).*kernel\.sem/, SHARED],
  ["sem", "100 1000 3 100", /at most 3 operations .*kernel\.sem/, ["channel", "topic"]],
  ["sem", "100 1000 100 0", /limit of 0 sets .*\(SEMMNI\).*kernel\.sem/, ["mutex", ...SHARED]],
  ["shmmni", "0", /limit of 0 segments .*kernel\.shmmni/, ["segment", "shm create", ...SHARED]],
  ["shmall", "1", /0 of the 1 pages .*kernel\.shmall/, ["channel", "topic", "shm send"]],
  ["shmmax", "100", /1 to 100 bytes .*kernel\.shmmax/, ["segment", ...SHARED]],
];
for (const [sysctl, value, message, failing] of SYSCTLS) {
  testWith(
    IN_NAMESPACE,
    `library and commands: kernel.${sysctl} = ${value}: clear errors, nothing left`,
    async () => {
      const report = await reportAfter(`echo ${value} > /proc/sys/kernel/${sysctl}`);
      const failed = failedParts(report, message);
      for (const part of failing) assert(failed.includes(part), `${part} works`);
    },
  );
}

testWith(
  { tools: ["deno"], files: true },
  "library: no file descriptor is left: all of it works, without io_uring",
  async () => {
    const command = [...EVERY_PART.slice(1), WITHOUT_COMMANDS, "NOFILE=0"];
    const noUpdate = { DENO_NO_UPDATE_CHECK: "1" };
    const report = await reportOf(Peer.start(EVERY_PART[0]!, command, noUpdate));
    assert.equal(report.ring, false);
    assertAllWork(report);
  },
);

testWith(
  { tools: ["deno", "prlimit"] },
  "Segment.create: no room under RLIMIT_AS: the error says the limit, and nothing is left",
  async () => {
    const limit = 2 ** 42;
    await using peer = Peer.start("prlimit", [
      `--as=${limit}`,
      ...[Deno.execPath(), "eval", "--ext=ts"],
      withLocalImports(`import { Segment, listSegments } from "@sysv/shm";
        try {
          Segment.create({ size: ${limit}, noReserve: true });
        } catch (error) {
          console.log(error.message);
        }
        console.log(listSegments().some(({ size }) => size === ${limit}));`),
    ]);
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    const why = `no room .* address space, which may have ${limit} bytes: raise RLIMIT_AS .*`;
    assert.match(stdout, new RegExp(`^cannot attach the segment: .*ENOMEM.*${why}\nfalse\n$`));
  },
);
