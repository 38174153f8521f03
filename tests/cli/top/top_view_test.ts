/** What `top` shows: the right thing in the right place, and at no size more than fits. */

import assert from "node:assert/strict";
import type { SegmentStat } from "../../../mod.ts";
import { type Line, lineWidth, type Size } from "../../../src/cli/terminal/spans.ts";
import type { TopModel } from "../../../src/cli/top/top_model.ts";
import { topFrame } from "../../../src/cli/top/top_view.ts";
import { NO_PID } from "../../support/objects.ts";
import { random } from "../command_line.ts";
import { channel, modelOf, segment, snapshot } from "./top_fixture.ts";

const USUAL: Size = { columns: 80, rows: 24 };
const SETTINGS = { interval: "1s", filter: "" };

const text = (line: Line): string => line.map((span) => span.text).join("").trimEnd();

function shown(model: TopModel, size: Size = USUAL, settings = SETTINGS): string[] {
  return topFrame(model, size, settings).lines.map(text);
}

/** Three segments that differ in everything. */
function three(): TopModel {
  const stats: Partial<SegmentStat>[] = [
    { id: 0, key: 0x5eed, size: 4096, nattch: 2, cpid: 812, lpid: 815 },
    { id: 65538, key: -1, size: 3 * 2 ** 20, mode: 0o666, cpid: NO_PID, lpid: 9 },
    { id: 7, nattch: 1, markedForRemoval: true, locked: true, uid: 4_000_000_000, cpid: 5 },
  ];
  return modelOf(stats.map((stat) => segment(stat)));
}

const HINTS = "q quit  ? help  Enter inspect  d remove  s sort  r reverse";

Deno.test("topFrame: totals, columns, rows and hints, at 80x24", () => {
  const lines = shown(three());
  assert.equal(lines.length, 24);
  assert.deepEqual(lines.slice(0, 7), [
    "3 of 4096 segments  3 attached  1 orphan  1 marked                      03:04:05",
    "8K in 2 pages  no limit  4K in memory  by id  every 1s",
    "  KEY           ID OWNER      MODE  SIZE ATT CHANGE STATUS            CPID  LPID",
    "> 0x00005eed     0 root       0600    4K   2                           812   815",
    "  0x00000000     7 4000000000 0600    4K   1        dest,locked          5     -",
    "  0xffffffff 65538 root       0666    3M   0        orphan      2147483646     9",
    "",
  ]);
  assert.equal(lines[23], `${HINTS.padEnd(77)}1/3`);
});

Deno.test("topFrame: a narrow one keeps what matters most", () => {
  assert.deepEqual(shown(three(), { columns: 40, rows: 10 }), [
    "3 of 4096 segments  3 attached  03:04:05",
    "8K in 2 pages  no limit  4K in memory",
    "     ID OWNER       SIZE ATT CHANGE",
    ">     0 root          4K   2",
    "      7 4000000000    4K   1",
    "  65538 root          3M   0",
    ...["", "", ""],
    "q quit  ? help  Enter inspect        1/3",
  ]);
  assert.deepEqual(shown(three(), { columns: 20, rows: 5 }), [
    "3 of 4096 segments",
    "     ID  SIZE ATT",
    ">     0    4K   2",
    "      7    4K   1",
    "q quit  ? help   1/3",
  ]);
  assert.deepEqual(shown(three(), { columns: 5, rows: 1 }), [">   0"]);
});

Deno.test("topFrame: marks what changed, with and without colours", () => {
  const model = modelOf([segment({ id: 1 }), segment({ id: 2 }), segment({ id: 4 })]);
  model.update(snapshot([segment({ id: 1, nattch: 1 }), segment({ id: 3 }), segment({ id: 4 })]));
  const rows = topFrame(model, USUAL, SETTINGS).lines.slice(3, 7);
  assert.deepEqual(rows.map((line) => text(line).slice(0, 2)), [">*", " -", " +", "  "]);
  assert.deepEqual(rows.map((line) => / (\+1|gone|new) /.exec(text(line))?.[1]), [
    "+1",
    "gone",
    "new",
    undefined,
  ]);
  assert.deepEqual(rows.map((line) => line[0]!.format), [
    ["inverse", "yellow"],
    "red",
    "green",
    undefined,
  ]);
});

