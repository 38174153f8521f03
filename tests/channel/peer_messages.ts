/** The messages that `peer.c` sends and checks, and how it is built. For the tests of this folder. */

import assert from "node:assert/strict";
import { CProgram } from "../support/c_program.ts";

/** `peer.c`, to be compiled with `flags` when it is first started; once a test file. */
export function cPeer(...flags: readonly string[]): CProgram {
  return new CProgram(new URL("peer.c", import.meta.url), "-O2", ...flags);
}

const U64 = (1n << 64n) - 1n;

function shuffle(sequence: number, tag: number, length: number, word: number): bigint {
  const sum = BigInt(sequence) * 0x9e3779b97f4a7c15n + BigInt(tag) + (BigInt(length) << 32n) +
    BigInt(word);
  const x = sum & U64;
  const y = ((x ^ (x >> 29n)) * 0xbf58476d1ce4e5b9n) & U64;
  return y ^ (y >> 32n);
}

/** A message of the peer's kind. */
export function peerMessage(sequence: number, tag: number, length: number): Uint8Array {
  const words = new BigUint64Array(Math.ceil(length / 8));
  for (let word = 0; word < words.length; word++) {
    words[word] = word === 0 ? BigInt(sequence) : shuffle(sequence, tag, length, word);
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** A length from 0 to `most` for each message. */
export function lengthOf(sequence: number, most: number): number {
  return Number(shuffle(sequence, 0, 0, 0) % BigInt(most + 1));
}

/** Checks messages as they come: for each tag in order, whole, from 0 on. */
export class Checker {
  readonly #next = new Map<number, number>();
  count = 0;

  /** Fails if it is not the next one of its tag. */
  check(bytes: Uint8Array, tag: number): void {
    const sequence = this.#next.get(tag) ?? 0;
    this.#next.set(tag, sequence + 1);
    this.count++;
    assert.deepEqual(bytes, peerMessage(sequence, tag, bytes.length), `message ${sequence}`);
  }

  /** How many came, by tag. */
  get tags(): Record<number, number> {
    return Object.fromEntries(this.#next);
  }
}
