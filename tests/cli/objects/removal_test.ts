/** What `rm` decides, also when things change between looking and removing; nothing is created. */

import assert from "node:assert/strict";
import type { SegmentStat } from "../../../mod.ts";
import type { Outcome } from "../../../src/cli/objects/named_objects.ts";
import { SEGMENTS } from "../../../src/cli/objects/removable.ts";
import { REMOVAL_OPTIONS, remove } from "../../../src/cli/objects/removal.ts";
import { Inventory } from "../../../src/cli/objects/unused.ts";
import { parse } from "../../../src/cli/usage.ts";
import { NO_PID, segmentStat } from "../../support/objects.ts";
import { UsageError } from "../../../src/cli/errors.ts";

/** Runs a removal that sees `before`, and after its decisions `after`. */
function removing(
  args: readonly string[],
  before: readonly SegmentStat[],
  after: readonly SegmentStat[] = before,
): { readonly outcomes: Outcome[]; readonly removed: number[] } {
  const looks = [before, after];
  const removed: number[] = [];
  const outcomes = remove({
    ...SEGMENTS,
    list: () => [...looks.shift()!],
    judge: (segments) => {
      const inventory = new Inventory({ segments, sets: [] });
      return (stat) => inventory.segment(stat);
    },
    remove: ({ id }) => void removed.push(id),
    usersLeft: (id) => after.find((stat) => stat.id === id)?.nattch ?? 0,
  }, parse(args, REMOVAL_OPTIONS));
  return { outcomes, removed };
}

/** The error, or the line, of each. */
function told({ outcomes }: ReturnType<typeof removing>): (string | undefined)[] {
  return outcomes.map(({ error, line }) => error ?? line);
}

const A = segmentStat({ id: 4, key: 0xa, size: 10, cpid: 100 });
const B = segmentStat({ id: 5, key: 0xb, size: 20, cpid: 100 });
const LEFT = segmentStat({ id: 7, cpid: NO_PID });
const MARKED = segmentStat({ id: 6, nattch: 1, markedForRemoval: true });

Deno.test("remove: each once, in the order in which it was named first", () => {
  const result = removing(["0xb", "id:4", "0xa", "--id=5", "11", "--id", "4"], [A, B]);
  assert.deepEqual(result.removed, [5, 4]);
  assert.deepEqual(told(result), [
    "removed segment 5 (key 0x0000000b, 20 bytes)",
    "removed segment 4 (key 0x0000000a, 10 bytes)",
  ]);
});

Deno.test("remove: what is not there has its own error; the rest is removed", () => {
  const result = removing(["0xa", "0xc", "id:9", "/no/such/file:1", "0xb"], [A, B]);
  assert.deepEqual(result.removed, [4, 5]);
  assert.deepEqual(result.outcomes.map(({ key, id }) => [key, id]), [
    [0xa, 4],
    [0xc, null],
    [null, 9],
    [null, null],
    [0xb, 5],
  ]);
  const [, absentKey, absentId, noFile] = told(result);
  assert.match(absentKey!, /^no segment has key 12 \(0xc\): `[^`]+cli.ts ls`/);
  assert.match(absentId!, /^no segment has id 9/);
  assert.match(noFile!, /^cannot make a key from the file \/no\/such\/file: ftok: ENOENT/);
});

Deno.test("remove: a mistake in the last argument is found before any removal", () => {
  const confusable = segmentStat({ id: 11, key: 0xd });
  const rows: readonly (readonly [string[], RegExp])[] = [
    [["0xa", "0xb", "x"], /^"x" is not a key/],
    [["0xa", "0xb", "0"], /^key 0 is IPC_PRIVATE/],
    [["0xa", "--id=x"], /^"x" is not an id/],
    [["0xa", "0xc", "11"], /^11 is the key of segment 5 and the id of another/],
    [["0xa", "--mine"], /^KEY or ID, or --mine, --orphans and --older-than: not both$/],
    [["--id=4", "--older-than=1s"], /: not both$/],
    [["--older-than=x"], /^option --older-than: "x" is not a duration/],
    [[], /^Missing segment: KEY or id:ID, or choose with --mine, /],
    [["--force"], /^Missing segment: /],
  ];
  for (const [args, message] of rows) {
    const touched = (): never => assert.fail("something was removed");
    const kind = { ...SEGMENTS, list: () => [A, B, confusable], remove: touched };
    assert.throws(() => remove(kind, parse(args, REMOVAL_OPTIONS)), {
      constructor: UsageError,
      message: message,
    });
  }
});

Deno.test("remove: an id that another segment has since then is left alone", () => {
  const others = [{ key: 0xc }, { size: 11 }, { cpid: 101 }, { cuid: 1 }, { cgid: 1 }];
  for (const other of others) {
    const result = removing(["0xa", "0xb"], [A, B], [{ ...A, ...other }, B]);
    assert.deepEqual(result.removed, [5], JSON.stringify(other));
    assert.match(told(result)[0]!, /^segment 4 \(.*\) is gone, and another one has its id$/);
  }
});

Deno.test("remove: a segment stays the same with another owner, mode or key", () => {
  const now = { ...A, uid: 7, gid: 7, mode: 0, key: 0, markedForRemoval: true };
  assert.deepEqual(removing(["0xa"], [A], [now]).removed, [4]);
});

Deno.test("remove: what comes into use after the questions is left alone", () => {
  const busy = { ...A, nattch: 1 };
  const result = removing(["0xa", "0xb"], [A, B], [busy, B]);
  assert.deepEqual(result.removed, [5]);
  assert.match(told(result)[0]!, /^segment 4 .* came into use just now: run again/);
  assert.deepEqual(result.outcomes[0]!.facts, { removed: false, nattch: 1 });
  const forced = removing(["0xa", "--force"], [A], [busy]);
  assert.deepEqual(told(forced), [
    "marked segment 4 (key 0x0000000a, 10 bytes) for removal: it goes when its attach does",
  ]);
});

Deno.test("remove: what is marked already is not asked about, and not chosen", () => {
  assert.deepEqual(removing(["id:6"], [A, MARKED]).removed, [6]);
  assert.deepEqual(removing(["--older-than=1s", "--yes"], [LEFT, MARKED]).removed, [7]);
});

Deno.test("remove: --dry-run removes nothing and says what would be done", () => {
  const used = segmentStat({ id: 8, key: 0xc, nattch: 2 });
  const all = ["0xa", "0xc", "id:6", "--dry-run"];
  const result = removing(all, [A, used, MARKED]);
  assert.deepEqual(result.removed, []);
  assert.deepEqual(told(result), [
    "would remove segment 4 (key 0x0000000a, 10 bytes)",
    "would ask before removing segment 8 (key 0x0000000c, 4096 bytes): it has 2 attaches",
    "would mark segment 6 (no key, 4096 bytes) for removal: it goes when its attach does",
  ]);
  assert.deepEqual(
    told(removing([...all, "--force"], [A, used, MARKED]))[1],
    "would mark segment 8 (key 0x0000000c, 4096 bytes) for removal: it goes when its 2 attaches do",
  );
});
