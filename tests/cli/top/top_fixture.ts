/** Segments for the tests of `top`, as its looks at the system could find them: nothing is created. */

import type { ProcessState } from "../../../ffi/processes.ts";
import type { SegmentStat } from "../../../mod.ts";
import type { Attacher } from "../../../src/cli/objects/processes.ts";
import { FactsReader } from "../../../src/cli/objects/segment_facts.ts";
import { Inventory } from "../../../src/cli/objects/unused.ts";
import { type Snapshot, TopModel } from "../../../src/cli/top/top_model.ts";
import type { TopContent, TopFacts } from "../../../src/cli/top/top_row.ts";
import { segmentStat } from "../../support/objects.ts";

/** Only this process lives, and nothing else is on this system. */
const stateOf = (pid: number): ProcessState => pid === Deno.pid ? "alive" : "gone";
const inventory = new Inventory({ segments: [], sets: [], stateOf });
const reader = new FactsReader({ extras: false, inventory });

/** What is to be told of a segment beyond what the kernel tells. */
export interface Extras {
  readonly owner?: string;
  readonly attachers?: readonly Attacher[];
  readonly resident?: number;
  readonly content?: TopContent;
}

/** One segment. */
export function segment(stat: Partial<SegmentStat>, extras: Extras = {}): TopFacts {
  const { attachers, content } = extras;
  const proc = attachers === undefined
    ? { attachers: null }
    : { attachers, pids: attachers.map(({ pid }) => pid), resident: 0, swapped: 0 };
  const inIt = { content: content ?? null, depth: content?.depth ?? null };
  return { ...reader.facts(segmentStat(stat)), ...proc, ...extras, ...inIt } as TopFacts;
}

/** A channel of which only the counts matter. */
export function channel({ depth = 0, count = 0 }: Partial<TopContent> = {}): TopContent {
  return { depth, count, lines: () => [] };
}

/** What a look finds. */
export function snapshot(segments: readonly TopFacts[], more: Partial<Snapshot> = {}): Snapshot {
  return {
    time: new Date(2026, 0, 2, 3, 4, 5),
    segments,
    chosen: () => true,
    usage: {
      segments: segments.length,
      pages: 2,
      resident: 1,
      swapped: 0,
      swapAttempts: 0,
      swapSuccesses: 0,
    },
    limits: { shmmax: 2n ** 64n - 1n, shmmin: 1, shmmni: 4096, shmall: 2n ** 52n, pageSize: 4096 },
    ...more,
  };
}

/** `top` after its first look, in the order of ids. */
export function modelOf(segments: readonly TopFacts[], more: Partial<Snapshot> = {}): TopModel {
  return new TopModel(snapshot(segments, more), { sort: "id", reverse: false });
}