Deno.test("topFrame: the order, the filter, and limits that are nearly reached", () => {
  const model = modelOf([segment({ id: 1 })], {
    usage: { ...snapshot([]).usage, segments: 90, pages: 95, swapped: 3 },
    limits: { ...snapshot([]).limits, shmmni: 100, shmall: 100n },
  });
  model.press(">", { page: 1, lastScroll: 0 });
  model.press("r", { page: 1, lastScroll: 0 });
  model.press("z", { page: 1, lastScroll: 0 });
  const settings = { interval: "500ms", filter: "only orphans" };
  const [totals, memory, titles] = topFrame(model, { columns: 120, rows: 24 }, settings).lines;
  assert.match(text(totals!), /^90 of 100 segments \(90%\) {2}0 attached {2}only orphans {2}/);
  assert.equal(
    text(memory!),
    "380K in 95 pages (95%)  limit 400K  4K in memory  12K swapped  by owner, reversed  every 500ms",
  );
  assert.deepEqual([totals![0]!.format, memory![0]!.format], [["bold", "red"], ["bold", "red"]]);
  assert.deepEqual(titles!.find((span) => span.text === "OWNER")?.format, ["bold", "underline"]);
});

Deno.test("topFrame: a complete question at every width", () => {
  const model = modelOf([segment({ id: 65538, key: 0x5eed, nattch: 2 })]);
  model.press("d", { page: 1, lastScroll: 0 });
  const question = (columns: number): string => shown(model, { columns, rows: 5 }).at(-1)!;
  assert.equal(question(80), "remove segment 65538 (key 0x00005eed), 2 attached? y/N");
  assert.equal(question(40), "remove segment 65538, 2 attached? y/N");
  assert.equal(question(24), "remove 65538, 2 att? y/N");
  assert.equal(question(20), "remove 65538? y/N");
  assert.equal(shown(model, { columns: 20, rows: 1 }).at(-1), "remove 65538? y/N");
});

Deno.test("topFrame: a long message takes several lines, if there are enough", () => {
  const model = modelOf([]);
  model.message =
    "cannot remove the segment: shmctl for id 5: EPERM,\x1b[2J operation not permitted";
  assert.deepEqual(shown(model, { columns: 38, rows: 12 }).slice(-3), [
    "cannot remove the segment: shmctl for",
    "id 5: EPERM,\\x1b[2J operation not",
    "permitted",
  ]);
  assert.deepEqual(shown(model, { columns: 38, rows: 5 }).slice(-2), [
    "",
    "cannot remove the segment: shmctl for~",
  ]);
});

