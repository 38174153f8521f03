/** What `watch` shows on a screen: what changed stands out for a while, and nothing is too wide. */

import assert from "node:assert/strict";
import { parseStruct } from "../../../mod.ts";
import type { Key } from "../../../src/cli/terminal/keys.ts";
import { type Line, lineWidth, type Size } from "../../../src/cli/terminal/spans.ts";
import { FRESH_MS, type WatchedFacts, WatchModel } from "../../../src/cli/watch/watch_model.ts";
import { watchFrame } from "../../../src/cli/watch/watch_view.ts";
import { random } from "../command_line.ts";
import { watchLook } from "./watch_fixture.ts";

const USUAL: Size = { columns: 80, rows: 24 };

const text = (line: Line): string => line.map((span) => span.text).join("").trimEnd();
const shown = (model: WatchModel, size = USUAL): string[] =>
  watchFrame(model, size).lines.map(text);

/** Pieces of the frame that stand out in this way. */
function formatted(model: WatchModel, format: string | undefined, size = USUAL): string[] {
  return watchFrame(model, size).lines.slice(2, -1).flat()
    .filter((span) => String(span.format) === String(format)).map((span) => span.text);
}

const FRESH = "bold,inverse";

/** What is shown of a segment; `data` is what is in it, and after a change `show` tells. */
class Watching {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly model: WatchModel;

  constructor(length: number, facts: Partial<WatchedFacts> = {}) {
    this.data = new Uint8Array(length);
    const range = { offset: 0, length };
    const all = {
      id: 5,
      keyHex: "0x00000457",
      noun: undefined,
      size: length,
      range,
      layout: undefined,
      interval: "100ms",
    };
    const copy = this.data.slice();
    this.model = new WatchModel({ ...all, ...facts }, watchLook(copy, copy));
  }

  /** A look at what `change` does, at a time in milliseconds. */
  look(at: number, change: (data: Uint8Array<ArrayBuffer>) => void = () => {}): number {
    const before = this.model.look.now;
    change(this.data);
    const same = before.every((byte, i) => byte === this.data[i]);
    return this.model.update(watchLook(before, same ? before : this.data.slice(), at));
  }

  press(key: Key, size = USUAL): boolean {
    return this.model.press(key, watchFrame(this.model, size));
  }
}

Deno.test("watchFrame: title, state, bytes as in hexdump, and hints", () => {
  const watching = new Watching(64);
  assert.equal(watching.look(10, (data) => data.set([0x68, 0x69], 0x1f)), 1);
  const lines = shown(watching.model);
  assert.equal(lines.length, 24);
  assert.deepEqual(lines.slice(0, 7), [
    "segment 5  key 0x00000457  64 bytes                                     03:04:05",
    "1 change  1 attached beside us  every 100ms  following",
    "  00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "* 00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 68  |...............h|",
    "* 00000020  69 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |i...............|",
    "  00000030  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "",
  ]);
  assert.equal(lines[23], "q quit  f follow changes  Up, Down, PgUp, PgDn scroll");
});

Deno.test("watchFrame: a change is fresh for a while, and old after it", () => {
  const watching = new Watching(16);
  watching.look(10, (data) => data[3] = 0x41);
  assert.deepEqual(formatted(watching.model, FRESH), ["41", "A"]);
  watching.look(10 + FRESH_MS - 1);
  assert.deepEqual(formatted(watching.model, FRESH), ["41", "A"]);
  assert.equal(watching.look(10 + FRESH_MS), 0);
  assert.deepEqual(formatted(watching.model, FRESH), []);
  assert.deepEqual(formatted(watching.model, "yellow"), ["41", "A"]);
  assert.match(shown(watching.model)[2]!, /^ {2}0/);
  assert.match(shown(watching.model)[1]!, /^1 change /);
});

