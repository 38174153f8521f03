/** Which senders are gone without having closed, from the counters of their lanes. */

import assert from "node:assert/strict";
import type { ChannelStats } from "../../src/channel/channel_stat.ts";
import { lostSenders } from "../../src/cli/lost_senders.ts";

interface Counts {
  readonly opened: number;
  readonly closed: number;
  readonly alive?: boolean;
  readonly depth?: number;
}

function stats(...lanes: readonly Counts[]): ChannelStats {
  return {
    laneCapacity: 4096,
    messageSize: 0,
    consumerPid: undefined,
    users: 1,
    persistent: false,
    lanes: lanes.map(({ opened, closed, alive = false, depth = 0 }, lane) => ({
      ...{
        lane,
        depth,
        bytes: 0,
        messages: 0,
        fullWaits: 0,
        opened,
        closed,
        pid: 100 + lane,
        alive,
      },
    })),
  };
}

const ROWS: readonly (readonly [string, Counts, Counts, boolean])[] = [
  ["closed", { opened: 0, closed: 0 }, { opened: 1, closed: 1 }, false],
  ["killed", { opened: 0, closed: 0 }, { opened: 1, closed: 0 }, true],
  ["there still", { opened: 0, closed: 0 }, { opened: 1, closed: 0, alive: true }, false],
  [
    "killed, and another there",
    { opened: 0, closed: 0 },
    { opened: 2, closed: 0, alive: true },
    true,
  ],
  ["killed long ago", { opened: 5, closed: 4 }, { opened: 6, closed: 5 }, false],
  ["killed just before", { opened: 5, closed: 4, depth: 1 }, { opened: 5, closed: 4 }, true],
  ["there before", { opened: 1, closed: 0, alive: true }, { opened: 1, closed: 0 }, true],
  ["past 2^32", { opened: 2 ** 32 - 1, closed: 2 ** 32 - 1 }, { opened: 1, closed: 0 }, true],
];

Deno.test("lostSenders: those that did not close, since the start or with messages left", () => {
  for (const [what, before, now, lost] of ROWS) {
    const found = lostSenders(
      stats({ opened: 1, closed: 1 }, before),
      stats({ opened: 1, closed: 1 }, now),
    );
    assert.deepEqual(found, lost ? [{ lane: 1, pid: 101 }] : [], what);
  }
});
