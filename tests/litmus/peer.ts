/**
 * One side of a litmus test: `peer.ts SEGMENT SIDE SHAPE ACCESS ROUNDS`, where SIDE is 0 or 1 and ACCESS
 * is `atomic` or `plain`. Side 1 prints how often each outcome of the two sides occurred, as JSON.
 * `peer.c` is the same in C.
 */

import { Segment } from "../../mod.ts";
import { AT, bodies, type Body, CELLS, RING } from "./shapes.ts";

const [id, sideText, shape, access, rounds] = Deno.args;
const side = Number(sideText);
const segment = Segment.attach(Number(id));
const words = new Int32Array(segment.buffer);
const clock = new Int32Array(new SharedArrayBuffer(4));

/** Spins until `ready`. A peer that has no processor gets this one; a peer that has ended is noticed. */
function until(ready: () => boolean): void {
  for (let spins = 1; !ready(); spins++) {
    if (spins % 0x4000 === 0) Atomics.wait(clock, 0, 0, 1);
    if (spins === 0x4000 * 30_000) throw new Error("the other side has ended");
  }
}

/** Waits some accesses long, so that the sides do not always meet in the same way. */
let random = 88675123 + side;
function dawdle(): void {
  random ^= random << 13;
  random ^= random >>> 17;
  random ^= random << 5;
  for (let left = random & 7; left > 0; left--) Atomics.load(words, AT.done[0]);
}

/**
 * All rounds of one shape. A side's word has its round, what it saw in it, and what it saw in the one
 * before, as the other side may be a round behind. Returns how often each outcome of both occurred.
 */
function play([first, second]: readonly [Body, Body], rounds: number): number[] {
  const [own, other] = side === 0 ? AT.done : [AT.done[1], AT.done[0]];
  const body = side === 0 ? first : second;
  const outcomes = new Array<number>(16).fill(0);
  let before = 0;
  for (let round = 1; round <= rounds + 1; round++) {
    until(() => Atomics.load(words, other) >> 4 >= round - 1);
    const theirs = Atomics.load(words, other);
    const saw = theirs >> 4 === round - 1 ? theirs >> 2 & 3 : theirs & 3;
    if (round > 1) outcomes[saw << 2 | before]!++;
    dawdle();
    const seen = body(round);
    Atomics.store(words, own, round << 4 | seen << 2 | before);
    before = seen;
  }
  return outcomes;
}

/**
 * A stream through a ring that wraps: words by plain stores, then the tail; words by plain loads, then
 * the head. Returns how many messages were whole, had words of an earlier lap, had words of a later one.
 */
function stream(rounds: number): number[] {
  const outcomes = [0, 0, 0];
  for (let message = 1; message <= rounds; message++) {
    const slot = AT.ring + message % RING.slots * RING.words;
    if (side === 0) {
      until(() => message - Atomics.load(words, AT.y) <= RING.slots);
      for (let i = 0; i < RING.words; i++) words[slot + i] = message;
      Atomics.store(words, AT.x, message);
    } else {
      until(() => Atomics.load(words, AT.x) >= message);
      let least = message;
      let most = message;
      for (let i = 0; i < RING.words; i++) {
        least = Math.min(least, words[slot + i]!);
        most = Math.max(most, words[slot + i]!);
      }
      Atomics.store(words, AT.y, message);
      outcomes[least < message ? 1 : most > message ? 2 : 0]!++;
    }
  }
  return outcomes;
}

/**
 * Cells that are overwritten while they are copied: side 0 publishes until side 1 has tried `rounds` copies.
 * Returns how many copies were whole, were refused, and passed without being whole.
 */
function overwrite(rounds: number): number[] {
  const outcomes = [0, 0, 0];
  const cell = (number: number): number => AT.ring + number % CELLS.count * CELLS.words;
  if (side === 0) {
    for (let number = 1; Atomics.load(words, AT.y) === 0; number++) {
      Atomics.load(words, AT.x); // SYNC reuse
      for (let i = 0; i < CELLS.words; i++) words[cell(number) + i] = number;
      Atomics.store(words, AT.x, number); // SYNC published
    }
    return outcomes;
  }
  until(() => Atomics.load(words, AT.x) > 0);
  for (let round = 0; round < rounds; round++) {
    const number = Atomics.load(words, AT.x); // SYNC published
    let same = true;
    for (let i = 0; i < CELLS.words; i++) same &&= words[cell(number) + i] === number;
    Atomics.store(words, AT.done[1], 0);
    const isValid = Atomics.load(words, AT.x) - number <= CELLS.count - 2; // SYNC reuse
    outcomes[isValid ? (same ? 0 : 2) : 1]!++;
  }
  Atomics.store(words, AT.y, 1);
  return outcomes;
}

function run(rounds: number): number[] {
  if (shape === "ring") return stream(rounds);
  if (shape === "cells") return overwrite(rounds);
  return play(bodies(shape!, words, access === "plain"), rounds);
}

const outcomes = run(Number(rounds));
if (side === 1) console.log(JSON.stringify(outcomes));