Deno.test("topFrame: with -A the attached processes and the memory", () => {
  const attachers = [
    { pid: 812, command: "postgres", times: 1 },
    { pid: 815, command: "evil\x1b[2J\n日本", times: 3 },
  ];
  const model = modelOf([segment({ id: 1, nattch: 4 }, { attachers, resident: 2 ** 20 })]);
  const row = (columns: number): string => shown(model, { columns, rows: 10 })[3]!;
  assert.match(row(120), / {3}1M 812 postgres, 815 evil\\x1b\[2J\\n日本 x3$/);
  assert.match(row(80), / {3}1M 812 postgr~$/);
  assert.doesNotMatch(row(50), /postgres/);
});

Deno.test("topFrame: all facts and the first bytes of a segment, scrolled", () => {
  const attachers = [{ pid: 812, command: "postgres", times: 2 }];
  const model = modelOf([
    segment({ id: 9, key: 0x5eed, nattch: 2, cpid: 812, lpid: 4, size: 2 ** 21, uid: 4e9 }, {
      attachers,
      resident: 4096,
    }),
  ]);
  model.press("enter", { page: 1, lastScroll: 0 });
  model.firstBytes = { bytes: new TextEncoder().encode("hello, segment!!\n") };
  const lines = shown(model).slice(2, 22);
  const ctime = lines.find((line) => line.startsWith("created/changed"));
  assert.deepEqual(lines, [
    "segment 9",
    "key              24301 (0x5eed)",
    "owner            4000000000, group root (0)",
    "creator          root (0), group root (0)",
    "mode             0600 rw-------",
    "size             2097152 bytes (2M), 512 pages of 4096",
    "attached         2 times",
    "status           -",
    "last attach      never",
    "last detach      never",
    ctime,
    "created by       pid 812 (gone)",
    "last used by     pid 4 (gone)",
    "in memory        4096 bytes (4K)",
    "swapped out      0 bytes",
    "attached by      pid 812 postgres, 2 times",
    "",
    "00000000  68 65 6c 6c 6f 2c 20 73  65 67 6d 65 6e 74 21 21  |hello, segment!!|",
    "00000010  0a                                                |.|",
    "",
  ]);
  const size = { columns: 40, rows: 8 };
  const frame = topFrame(model, size, SETTINGS);
  assert.equal(frame.page, 6);
  model.press("end", frame);
  assert.deepEqual(shown(model, size).slice(-5), [
    "", // between facts and bytes
    "0000 68 65 6c 6c 6f 2c 20 73 hello, s",
    "0008 65 67 6d 65 6e 74 21 21 egment!!",
    "0010 0a                      .",
    "q back  d remove  x read bytes",
  ]);
});

/** A channel that is used beside a segment that is none, after a look a second later. */
function withChannel(): TopModel {
  const look = (messages: number, seconds: number): Parameters<typeof modelOf> => [
    [
      segment({ id: 3, key: 0x8ae, size: 8 * 2 ** 20 + 2304, nattch: 3, cpid: 812, lpid: 815 }, {
        content: channel({ depth: 1234567, count: messages }),
      }),
      segment({ id: 4, nattch: 1, cpid: 812 }),
    ],
    { time: new Date(2026, 0, 2, 3, 4, seconds) },
  ];
  const model = modelOf(...look(2_000_000, 5));
  model.update(snapshot(...look(33_000_000, 6)));
  return model;
}

Deno.test("topFrame: depth and rate, if there are channels", () => {
  const list = (columns: number): string[] =>
    shown(withChannel(), { columns, rows: 24 }).slice(2, 5);
  assert.deepEqual(list(80), [
    "  KEY        ID OWNER MODE  SIZE ATT CHANGE   DEPTH MSG/S STATUS  CPID  LPID",
    "> 0x000008ae  3 root  0600    8M   3        1234567   31M          812   815",
    "  0x00000000  4 root  0600    4K   1              -     -          812     -",
  ]);
  assert.deepEqual(list(40), [
    "  ID  SIZE ATT CHANGE   DEPTH MSG/S",
    ">  3    8M   3        1234567   31M",
    "   4    4K   1              -     -",
  ]);
  assert.doesNotMatch(shown(three()).join("\n"), /DEPTH|MSG/);
});

Deno.test("topFrame: a segment that is gone, and bytes that cannot be read", () => {
  const model = modelOf([segment({ id: 9, markedForRemoval: true })]);
  model.press("enter", { page: 1, lastScroll: 0 });
  assert.match(
    shown(model).join("\n"),
    /\nkey +none: [^]*\nbytes +not read: /,
  );
  model.firstBytes = { why: "cannot attach the segment: \x1b" };
  assert.match(shown(model).join("\n"), /\nbytes +cannot attach the segment: \\x1b\n/);
  model.update(snapshot([]));
  assert.equal(shown(model)[2], "segment 9 is gone; what it was:");
  assert.deepEqual(shown(model, { columns: 20, rows: 7 }).slice(1, 4), [
    "segment 9 is gone; ~",
    "key",
    " none: private, or",
  ]);
});

Deno.test("topFrame: no segments, and the help", () => {
  const model = modelOf([]);
  assert.equal(shown(model)[3], "  no segments to show");
  assert.equal(shown(model).at(-1), HINTS);
  model.press("?", { page: 1, lastScroll: 0 });
  for (const key of ["Enter, i", "d, Delete", "Space", "q, Esc"]) {
    assert(shown(model).some((line) => line.startsWith(key)), key);
  }
});

Deno.test("topFrame: at any size as many lines as rows, and none wider", () => {
  const next = random(3);
  const names = ["root", "日本語日本語", "a\x1b[31mb\n", "x".repeat(64), "\u0301\u202e"];
  for (let round = 0; round < 400; round++) {
    const rows = Array.from(
      { length: next(30) },
      (_, id) =>
        segment({
          id: id * 2 ** next(26),
          nattch: next(1e6),
          key: next(2 ** 31),
          size: next(2 ** 31),
        }, {
          owner: names[next(names.length)]!,
          attachers: [{ pid: next(2 ** 22), command: names[next(names.length)]!, times: next(3) }],
          ...(next(3) === 0
            ? {
              content: channel({ depth: next(2 ** 31), count: next(2 ** 31) * next(2 ** 20) }),
            }
            : {}),
        }),
    );
    const model = modelOf(rows.slice(next(3)));
    if (next(2) === 0) model.update(snapshot(rows));
    let frame = topFrame(model, USUAL, SETTINGS);
    for (const key of ["down", "end", "enter", "?", "d", "pagedown", "q", "s"]) {
      if (next(3) === 0) model.press(key, frame);
      if (next(6) === 0) model.firstBytes = { bytes: new Uint8Array(next(300)) };
      if (next(6) === 0) model.message = names.join(" ");
      const size = { columns: 1 + next(100), rows: 1 + next(30) };
      frame = topFrame(model, size, { interval: "1s", filter: "only mine" });
      assert.equal(frame.lines.length, size.rows);
      for (const line of frame.lines) {
        assert.doesNotMatch(text(line), /[\p{Cc}\u202e]/u);
        if (size.columns >= 20) {
          assert(lineWidth(line) <= size.columns, `${size.columns}: ${text(line)}`);
        }
      }
    }
  }
});
