/**
 * The shapes of the litmus test: what each of two sides does in a round, and which outcome no order of
 * the accesses explains. `peer.c` has the same bodies in C.
 *
 * The two sides are in the same round, or one of them is a round ahead. A value is the number of the
 * round that stored it, so nothing is reset between rounds.
 */

/** Where the words are, in units of 4 bytes: each has two cache lines of its own. */
export const AT = { done: [0, 32], x: 64, y: 96, payload: 128, ring: 256 } as const;

/** Slots of the ring, and words of a slot. */
export const RING = { slots: 8, words: 8 } as const;

/** The cells, in the ring's place. */
export const CELLS = { count: 2, words: 32 } as const;

/** The size of the segment in bytes. */
export const SIZE = 4 * (AT.ring + RING.slots * RING.words);

/** What a side does in a round; it returns what it saw, as a number from 0 to 3. */
export type Body = (round: number) => number;

/** How a shape reads and writes the words that order the others. */
interface Access {
  load(words: Int32Array, index: number): number;
  store(words: Int32Array, index: number, value: number): void;
}

const ATOMIC: Access = {
  load: (words, index) => Atomics.load(words, index),
  store: (words, index, value) => void Atomics.store(words, index, value),
};

const PLAIN: Access = {
  load: (words, index) => words[index]!,
  store: (words, index, value) => void (words[index] = value),
};

/** Two accesses a side, and the outcome that shows a reordering. */
interface Shape {
  bodies(words: Int32Array, access: Access): readonly [Body, Body];
  /** Whether an outcome of both sides is one that sequential consistency excludes. */
  reordered(first: number, second: number): boolean;
}

const isNew = (value: number, round: number): number => value === round ? 1 : 0;

/**
 * Message passing, SYNC tail: a payload by plain stores, then a flag. Flag new and payload old is a
 * reordering.
 */
const MP: Shape = {
  bodies: (words, { load, store }) => [
    (round) => {
      words[AT.payload] = round;
      words[AT.payload + 40] = round;
      store(words, AT.x, round);
      return 0;
    },
    (round) => {
      const flag = load(words, AT.x);
      const seen = isNew(words[AT.payload + 40]!, round) & isNew(words[AT.payload]!, round);
      return isNew(flag, round) | seen << 1;
    },
  ],
  reordered: (_, second) => second === 1,
};

/**
 * Store buffering, SYNC asleep: each side stores its own word, then loads the other's. Both old is a
 * reordering.
 */
const SB: Shape = {
  bodies: (words, { load, store }) => {
    const side = (own: number, other: number): Body => (round) => {
      store(words, own, round);
      return isNew(load(words, other), round);
    };
    return [side(AT.x, AT.y), side(AT.y, AT.x)];
  },
  reordered: (first, second) => first === 0 && second === 0,
};

/** Load buffering: each side loads the other's word, then stores its own. Both new is a reordering. */
const LB: Shape = {
  bodies: (words, { load, store }) => {
    const side = (own: number, other: number): Body => (round) => {
      const seen = load(words, other);
      store(words, own, round);
      return isNew(seen, round);
    };
    return [side(AT.x, AT.y), side(AT.y, AT.x)];
  },
  reordered: (first, second) => first === 1 && second === 1,
};

/**
 * Two stores a side, to the same two words in opposite order. That each side's first store is the last
 * of its word is a reordering. The second side looks at a round's words in the next round, in which
 * other words are stored.
 */
const TWO_WRITES: Shape = {
  bodies: (words, { load, store }) => {
    const side = (one: number, other: number, seen: Body): Body => (round) => {
      const before = seen(round - 1);
      store(words, one + (round & 1), 2 * round);
      store(words, other + (round & 1), 2 * round + 1);
      return before;
    };
    // Even is what a first store wrote
    const seen: Body = (round) =>
      round === 0
        ? 3
        : (load(words, AT.x + (round & 1)) & 1) | (load(words, AT.y + (round & 1)) & 1) << 1;
    return [side(AT.x, AT.y, () => 0), side(AT.y, AT.x, seen)];
  },
  reordered: (_, second) => second === 0,
};

/**
 * Overwriting, SYNC overwrite and SYNC reuse: an announcement, then plain stores over what is read; the
 * other side copies by plain loads and looks at the announcement afterwards. A new word in a copy without a
 * new announcement is a reordering.
 */
const OW: Shape = {
  bodies: (words, { load, store }) => [
    (round) => {
      store(words, AT.x, round);
      load(words, AT.x);
      words[AT.payload] = round;
      words[AT.payload + 40] = round;
      return 0;
    },
    (round) => {
      const seen = isNew(words[AT.payload + 40]!, round) | isNew(words[AT.payload]!, round);
      store(words, AT.y, round);
      return seen | isNew(load(words, AT.x), round) << 1;
    },
  ],
  reordered: (_, second) => second === 1,
};

const SHAPES: Readonly<Record<string, Shape>> = { MP, SB, LB, "2+2W": TWO_WRITES, OW };

/** The bodies of the shape `name`, with `Atomics` or with plain accesses in their place. */
export function bodies(name: string, words: Int32Array, plain: boolean): readonly [Body, Body] {
  return SHAPES[name]!.bodies(words, plain ? PLAIN : ATOMIC);
}

/**
 * The shapes without rounds, with names of their outcomes. A message of the ring is whole, or has words of an
 * earlier or a later lap. A copy of a cell is whole, or was overtaken and is refused, or passes all the same.
 */
export const STREAMS: Readonly<Record<string, readonly string[]>> = {
  ring: ["whole", "earlier", "later"],
  cells: ["whole", "refused", "torn"],
};

/** How many of the outcomes that side 1 counted show a reordering. */
export function reordered(name: string, outcomes: readonly number[]): number {
  const isSo = (i: number): boolean =>
    name === "ring" ? i > 0 : name === "cells" ? i > 1 : SHAPES[name]!.reordered(i >> 2, i & 3);
  return outcomes.reduce((sum, count, i) => isSo(i) ? sum + count : sum, 0);
}
