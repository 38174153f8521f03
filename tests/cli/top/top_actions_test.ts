/** What `top` does to segments: looks, reads the first bytes, removes the one that was meant. */

import assert from "node:assert/strict";
import { Channel, listSegments, MailboxServer, Segment, statSegment } from "../../../mod.ts";
import { mayReadProc } from "../../../src/cli/objects/processes.ts";
import { firstBytes, remove, snapshot } from "../../../src/cli/top/top_actions.ts";
import type { TopFacts, TopRow } from "../../../src/cli/top/top_row.ts";
import { Latest } from "../../../src/latest/mod.ts";
import { Topic } from "../../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { freshKey } from "../../support/peer.ts";

guardAgainstLeaks();

/** The row of a segment as it is now. */
function rowOf(id: number): TopRow {
  return { ...snapshot().segments.find((each) => each.id === id)!, change: "", rate: null };
}

const exists = (id: number): boolean => listSegments().some((each) => each.id === id);

Deno.test("snapshot: all segments, the chosen ones, and the limits", () => {
  using segment = Segment.create({ size: 4097 });
  const all = snapshot();
  segment.remove();
  const found = all.segments.find(({ id }) => id === segment.id);
  assert.deepEqual([found?.size, found?.nattch, found?.cpid], [4097, 1, Deno.pid]);
  assert.equal(found?.attachers === null, !mayReadProc());
  assert(all.chosen(segment.id));
  assert(all.usage.pages >= 2 && all.limits.shmmni > 0);
  const none = snapshot(() => false);
  assert(!none.chosen(segment.id));
  assert(none.segments.some(({ id }) => id === segment.id), "totals are of all");
});

Deno.test("snapshot: reads topics and latest values, whose messages do not wait", () => {
  using topic = Topic.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 4096 });
  using latest = Latest.openOrCreate({ key: freshKey(), size: 10 });
  topic.publisher().publishBatch([new Uint8Array(1), new Uint8Array(2)]);
  latest.writer().write(new Uint8Array(3));
  const { segments } = snapshot();
  for (
    const [id, kind, count, line] of [
      [topic.id, "topic", 2, `1: pid ${Deno.pid}`],
      [latest.id, "latest", 1, `pid ${Deno.pid}`],
    ] as const
  ) {
    const { kind: seen, depth, content } = segments.find((each) => each.id === id)!;
    assert.deepEqual([seen, depth, content?.depth, content?.count], [kind, null, null, count]);
    const lines = Object.fromEntries(content!.lines(1500));
    assert.equal(lines[kind === "topic" ? "publishers" : "writer"], line);
    assert.match(lines[kind === "topic" ? "ever" : "version"]!, /, 1\.5k\/s$/);
  }
});

Deno.test("snapshot: reads channels that are in use, and nothing else", () => {
  const keys = [0x5eed6001, 0x5eed6002];
  const [used, left] = keys.map((key) => Channel.openOrCreate({ key, lanes: 2, persistent: true }));
  using mailbox = MailboxServer.open({ key: 0x5eed6003 });
  left!.close();
  const before = statSegment(left!.id);
  try {
    const producer = used!.producer();
    const consumer = used!.consumer();
    producer.sendBatch([new Uint8Array(3), new Uint8Array(5), new Uint8Array(0)]);
    consumer.drain(() => {}, { max: 1 });
    const { segments } = snapshot();
    const facts = (id: number): TopFacts => segments.find((each) => each.id === id)!;
    const { content, depth } = facts(used!.id);
    assert.deepEqual([depth, content?.depth, content?.count], [2, 2, 3]);
    const lines = Object.fromEntries(content!.lines(5));
    assert.equal(lines.waiting, "2, 24 bytes in all");
    assert.equal(lines.ever, "3, 5/s");
    assert.deepEqual([lines.producers, lines.consumer], [`1: pid ${Deno.pid}`, `pid ${Deno.pid}`]);
    for (const id of [left!.id, mailbox.segment.id]) {
      assert.deepEqual([facts(id).content, facts(id).depth], [null, null]);
    }
    assert.deepEqual(statSegment(left!.id), before, "it was not attached");
  } finally {
    for (const channel of [used!, Channel.open(keys[1]!)]) {
      channel.remove();
      channel.close();
    }
  }
});

Deno.test("firstBytes: at most those of the segment, which it detaches again", () => {
  using large = Segment.create({ size: 1000 });
  large.write(Uint8Array.of(1, 2, 3), 253);
  assert.deepEqual(firstBytes(large.id), { bytes: large.read(0, 256) });
  assert.equal(statSegment(large.id).nattch, 1);
  using small = Segment.create({ size: 3 });
  assert.deepEqual(firstBytes(small.id), { bytes: new Uint8Array(3) });
  large.remove();
  small.remove();
  assert.match((firstBytes(0x7ffffff0) as { why: string }).why, /^cannot attach .*EINVAL/);
});

Deno.test("remove: another segment with the same id stays", () => {
  using segment = Segment.create({ size: 100 });
  const row = rowOf(segment.id);
  for (
    const other of [{ size: 99 }, { key: 99 }, { cpid: 1 }, { cpid: null }, { cuid: 77 }, {
      cgid: 77,
    }]
  ) {
    assert.equal(remove({ ...row, ...other }), `segment ${segment.id} is gone`);
  }
  assert.equal(segment.stat().markedForRemoval, false);
  segment.remove();
});

Deno.test("remove: a segment that came into use since the question stays", () => {
  const segment = Segment.create({ size: 100 });
  const { id } = segment;
  segment.detach();
  const row = rowOf(id);
  {
    using _again = Segment.attach(id);
    assert.match(remove(row), /^segment \d+ came into use just now: not removed, d asks again$/);
    assert.equal(statSegment(id).markedForRemoval, false);
  }
  assert.equal(remove(row), `segment ${id} removed`);
  assert(!exists(id));
});
