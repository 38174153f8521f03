/** Starting `every_part.ts` in surroundings that deny something, and what its report must say. */

import assert from "node:assert/strict";
import { Peer, PROJECT } from "../support/peer.ts";
import type { Outcome, Report } from "./every_part.ts";

/** How a shell script of a test starts it: `"$deno" run ...`. */
const SCRIPT = ["sh", "-ec"];

/** The program as words of a command. */
export const EVERY_PART: readonly string[] = [
  Deno.execPath(),
  ...["run", "--no-check", "--allow-ffi", `${PROJECT}tests/floors/every_part.ts`],
];

/** Waits for the end of the program, which must have printed its report and nothing else. */
export async function reportOf(peer: Peer): Promise<Report> {
  await using started = peer;
  await started.endInput();
  const { code, stdout, stderr } = await started.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

/** Runs the program after a shell script, in an IPC namespace of its own. */
export async function reportAfter(script: string, ...limits: readonly string[]): Promise<Report> {
  const command = [...SCRIPT, `${script}; exec "$0" "$@"`, ...EVERY_PART, ...limits];
  return await reportOf(Peer.start("unshare", ["-i", ...command]));
}

/** Asserts that all parts work and nothing is left. */
export function assertAllWork({ outcomes, left }: Report): void {
  assert.deepEqual(outcomes.filter(({ code }) => code !== ""), []);
  assert.deepEqual(left, []);
}

/** The parts that failed. Each must have failed with one line that matches, and nothing is left. */
export function failedParts({ outcomes, left }: Report, message: RegExp): string[] {
  const failed = outcomes.filter(({ code }) => code !== "");
  for (const outcome of failed) assertClear(outcome, message);
  assert.deepEqual(left, []);
  return failed.map(({ part }) => part);
}

function assertClear({ part, code, message }: Outcome, expected: RegExp): void {
  if (part.startsWith("shm ")) {
    assert.equal(code, "1", `${part}: ${message}`);
    assert.match(message, /^error: [^\n]+\n$/, part);
  }
  assert.match(message, expected, part);
}
