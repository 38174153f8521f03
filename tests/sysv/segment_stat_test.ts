/** Listings, limits and use, against what the system's own tools say. */

import assert from "node:assert/strict";
import {
  listSegments,
  removeSegment,
  Segment,
  segmentLimits,
  segmentUsage,
  statSegment,
} from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

function output(command: string, ...args: readonly string[]): string {
  const { stdout } = new Deno.Command(command, { args: [...args], env: { LC_ALL: "C" } })
    .outputSync();
  return new TextDecoder().decode(stdout);
}

Deno.test("times are null until something happens, and then the time it did", () => {
  const segment = Segment.create({ size: 1 });
  const created = segment.stat();
  assert.equal(created.dtime, null);
  assert(created.atime !== null && created.ctime !== null);
  assert(Math.abs(created.ctime.getTime() - Date.now()) < 3_600_000);
  segment.detach();
  assert(statSegment(segment.id).dtime !== null);
  segment.remove();
});

Deno.test("removeSegment is once: the second finds nothing", () => {
  const segment = Segment.create({ size: 1 });
  segment.detach();
  removeSegment(segment.id);
  assert.throws(() => removeSegment(segment.id), {
    code: "EINVAL",
    message: /no segment has this id/,
  });
  assert.throws(() => removeSegment(0x7ffffff0), { code: "EINVAL" });
});

Deno.test("the list has each segment once, with what stat says of it", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 4097, mode: 0o640 });
  try {
    const found = listSegments().filter(({ id }) => id === segment.id);
    assert.deepEqual(found, [segment.stat()]);
    assert.equal(found[0]?.key, key);
  } finally {
    segment.remove();
  }
});

testWith({ tools: ["ipcs"] }, "the list is ipcs -m's", () => {
  using one = Segment.create({ key: freshKey(), size: 4097, mode: 0o640 });
  using two = Segment.create({ size: 1 });
  try {
    const rows = output("ipcs", "-m").split("\n").filter((line) => line.startsWith("0x"));
    const theirs = rows.map((row) => {
      const [key, id, , mode, size, nattch] = row.split(/\s+/);
      return [Number(key) | 0, Number(id), parseInt(mode!, 8), Number(size), Number(nattch)];
    });
    const ours = listSegments().map(({ key, id, mode, size, nattch }) => [
      key,
      id,
      mode,
      size,
      nattch,
    ]);
    assert.deepEqual(new Set(ours.map(String)), new Set(theirs.map(String)));
  } finally {
    one.remove();
    two.remove();
  }
});

testWith({ tools: ["ipcs"] }, "limits and use are ipcs -l's and -u's", () => {
  using segment = Segment.create({ size: 3 * 4096 });
  segment.remove();
  segment.bytes.fill(1);
  const { shmmni } = segmentLimits();
  assert.equal(Number(/max number of segments = (\d+)/.exec(output("ipcs", "-lm"))?.[1]), shmmni);
  const usage = output("ipcs", "-um");
  const figure = (name: string): number => Number(new RegExp(`${name} (\\d+)`).exec(usage)?.[1]);
  const { segments, pages } = segmentUsage();
  assert.equal(figure("segments allocated"), segments);
  assert.equal(figure("pages allocated"), pages);
});
