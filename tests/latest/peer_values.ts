/** The values that `peer.c` writes and checks, and how it is built. For the tests of this folder. */

import assert from "node:assert/strict";
import { CProgram } from "../support/c_program.ts";
import type { Peer } from "../support/peer.ts";

/** A safety net only: no test passes or fails by how fast something is. */
export const SOON = { timeout: 30_000 };

/** `peer.c`, to be compiled with `flags` when it is first started; once a test file. */
export function cPeer(...flags: readonly string[]): CProgram {
  return new CProgram(new URL("peer.c", import.meta.url), "-O2", ...flags);
}

const U64 = (1n << 64n) - 1n;

/** The value of a version. */
export function valueOf(version: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new BigUint64Array(Math.ceil(length / 8));
  const first = BigInt(version) * 0x9e3779b97f4a7c15n;
  for (let at = 0; at < words.length; at++) {
    words[at] = at === 0 ? BigInt(version) : (first + BigInt(at)) & U64;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Waits for its end, which must be a good one, and returns the numbers of its last line but one. */
export async function summary(program: Peer): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  const line = stdout.trimEnd().split("\n").at(-2)!;
  return Object.fromEntries(
    [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, Number(value)]),
  );
}

/** Fails unless it ended with one line of an error that says this. */
export async function refused(program: Peer, says: RegExp): Promise<void> {
  const { code, signal, stderr } = await program.ended();
  assert.deepEqual([code, signal, stderr.trimEnd().split("\n").length], [1, null, 1], stderr);
  assert.match(stderr, says);
}
