/**
 * The fence between a copy of memory that another process may be writing, and the load that tells whether
 * it did. x86-64 loads in order. ARMv8 does not, and an acquiring load orders only what follows it.
 * Therefore a release stands between them: the store to a word of this process, `stlr`. It comes after the
 * copy's loads, and the `ldar` of a later `Atomics.load` comes after `stlr`. Internal: used by the readers
 * that a writer does not wait for.
 */

/** A word of this process. */
const word = new Int32Array(1);

/** All loads before this call come before each later `Atomics.load`. */
export function loadFence(): void {
  Atomics.store(word, 0, 0);
}
