/** Listings, and facts of one segment, compared with the system's own tools. */

import assert from "node:assert/strict";
import { findSegment, setSegmentPermissions } from "../../src/sysv/mod.ts";
import { listSegments, removeSegment, Segment, statSegment } from "../../mod.ts";
import { ForeignObject, output } from "../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

Deno.test("statSegment: times are null until the event, and then its time", () => {
  const segment = Segment.create({ size: 1 });
  const created = segment.stat();
  assert.equal(created.dtime, null);
  assert(created.atime !== null && created.ctime !== null);
  assert(Math.abs(created.ctime.getTime() - Date.now()) < 3_600_000);
  segment.detach();
  assert(statSegment(segment.id).dtime !== null);
  segment.remove();
});

Deno.test("removeSegment: the second call is EINVAL", () => {
  const segment = Segment.create({ size: 1 });
  segment.detach();
  removeSegment(segment.id);
  assert.throws(() => removeSegment(segment.id), {
    code: "EINVAL",
    message: /no segment has this id/,
  });
  assert.throws(() => removeSegment(0x7ffffff0), { code: "EINVAL" });
});

Deno.test("listSegments: each segment once, with the facts of statSegment", () => {
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

testWith({ tools: ["ipcs", "ipcmk", "ipcrm"] }, "listSegments: the same as ipcs -m", () => {
  using one = Segment.create({ key: freshKey(), size: 4097, mode: 0o640 });
  using two = Segment.create({ size: 1 });
  try {
    using foreign = ForeignObject.segment(5, "0604");
    // Other programs' objects may come and go between the two looks
    const ids = [one.id, two.id, foreign.id];
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
    const chosen = (rows: number[][]): Set<string> =>
      new Set(rows.filter(([, id]) => ids.includes(id!)).map(String));
    assert.equal(chosen(ours).size, 3);
    assert.deepEqual(chosen(ours), chosen(theirs));
  } finally {
    one.remove();
    two.remove();
  }
});

testWith(
  { tools: ["cat"] },
  "listSegments: the same as /proc/sysvipc/shm, to the last digit",
  () => {
    using locked = Segment.create({ key: freshKey(), size: 4097, mode: 0o640 });
    using marked = Segment.create({ size: 1 });
    const unused = Segment.create({ key: freshKey() - 2 ** 31, size: 2 ** 40, noReserve: true });
    marked.remove();
    locked.lockMemory();
    unused.detach();
    try {
      const [header, ...rows] = output("cat", "/proc/sysvipc/shm").trimEnd().split("\n");
      const names = header!.trim().split(/ +/);
      const theirs = rows.map((row) => {
        const cells = row.trim().split(/ +/);
        const cell = (name: string): number => Number(cells[names.indexOf(name)]);
        const time = (name: string): Date | null =>
          cell(name) === 0 ? null : new Date(cell(name) * 1000);
        const flags = parseInt(cells[names.indexOf("perms")]!, 8);
        return {
          ...{ key: cell("key"), id: cell("shmid"), mode: flags & 0o777 },
          ...{ uid: cell("uid"), gid: cell("gid"), cuid: cell("cuid"), cgid: cell("cgid") },
          ...{ size: cell("size"), nattch: cell("nattch"), cpid: cell("cpid"), lpid: cell("lpid") },
          ...{ atime: time("atime"), dtime: time("dtime"), ctime: time("ctime") },
          markedForRemoval: (flags & 0o1000) !== 0,
          locked: (flags & 0o2000) !== 0,
        };
      });
      // Other programs' objects may come and go between the two looks
      const ids = [locked.id, marked.id, unused.id];
      const chosen = <Row extends { readonly id: number }>(rows: readonly Row[]): Row[] =>
        rows.filter(({ id }) => ids.includes(id));
      assert.deepEqual(chosen(listSegments()), chosen(theirs));
      assert.equal(chosen(theirs).length, 3);
    } finally {
      locked.remove();
      unused.remove();
    }
  },
);

Deno.test("findSegment: by key; nothing by IPC_PRIVATE, or once the segment is marked for removal", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 1 });
  assert.equal(findSegment(key), segment.id);
  segment.remove();
  assert.equal(findSegment(key), undefined);
  assert.equal(findSegment(0), undefined);
  assert.throws(() => findSegment(2 ** 32), RangeError);
  assert.throws(() => findSegment(0.5), TypeError);
});

Deno.test("statSegment and removeSegment: an impossible id is refused before any call", () => {
  for (const id of [-1, 0.5, NaN, 2 ** 31]) {
    assert.throws(() => statSegment(id), RangeError);
    assert.throws(() => removeSegment(id), RangeError);
    assert.throws(() => setSegmentPermissions(id, { mode: 0o600 }), RangeError);
  }
});
