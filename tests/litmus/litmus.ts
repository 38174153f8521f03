/**
 * The litmus test of the memory model: two processes over one segment, each shape a number of rounds, by
 * TypeScript and C in each place. `deno task litmus [ROUNDS [SHAPE]...]` prints how often each outcome
 * occurred, and fails if one of them shows a reordering. The shapes without atomics show what the machine
 * and the compilers reorder; on x86-64 and aarch64 SB has to be among them, or the test could not fail.
 */

import { Segment } from "../../mod.ts";
import { PROJECT, TestFolder } from "../support/peer.ts";
import { reordered, SIZE, STREAMS } from "./shapes.ts";

/** The shapes, in the order of the table. */
export const SHAPES = ["MP", "SB", "LB", "2+2W", "OW", "ring", "cells"] as const;

/** What the two sides are written in. */
export type Language = "TypeScript" | "C";

/** Which sides meet: each language in each place beside TypeScript. */
export const PAIRS: readonly (readonly [Language, Language])[] = [
  ["TypeScript", "TypeScript"],
  ["TypeScript", "C"],
  ["C", "TypeScript"],
];

/** One meeting of two sides. */
export interface Meeting {
  readonly shape: string;
  readonly sides: readonly [Language, Language];
  readonly plain: boolean;
  readonly rounds: number;
}

/** What a meeting gave. */
export interface Outcome {
  /** The rounds whose outcome no order of the accesses explains. */
  readonly reordered: number;
  /** How often each outcome occurred: `first side * 4 + second side`. */
  readonly outcomes: readonly number[];
}

function command(meeting: Meeting, side: number, id: number, folder: TestFolder): string[] {
  const { shape, sides, plain, rounds } = meeting;
  const args = [String(id), String(side), shape];
  if (sides[side] === "C") {
    const flags = ["-O2", "-std=gnu11", ...plain ? ["-DPLAIN"] : []];
    const source = `${PROJECT}tests/litmus/peer.c`;
    const program = folder.compile("gcc", `peer_${side}`, [...flags, source]);
    return [program, ...args, String(rounds)];
  }
  const access = plain ? "plain" : "atomic";
  const run = ["run", "--quiet", "--no-check", "--allow-ffi", `${PROJECT}tests/litmus/peer.ts`];
  return [Deno.execPath(), ...run, ...args, access, String(rounds)];
}

/** Lets two processes meet. */
export async function meet(meeting: Meeting): Promise<Outcome> {
  using folder = new TestFolder();
  using segment = Segment.create({ size: SIZE });
  // By its id it can be attached until the last process has detached
  segment.remove();
  const failed = new AbortController();
  const printed = await Promise.all([0, 1].map(async (side) => {
    const [program, ...args] = command(meeting, side, segment.id, folder);
    const { signal } = failed;
    const process = new Deno.Command(program!, { args, signal, stderr: "inherit" });
    const { success, stdout } = await process.output();
    if (success) return new TextDecoder().decode(stdout);
    failed.abort();
    throw new Error(`side ${side} of ${meeting.shape} failed`);
  }));
  const outcomes: number[] = JSON.parse(printed[1]!);
  return { reordered: reordered(meeting.shape, outcomes), outcomes };
}

/** The outcomes that occurred, as `first/second:count`. */
function histogram({ outcomes }: Outcome, shape: string): string {
  const name = (i: number): string => STREAMS[shape]?.[i] ?? `${i >> 2}/${i & 3}`;
  return outcomes.flatMap((count, i) => count === 0 ? [] : [`${name(i)}: ${count}`]).join(", ");
}

if (import.meta.main) {
  const [roundsText = "10000000", ...wanted] = Deno.args;
  const rounds = Number(roundsText);
  // A round and what was seen in it share a word
  if (!(rounds >= 1 && rounds < 2 ** 27)) throw new RangeError("rounds are from 1 to 2^27 - 1");
  const started = performance.now();
  let forbidden = 0;
  let seen = 0;
  for (const plain of [false, true]) {
    for (const shape of SHAPES) {
      const isWanted = wanted.length === 0 || wanted.includes(shape);
      if (!isWanted || plain && shape in STREAMS) continue;
      for (const sides of PAIRS) {
        const outcome = await meet({ shape, sides, plain, rounds });
        if (!plain) forbidden += outcome.reordered;
        else seen += outcome.reordered;
        console.log(
          `${shape.padEnd(5)} ${plain ? "plain " : "atomic"} ${sides.join(", ").padEnd(22)} ` +
            `reordered: ${outcome.reordered} of ${rounds} (${histogram(outcome, shape)})`,
        );
      }
    }
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(
    `${forbidden} forbidden outcomes, ${seen} reorderings of plain accesses, ${seconds} s`,
  );
  if (forbidden > 0 || seen === 0) Deno.exit(1);
}
