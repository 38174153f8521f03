/** Programs in an IPC namespace of their own, with limits of their own: nobody else is affected. */

import assert from "node:assert/strict";
import type { Needs } from "./needs.ts";
import { Peer, PROJECT } from "./peer.ts";

/** What tests that use {@linkcode inNamespace} need. */
export const IN_NAMESPACE: Needs = {
  tools: ["deno", "unshare", "sh"],
  root: true,
  namespace: true,
};

/**
 * Runs `program` (TypeScript that may import `@sysv/shm`) after setting `sysctls` of kernel.*, and
 * gives what it printed. The test fails if it complains.
 */
export async function inNamespace(
  sysctls: Readonly<Record<string, number | string>>,
  program: string,
): Promise<string> {
  const set = Object.entries(sysctls).map(([name, value]) =>
    `echo ${value} > /proc/sys/kernel/${name}`
  );
  const source = program.replaceAll("@sysv/shm", `file://${PROJECT}mod.ts`);
  await using peer = Peer.start("unshare", [
    "-i",
    "sh",
    "-ec",
    [...set, 'exec "$0" eval --ext=ts "$1"'].join("; "),
    Deno.execPath(),
    source,
  ]);
  const { stdout, stderr } = await peer.ended();
  assert.equal(stderr, "");
  return stdout.trim();
}
