/** The C peers of latest values and topics, `peer.c` in their folders: what they write, and how they end. */

import assert from "node:assert/strict";
import type { Peer } from "./peer.ts";

/** A safety net only: no test passes or fails by how fast something is. */
export const SOON = { timeout: 30_000 };

const U64 = (1n << 64n) - 1n;

/** The value of a version, or the message of a number. */
export function numberedBytes(number: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new BigUint64Array(Math.ceil(length / 8));
  const first = BigInt(number) * 0x9e3779b97f4a7c15n;
  for (let at = 0; at < words.length; at++) {
    words[at] = at === 0 ? BigInt(number) : (first + BigInt(at)) & U64;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Its length, from 8 to `most`. */
export function numberedLength(number: number, most: number): number {
  return 8 + number % (most - 7);
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
