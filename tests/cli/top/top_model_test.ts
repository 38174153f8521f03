/** What `top` does with keys and with what has changed, without a terminal or a segment. */

import assert from "node:assert/strict";
import type { Key } from "../../../src/cli/terminal/keys.ts";
import type { TopAction, TopModel } from "../../../src/cli/top/top_model.ts";
import type { TopFacts } from "../../../src/cli/top/top_row.ts";
import { channel, modelOf, segment, snapshot } from "./top_fixture.ts";

const EXTENT = { page: 3, lastScroll: 5 };

/** Presses keys and gives what the last one asks for. */
function press(model: TopModel, ...keys: readonly Key[]): TopAction | undefined {
  return keys.map((key) => model.press(key, EXTENT)).at(-1);
}

function segments(...ids: readonly number[]): TopFacts[] {
  return ids.map((id) => segment({ id, size: 1000 - id }));
}

const selected = (model: TopModel): number | undefined => model.rows[model.index]?.id;
const ids = (model: TopModel): number[] => model.rows.map(({ id }) => id);
const changes = (model: TopModel): string[] =>
  model.rows.map(({ id, change }) => `${id} ${change}`);

Deno.test("TopModel: keys move the selection, to the ends and no further", () => {
  const model = modelOf(segments(1, 2, 3, 4, 5, 6, 7));
  const moves: readonly (readonly [Key, number])[] = [
    ["up", 1],
    ["down", 2],
    ["j", 3],
    ["k", 2],
    ["pagedown", 5],
    ["pagedown", 7],
    ["down", 7],
    ["pageup", 4],
    ["home", 1],
    ["G", 7],
    ["g", 1],
    ["end", 7],
  ];
  for (const [key, id] of moves) {
    assert.equal(press(model, key), undefined);
    assert.equal(selected(model), id, key);
  }
});

Deno.test("TopModel: the selection follows its segment, or keeps its place", () => {
  const model = modelOf(segments(1, 2, 3));
  press(model, "down");
  model.update(snapshot(segments(0, 1, 2, 3)));
  assert.equal(selected(model), 2);
  press(model, "r");
  assert.deepEqual([ids(model), selected(model)], [[3, 2, 1, 0], 2]);
  press(model, "s"); // by owner, who is the same: by id then
  assert.deepEqual([ids(model), selected(model)], [[0, 1, 2, 3], 2]);
  model.update(snapshot(segments(0, 1, 3)));
  assert.equal(selected(model), 2, "it is seen going");
  assert.deepEqual(ids(model), [0, 1, 2, 3]);
  model.update(snapshot(segments(0, 1, 3)));
  assert.equal(selected(model), 3);
  model.update(snapshot([]));
  model.update(snapshot([]));
  assert.deepEqual([ids(model), model.index], [[], 0]);
  for (const key of ["down", "enter", "d", "end", "s"]) assert.equal(press(model, key), undefined);
});

Deno.test("TopModel: a change shows once", () => {
  const facts = { id: 1, nattch: 2, mode: 0o600, ctime: null };
  const model = modelOf([segment(facts), segment({ id: 2 })]);
  assert.deepEqual(changes(model), ["1 ", "2 "]);
  model.update(snapshot([segment({ ...facts, nattch: 5 }), segment({ id: 3 })]));
  assert.deepEqual(changes(model), ["1 +3", "2 gone", "3 new"]);
  model.update(snapshot([
    segment({ ...facts, nattch: 4, key: 0, markedForRemoval: true, uid: 7 }),
    segment({ id: 3, locked: true, mode: 0o640 }),
  ]));
  assert.deepEqual(changes(model), ["1 -1,dest,owner", "3 locked,mode"]);
  model.update(snapshot([
    segment({ ...facts, nattch: 4, key: 0, markedForRemoval: true, uid: 7 }),
    segment({ id: 3, mode: 0o640 }),
  ]));
  assert.deepEqual(changes(model), ["1 ", "3 unlocked"]);
});

Deno.test("TopModel: the rate counts the messages between two snapshots", () => {
  const at = (seconds: number): { time: Date } => ({ time: new Date(1e12 + seconds * 1e3) });
  const look = (id: number, messages?: number): TopFacts =>
    segment(
      { id, nattch: 1 },
      messages === undefined ? {} : { content: channel({ count: messages }) },
    );
  const model = modelOf([look(1, 100), look(2), look(3, 5)], at(0));
  const rates = (): (number | null)[] => model.rows.map(({ rate }) => rate);
  assert.deepEqual(rates(), [null, null, null], "one look is none");
  press(model, "enter");
  model.update(snapshot([look(1, 600), look(2, 7), look(3, 5)], at(2)));
  assert.deepEqual(rates(), [250, null, 0]);
  assert.equal(model.page.kind === "segment" && model.page.row.rate, 250);
  // Another channel took its place; two looks in the same millisecond
  model.update(snapshot([look(1, 0), look(2, 8), look(3)], at(2)));
  assert.deepEqual(rates(), [0, 1000, null]);
  model.update(snapshot([look(1, 1)], at(3)));
  assert.deepEqual(rates(), [1, null, null], "what is gone has none");
});

Deno.test("TopModel: a segment that is no longer chosen is not gone", () => {
  const chosen = (id: number): boolean => id !== 2;
  const model = modelOf(segments(1, 2, 3));
  model.update(snapshot(segments(1, 2, 3), { chosen }));
  assert.deepEqual(changes(model), ["1 ", "3 "]);
  model.update(snapshot(segments(1, 2, 3)));
  assert.deepEqual(changes(model), ["1 ", "2 ", "3 "]);
});

