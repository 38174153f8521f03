/** Programs in an IPC namespace of their own, with limits of their own: nobody else is affected. */

import assert from "node:assert/strict";
import { hasTool, mayUnshare, type Needs } from "./needs.ts";
import { Peer, withLocalImports } from "./peer.ts";

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
  const source = withLocalImports(program);
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

/** A namespace for several programs; where this user may not have one, it is everybody's. */
export class SharedNamespace implements AsyncDisposable {
  readonly #holder: Peer | undefined;

  private constructor(holder: Peer | undefined) {
    this.#holder = holder;
  }

  /** Makes it. */
  static async make(): Promise<SharedNamespace> {
    if (!mayUnshare() || !hasTool("nsenter")) return new SharedNamespace(undefined);
    const holder = Peer.start("unshare", ["-i", "sh", "-c", "echo ready; exec cat"]);
    assert.equal(await holder.line(), "ready");
    return new SharedNamespace(holder);
  }

  /** Starts a program in it. */
  start(command: string, args: readonly string[], env: Record<string, string> = {}): Peer {
    return this.#holder === undefined
      ? Peer.start(command, args, env)
      : Peer.start("nsenter", [`--ipc=/proc/${this.#holder.pid}/ns/ipc`, command, ...args], env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder?.[Symbol.asyncDispose]();
  }
}
