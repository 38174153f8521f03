/** Segments as the kernel could tell of them, for tests of what is made of that: nothing is created. */

import type { SegmentStat } from "../../mod.ts";

/** A process id that no system gives. Source: PID_MAX_LIMIT of the kernel is 2^22. */
export const NO_PID = 0x7ffffffe;

/** A segment of root's, unused and unremarkable but for what is said. */
export function segmentStat(facts: Partial<SegmentStat> = {}): SegmentStat {
  return {
    key: 0,
    id: 1,
    mode: 0o600,
    uid: 0,
    gid: 0,
    cuid: 0,
    cgid: 0,
    size: 4096,
    nattch: 0,
    cpid: Deno.pid,
    lpid: 0,
    atime: null,
    dtime: null,
    ctime: new Date("2026-01-02T03:04:05Z"),
    markedForRemoval: false,
    locked: false,
    ...facts,
  };
}