Deno.test("TopModel: keys sort by every column, in both orders", () => {
  const model = modelOf([
    segment({ id: 1, size: 30, key: -1, nattch: 0, cpid: 0 }),
    segment({ id: 2, size: 10, key: 5, nattch: 9, cpid: 8 }),
    segment({ id: 3, size: 20, key: 0, nattch: 1, cpid: 9 }),
  ]);
  const orders: Record<string, number[]> = {};
  do {
    press(model, ">");
    assert.equal(model.message, `sorted by ${model.order.sort}`);
    orders[model.order.sort] = ids(model);
  } while (model.order.sort !== "id");
  assert.deepEqual(orders["key"], [3, 2, 1], "a key is no signed number to people");
  assert.deepEqual(orders["size"], [2, 3, 1]);
  assert.deepEqual(orders["nattch"], [1, 3, 2]);
  assert.deepEqual(orders["cpid"], [2, 3, 1], "unknown last");
  assert.equal(Object.keys(orders).length, 15);
  press(model, "<");
  assert.equal(model.order.sort, "key");
  press(model, "<");
  assert.equal(model.order.sort, "pids");
  press(model, ">", ">", "r");
  assert.deepEqual(ids(model), [3, 2, 1]);
  assert.equal(model.message, "sorted by id, reversed");
});

Deno.test("TopModel: removal needs y to a question", () => {
  const model = modelOf([segment({ id: 5, nattch: 2 })]);
  for (const key of ["d", "delete"]) {
    for (const no of ["n", "enter", "escape", "q", " ", "d"]) {
      assert.equal(press(model, key), undefined);
      assert.equal(model.asked?.id, 5);
      assert.equal(press(model, no), undefined, no);
      assert.deepEqual([model.asked, model.message], [undefined, "not removed"]);
    }
    press(model, key);
    assert.deepEqual(press(model, "y"), { kind: "remove", row: model.rows[0] });
    assert.equal(model.asked, undefined);
  }
  press(model, "d");
  assert.deepEqual(press(model, "ctrl-c"), { kind: "quit" });
});

Deno.test("TopModel: no question about a segment that is gone", () => {
  const model = modelOf(segments(1));
  model.update(snapshot([]));
  press(model, "d");
  assert.deepEqual([model.asked, model.message], [undefined, "segment 1 is gone"]);
  press(model, "enter");
  assert.equal(model.page.kind, "segment");
  assert.equal(model.firstBytes, undefined);
});

Deno.test("TopModel: inspecting reads at once only if a process is attached", () => {
  const model = modelOf([segment({ id: 1, nattch: 1 }), segment({ id: 2 })]);
  for (const key of ["enter", "i"]) {
    assert.deepEqual(press(model, key), { kind: "look", id: 1 });
    assert.deepEqual(model.page, { kind: "segment", row: model.rows[0] });
    assert.equal(press(model, "escape"), undefined);
    assert.equal(model.page.kind, "list");
  }
  assert.equal(press(model, "down", "enter"), undefined);
  assert.match((model.firstBytes as { why: string }).why, /^not read: /);
  assert.deepEqual(press(model, "x"), { kind: "look", id: 2 });
  model.firstBytes = { bytes: new Uint8Array(3) };
  model.update(snapshot([segment({ id: 2, nattch: 1 })]));
  assert.deepEqual(model.page.kind === "segment" && model.page.row.change, "+1");
  assert.deepEqual(model.firstBytes, { bytes: new Uint8Array(3) });
  model.update(snapshot([]));
  assert.deepEqual(model.page.kind === "segment" && model.page.row.change, "gone");
  press(model, "d");
  assert.equal(model.message, "segment 2 is gone");
  press(model, "q");
  assert.deepEqual([model.page.kind, model.firstBytes], ["list", undefined]);
});

Deno.test("TopModel: pages scroll to their end, and their keys leave the list alone", () => {
  const model = modelOf(segments(1, 2, 3));
  press(model, "?", "down", "j", "up", "pagedown");
  assert.deepEqual([model.page.kind, model.scroll], ["help", 4]);
  press(model, "end", "down");
  assert.equal(model.scroll, 5);
  press(model, "home", "s", "d", "x", "enter", "r");
  assert.deepEqual([model.scroll, model.order.sort, model.asked], [0, "id", undefined]);
  press(model, "end", "q", "?");
  assert.equal(model.scroll, 0);
  press(model, "escape");
  assert.equal(selected(model), 1);
});

Deno.test("TopModel: keys that quit, refresh and redraw; Ctrl-Z does nothing", () => {
  for (const key of ["q", "escape", "ctrl-c"]) {
    assert.deepEqual(press(modelOf(segments(1)), key), { kind: "quit" });
  }
  const model = modelOf(segments(1));
  assert.deepEqual(press(model, "?", "ctrl-c"), { kind: "quit" });
  press(model, "q");
  assert.deepEqual(press(model, " "), { kind: "refresh" });
  assert.deepEqual(press(model, "ctrl-l"), { kind: "redraw" });
  assert.equal(press(model, "ctrl-z"), undefined);
  assert.match(model.message, /cannot be suspended/);
  assert.equal(press(model, "z"), undefined);
  assert.equal(model.message, "", "the next key takes it away");
});
