/**
 * Random structs, the same for the same seed: what the compiler tests compare with gcc.
 */
import { aligned } from "../../src/layout/aligned.ts";
import { array } from "../../src/layout/array.ts";
import { cString } from "../../src/layout/c_string.ts";
import type {
  AnyStructLayout,
  FieldLayout,
  Fields,
  Layout,
  Pack,
  StructLayout,
} from "../../src/layout/layout.ts";
import {
  bool,
  char,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  u16,
  u32,
  u64,
  u8,
} from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";

const SCALARS = [bool, char, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64];
const PACKS: Pack[] = [1, 2, 4, 8, 16];
const ODD_NAMES = [
  "constructor",
  "toString",
  "toJSON",
  "length",
  "_",
  "In",
  "S",
  "x_",
  "f",
  "buffer",
];

/** How deep structs lie in structs, at most. */
const DEPTH = 3;

/** The mulberry32 generator: numbers from 0 up to 1. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` structs that together have every kind of field, packing and alignment. */
export function randomStructs(seed: number, count: number): StructLayout<Fields>[] {
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const chance = (p: number): boolean => next() < p;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const made: AnyStructLayout[] = [];

  function layout(depth: number): Layout {
    const kind = next();
    if (kind < 0.5) return pick(SCALARS);
    if (kind < 0.6) return cString(1 + below(20));
    if (kind < 0.8 || depth === DEPTH) {
      return array(depth === DEPTH ? pick(SCALARS) : layout(depth + 1), 1 + below(4));
    }
    // One struct in several places is one type in C too.
    return chance(0.2) && made.length > 0 ? pick(made) : randomStruct(depth + 1);
  }

  function randomStruct(depth: number): StructLayout<Fields> {
    const fields: Record<string, FieldLayout> = {};
    const length = 1 + below(depth === 0 ? 8 : 4);
    for (let i = 0; i < length; i++) {
      const field = layout(depth);
      const name = chance(0.1) ? pick(ODD_NAMES) : `f${i}`;
      fields[name] = chance(0.15) ? aligned(field, 2 ** below(7)) : field;
    }
    const S = struct(fields, {
      ...(chance(0.4) ? { pack: pick(PACKS) } : {}),
      ...(chance(0.2) ? { align: 2 ** below(7) } : {}),
    });
    if (depth === DEPTH) made.push(S);
    return S;
  }

  return Array.from({ length: count }, () => randomStruct(0));
}
