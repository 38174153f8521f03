/**
 * Every part under filters of system calls, as sandboxes and the engines of containers set them: it works by
 * other ways to wait, or the error names the call and says that a sandbox may forbid it.
 *
 * Not denied here: what Deno itself needs to start.
 */

import assert from "node:assert/strict";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import type { Peer } from "../support/peer.ts";
import { assertAllWork, EVERY_PART, failedParts, reportOf } from "./surroundings.ts";

guardAgainstLeaks();

const DENY = new CProgram(new URL("../../bench/peers/deny.c", import.meta.url), "-std=gnu11");
const NEEDS = { ...C_NEEDS, tools: [...C_NEEDS.tools, "deno"] };

function denied(errno: "EPERM" | "ENOSYS", calls: string): Peer {
  return DENY.start(errno, calls, ...EVERY_PART);
}

const WORKING: readonly (readonly [name: string, errno: "EPERM" | "ENOSYS", calls: string])[] = [
  // sysctl kernel.io_uring_disabled=2 has the same answer
  ["io_uring denied", "EPERM", "io_uring_setup"],
  ["a kernel without io_uring and pidfds", "ENOSYS", "io_uring_setup,pidfd_open"],
  ["Docker's default profile", "EPERM", "docker"],
];
for (const [name, errno, calls] of WORKING) {
  testWith(NEEDS, `library and commands: ${name}: all of them work`, async () => {
    const report = await reportOf(denied(errno, calls));
    assert.equal(report.ring, false);
    assertAllWork(report);
  });
}

const FAILING = ["shmget", "shmat", "semget", "semop,semtimedop"];
for (const [index, calls] of FAILING.entries()) {
  const errno = index % 2 === 0 ? "EPERM" : "ENOSYS";
  testWith(NEEDS, `library and commands: ${calls} denied: one clear error each`, async () => {
    const call = calls.split(",")[0]!;
    const failed = failedParts(
      await reportOf(denied(errno, calls)),
      new RegExp(`\\b${call}\\b.*${errno}.*a sandbox forbids it`),
    );
    for (const part of ["mailbox", "channel", "latest", "topic", "shm send", "shm server"]) {
      assert(failed.includes(part), `${part} works without ${call}`);
    }
  });
}
