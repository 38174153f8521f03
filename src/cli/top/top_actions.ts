/** The system access of `top`: a snapshot of all segments, the bytes of one, its removal. */

import { Segment } from "../../sysv/segment.ts";
import { segmentLimits, segmentUsage } from "../../sysv/segment_limits.ts";
import { removeSegment, type SegmentStat } from "../../sysv/segment_stat.ts";
import { CHANNEL } from "../objects/channel_facts.ts";
import { LATEST } from "../objects/latest_facts.ts";
import type { LibraryReader } from "../objects/library_object.ts";
import type { LibraryKind } from "../objects/library_kind.ts";
import { TOPIC } from "../objects/topic_facts.ts";
import { attempt } from "../objects/named_objects.ts";
import { SEGMENTS } from "../objects/removable.ts";
import { FactsReader, type SegmentFacts } from "../objects/segment_facts.ts";
import type { Choice } from "../objects/selection.ts";
import { Inventory } from "../objects/unused.ts";
import type { FirstBytes, Snapshot } from "./top_model.ts";
import type { TopContent, TopRow } from "./top_row.ts";
import { plural } from "../text/wording.ts";

/** How many bytes of a segment are shown: enough to recognise it. */
const FIRST_BYTES = 256;

/** A snapshot of all segments. `chosen` selects the segments to show; defaults to all. */
export function snapshot(chosen: Choice = () => true): Snapshot {
  const inventory = new Inventory();
  const stats = inventory.segments;
  const ids = new Set(
    stats.filter((stat) => chosen(stat, () => inventory.segment(stat))).map(({ id }) => id),
  );
  const reader = new FactsReader({ inventory });
  return {
    time: new Date(),
    segments: stats.map((stat) => {
      const facts = reader.facts(stat);
      const content = contentOf(facts);
      return {
        ...facts,
        attachers: reader.attachersOf(stat.id) ?? null,
        content,
        depth: content?.depth ?? null,
      };
    }),
    chosen: (id) => ids.has(id),
    usage: segmentUsage(),
    limits: segmentLimits(),
  };
}

/** What can be read of each kind. */
const OBJECTS: Readonly<Partial<Record<LibraryKind, LibraryReader>>> = {
  channel: CHANNEL,
  latest: LATEST,
  topic: TOPIC,
};

/** The content of an object of this library; null if it has none, or no process is attached. */
function contentOf({ id, kind, nattch }: SegmentFacts): TopContent | null {
  const object = kind === null ? undefined : OBJECTS[kind];
  if (object === undefined || nattch === 0) return null;
  const looked = attempt(() => object.look(id));
  if ("error" in looked) return null;
  const stat = looked.result;
  return { ...object.content(stat), lines: (rate) => object.lines(stat, rate) };
}

/** The first bytes, for which the segment is briefly attached, or why they cannot be read. */
export function firstBytes(id: number): FirstBytes {
  const copied = attempt(() => {
    using segment = Segment.attach(id, { readOnly: true, trust: true });
    return segment.read(0, Math.min(FIRST_BYTES, segment.size));
  });
  return "result" in copied ? { bytes: copied.result } : { why: copied.error };
}

/** Marks the segment for removal and returns what happened to it. */
export function remove(row: TopRow): string {
  // Much may have changed between the question and its answer
  const inventory = new Inventory();
  const now = inventory.segments.find(({ id }) => id === row.id);
  if (now === undefined || !isSame(row, now)) return `segment ${row.id} is gone`;
  if (MORE_IN_USE[inventory.segment(now).verdict] > MORE_IN_USE[row.use]) {
    return `segment ${row.id} came into use just now: not removed, d asks again`;
  }
  const removal = attempt(() => removeSegment(row.id));
  if ("error" in removal) return removal.error;
  const left = SEGMENTS.usersLeft(row.id);
  return left === 0
    ? `segment ${row.id} removed`
    : `segment ${row.id} marked for removal: it goes when its ${
      plural(left, "attach does", "attaches do")
    }`;
}

const MORE_IN_USE = { orphan: 0, idle: 1, "in use": 2 } as const;

function isSame(row: TopRow, now: SegmentStat): boolean {
  return row.size === now.size && row.cuid === now.cuid && row.cgid === now.cgid &&
    row.cpid === (now.cpid === 0 ? null : now.cpid) &&
    (row.key === now.key || now.markedForRemoval);
}