Deno.test("watchFrame: follows changes until the user scrolls, and again with f", () => {
  const size = { columns: 80, rows: 9 };
  const watching = new Watching(1600);
  const offsets = (): string[] =>
    shown(watching.model, size).slice(2, 8).map((line) => line.slice(2, 10));
  watching.look(1, (data) => data[0x50] = 1);
  assert.equal(offsets()[0], "00000000", "what can be seen needs no scrolling");
  watching.look(2, (data) => data[0x400] = 1);
  assert.deepEqual([offsets()[0], offsets()[3]], ["000003d0", "00000400"]);
  watching.look(3, (data) => data[1599] = 1);
  assert.deepEqual([offsets()[0], offsets()[5]], ["000005e0", "00000630"]);
  assert(watching.press("up", size));
  assert.equal(offsets()[0], "000005d0");
  watching.look(4, (data) => data[0] = 1);
  assert.equal(offsets()[0], "000005d0");
  assert.doesNotMatch(shown(watching.model)[1]!, /following/);
  watching.press("f", size);
  assert.equal(offsets()[0], "00000000");
  for (const [key, offset] of [["end", "000005e0"], ["pageup", "00000580"], ["home", "00000000"]]) {
    watching.press(key!, size);
    assert.equal(offsets()[0], offset);
  }
});

Deno.test("WatchModel: q, Escape and Ctrl-C quit, other keys do not", () => {
  const watching = new Watching(16);
  for (const key of ["q", "escape", "ctrl-c"]) assert(!watching.press(key));
  for (const key of ["x", "enter", "ctrl-z", "down"]) assert(watching.press(key));
});

Deno.test("watchFrame: a part of a segment, with its own offsets", () => {
  const range = { offset: 0x1000, length: 20 };
  const watching = new Watching(20, { range, size: 8192 });
  watching.look(5, (data) => data[19] = 0xff);
  assert.deepEqual(shown(watching.model).slice(0, 4), [
    "segment 5  key 0x00000457  8192 bytes (8K)  20 from 00001000            03:04:05",
    "1 change  1 attached beside us  every 100ms  following",
    "  00001000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
    "* 00001010  00 00 00 ff                                       |....|",
  ]);
  assert.deepEqual(formatted(watching.model, FRESH), ["ff", "."]);
});

Deno.test("watchFrame: fields with their values, now and before", () => {
  const layout = parseStruct("int count; char name[300]; struct { short x; } at[2];");
  const watching = new Watching(layout.size, { layout });
  assert.equal(
    watching.look(5, (data) => {
      data[0] = 42;
      data.fill(0x61, 4, 250);
    }),
    2,
  );
  const long = `"${"a".repeat(64)}"... (246 bytes)`;
  assert.deepEqual(shown(watching.model, { columns: 200, rows: 8 }).slice(2, 7), [
    "* count   42  was 0",
    `* name    ${long}  was ""`,
    "  at[0].x 0",
    "  at[1].x 0",
    "",
  ]);
  assert.deepEqual(formatted(watching.model, FRESH, { columns: 200, rows: 8 }), ["42", long]);
  assert.deepEqual(shown(watching.model, { columns: 20, rows: 5 }), [
    "segment 5   03:04:05",
    "* count   42  was 0",
    '* name    "aaaa~  was ""',
    "  at[0].x 0",
    "q quit",
  ]);
  watching.look(6, (data) => data[0] = 43);
  assert.equal(shown(watching.model)[2], "* count   43  was 42");
});

Deno.test("watchFrame: at any size as many lines as rows, and none wider from 20 on", () => {
  const next = random(9);
  const layout = parseStruct("char name[16]; int very_long_name_of_a_field_indeed; double d[20];");
  for (let round = 0; round < 300; round++) {
    const length = next(2) === 0 ? layout.size : 1 + next(500);
    const watching = new Watching(length, length === layout.size ? { layout } : {});
    for (let look = 1; look < 4; look++) {
      watching.look(look * 400, (data) => data[next(length)] = next(256));
      const size = { columns: 1 + next(120), rows: 1 + next(30) };
      const { lines } = watchFrame(watching.model, size);
      assert.equal(lines.length, size.rows);
      for (const line of lines) {
        assert.doesNotMatch(text(line), /\p{Cc}/u);
        if (size.columns >= 20 && watching.model.facts.layout === undefined) {
          assert(lineWidth(line) <= size.columns);
        }
      }
      watching.press(["up", "end", "f", "pagedown"][next(4)]!, size);
    }
  }
});
