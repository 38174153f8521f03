/** The record of a segment that every command prints. */

import assert from "node:assert/strict";
import { FactsReader, type SegmentFacts } from "../../../src/cli/objects/segment_facts.ts";
import { Inventory } from "../../../src/cli/objects/unused.ts";
import { NO_PID, segmentStat } from "../../support/objects.ts";

/** A user and group id that no system names. */
const UNNAMED = 3_999_999_999;

Deno.test("FactsReader: the names and meanings that --json promises", () => {
  const stat = segmentStat({
    key: -559038737,
    id: 0,
    mode: 0o640,
    uid: 0,
    gid: UNNAMED,
    cuid: UNNAMED,
    cgid: 0,
    size: 2 ** 40 + 1,
    nattch: 3,
    cpid: NO_PID,
    atime: new Date("2026-01-02T03:04:05Z"),
    ctime: new Date("1999-12-31T23:59:59Z"),
    locked: true,
  });
  const facts: SegmentFacts = {
    key: -559038737,
    keyHex: "0xdeadbeef",
    id: 0,
    owner: "root",
    group: null,
    uid: 0,
    gid: UNNAMED,
    creator: null,
    creatorGroup: "root",
    cuid: UNNAMED,
    cgid: 0,
    mode: 0o640,
    perms: "0640",
    size: 2 ** 40 + 1,
    nattch: 3,
    status: "locked",
    markedForRemoval: false,
    locked: true,
    orphan: false,
    use: "in use",
    useReason: "attached 3 times",
    creatorState: "gone",
    lastUserState: "unseen",
    idleSince: null,
    ownerAttached: 0,
    ownerSets: 0,
    kind: null,
    atime: "2026-01-02T03:04:05.000Z",
    dtime: null,
    ctime: "1999-12-31T23:59:59.000Z",
    cpid: NO_PID,
    lpid: null,
    pids: null,
    resident: null,
    swapped: null,
  };
  const inventory = new Inventory({ segments: [stat], sets: [] });
  assert.deepEqual(new FactsReader({ extras: false, inventory }).facts(stat), facts);
});
