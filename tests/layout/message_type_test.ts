/** The type of a message: its text, its numbers, and the field that differs first. */

import assert from "node:assert/strict";
import {
  aligned,
  array,
  bool,
  char,
  cString,
  f32,
  f64,
  i32,
  i64,
  struct,
  u16,
  u8,
  union,
} from "../../mod.ts";
import {
  anonymous,
  type AnyStructLayout,
  bits,
  flexible,
  u16be,
  u32,
} from "../../src/layout/mod.ts";
import { fnv1a } from "../../src/layout/layout_hash.ts";
import { isMessageLayout } from "../../src/layout/message_text.ts";
import {
  checkMessageLayout,
  firstDifference,
  MESSAGE_TYPE,
  messageType,
  NO_MESSAGE_TYPE,
} from "../../src/layout/message_type.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

const Point = struct({ id: i32, x: f64, y: f64 });

Deno.test("messageType: the text has each leaf with its kind and place, then the size", () => {
  const texts: [AnyStructLayout, string][] = [
    [Point, "id:i32@0;x:f64@8;y:f64@16;24"],
    [struct({}), "0"],
    [struct({ a: bool, b: char, c: u16be, d: i64 }), "a:bool@0;b:char@1;c:u16be@2;d:i64@8;16"],
    [
      struct({ name: cString(16), tags: array(cString(4), 3) }),
      "name:char[16]@0;tags:char[3][4]@16;28",
    ],
    [
      struct({ text: array(char, 16), m: array(array(f32, 4), 3) }),
      "text:char[16]@0;m:f32[3][4]@16;64",
    ],
    [struct({ at: Point, n: u8 }), "at.id:i32@0;at.x:f64@8;at.y:f64@16;n:u8@24;32"],
    [
      struct({ n: u8, points: array(array(Point, 2), 3) }),
      "n:u8@0;points[3][2].id:i32@8+48+24;points[3][2].x:f64@16+48+24;points[3][2].y:f64@24+48+24;152",
    ],
    [
      struct({ outer: array(struct({ a: u16, inner: array(struct({ b: u8, c: u16 }), 2) }), 2) }),
      "outer[2].a:u16@0+10;outer[2].inner[2].b:u8@2+10+4;outer[2].inner[2].c:u16@4+10+4;20",
    ],
    [
      struct({ kind: u8, value: union({ whole: i32, real: f64, raw: array(u8, 8) }) }),
      "kind:u8@0;value.whole:i32@8;value.real:f64@8;value.raw:u8[8]@8;16",
    ],
    [
      struct({ kind: u8, _: anonymous(union({ whole: i32, real: f32 })), end: u8 }),
      "kind:u8@0;whole:i32@4;real:f32@4;end:u8@8;12",
    ],
    [
      struct({
        mode: bits(u32, 3),
        level: bits(i32, 13),
        _: anonymous(bits(u32, 0)),
        on: bits(bool, 1),
      }),
      "mode:u32:3@0.0;level:i32:13@0.3;on:bool:1@4.0;8",
    ],
    [
      struct({ flags: array(struct({ a: bits(u8, 3), b: bits(u8, 5) }), 4) }),
      "flags[4].a:u8:3@0.0+1;flags[4].b:u8:5@0.3+1;4",
    ],
    [struct({ a: u8, b: f64 }, { pack: 1 }), "a:u8@0;b:f64@1;9"],
    [struct({ a: aligned(u8, 64), b: u8 }), "a:u8@0;b:u8@1;64"],
    [struct({ n: i32, data: flexible(array(u16, 2)) }), "n:i32@0;data:u16[][2]@4;4"],
  ];
  for (const [layout, text] of texts) {
    const type = messageType(layout);
    assert.equal(type.text, text);
    assert.equal(type.hash, fnv1a(text));
    const leaves = text.split(";").slice(0, -1);
    const prefixes = leaves.map((_, i) => `${leaves.slice(0, i + 1).join(";")};`);
    const folded = prefixes.map((prefix) => fnv1a(prefix)).map((hash) =>
      (hash >>> 16) ^ (hash & 0xffff)
    );
    assert.deepEqual(type.fields, [...folded, ...new Array<number>(46 - folded.length).fill(0)]);
  }
  assert.equal(messageType(Point), messageType(Point), "computed once");
});

testWith(
  { files: true },
  "messageType: the example of docs/wire_format.md has its text and its numbers",
  () => {
    const page = Deno.readTextFileSync(`${PROJECT}docs/wire_format.md`);
    const example = page.slice(
      page.indexOf("For example, `struct { int32_t id; double x, y; }` is:"),
    );
    const { text, hash, fields } = messageType(Point);
    assert.equal(/```text\n(.*)\n```/.exec(example)?.[1], text);
    const hex = (value: number, digits: number): string =>
      `0x${value.toString(16).padStart(digits, "0")}`;
    assert.equal(/Its `hash` is `(0x\w+)`/.exec(example)?.[1], hex(hash, 8));
    const said = /`fields` begin with `(\w+)`, `(\w+)`, `(\w+)` and 0/.exec(example)?.slice(1);
    assert.deepEqual(said, fields.slice(0, 3).map((field) => hex(field, 4)));
    assert.equal(fields[3], 0);
  },
);

Deno.test("MESSAGE_TYPE: fills a header behind its first 32 bytes", () => {
  assert.deepEqual([MESSAGE_TYPE.size, MESSAGE_TYPE.fields.fields.offset], [96, 4]);
  const memory = new ArrayBuffer(96);
  const { hash, fields } = messageType(Point);
  MESSAGE_TYPE.write(memory, { hash, fields });
  assert.deepEqual(MESSAGE_TYPE.read(memory), { hash, fields });
  MESSAGE_TYPE.write(memory, NO_MESSAGE_TYPE);
  assert.deepEqual(new Uint8Array(memory), new Uint8Array(96));
});

/** A struct of `count` integers of which the one with number `odd`, if any, has another type. */
function many(count: number, odd = -1): AnyStructLayout {
  return struct(
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`f${i}`, i === odd ? f32 : i32]),
    ),
  );
}

Deno.test("messageType: of more than 46 fields all are in the hash, and 46 have a fingerprint", () => {
  const [ours, theirs] = [many(60), many(60, 50)].map((layout) => messageType(layout));
  assert.notEqual(ours!.hash, theirs!.hash);
  assert.deepEqual(ours!.fields, theirs!.fields);
  assert(ours!.fields.every((field) => field !== 0));
});

Deno.test("firstDifference: names the first of our fields that differs, or what follows the last", () => {
  const cases: [AnyStructLayout, AnyStructLayout, string][] = [
    [Point, struct({ id: i32, x: f32, y: f64 }), "the first field that differs is x:f64@8 here"],
    [Point, struct({ id: i32, x: f64, z: f64 }), "the first field that differs is y:f64@16 here"],
    [Point, struct({ id: i32 }), "the first field that differs is x:f64@8 here"],
    [struct({ id: i32 }), Point, "it has more fields there, after id:i32@0 here"],
    [struct({}), Point, "it has more fields there, after no field here"],
    [
      struct({ n: i32 }),
      struct({ n: i32 }, { align: 16 }),
      "its end differs: n:i32@0 and size 4 here",
    ],
    [
      struct({ at: array(Point, 2) }),
      struct({ at: array(struct({ ...POINT, extra: u8 }), 2) }),
      "the first field that differs is at[2].id:i32@0+24 here",
    ],
    [many(46, 45), many(46), "the first field that differs is f45:f32@180 here"],
    [
      many(60),
      many(60, 50),
      "the first 46 fields are the same, and a later one or the size differs",
    ],
    [many(46), many(47), "the first 46 fields are the same, and a later one or the size differs"],
    [many(45), many(46), "it has more fields there, after f44:i32@176 here"],
  ];
  for (const [ours, theirs, says] of cases) {
    assert.equal(firstDifference(ours, messageType(theirs)), says);
  }
});

const POINT = { id: i32, x: f64, y: f64 };

Deno.test("checkMessageLayout: a struct of one length, and nothing else", () => {
  checkMessageLayout(Point, "Channel.openOrCreate");
  const Open = struct({ n: i32, data: flexible(u16) });
  assert.throws(() => checkMessageLayout(Open, "Topic.openOrCreate"), {
    name: "TypeError",
    message: /ends with a flexible array.*use Topic.openOrCreate, and layout.view/,
  });
  for (const other of [union({ a: i32 }), i32, undefined, { kind: "struct", size: 4 }]) {
    assert.throws(() => checkMessageLayout(other, "Channel.openOrCreate"), TypeError);
  }
  assert.deepEqual([Point, Open, union({ a: i32 })].map(isMessageLayout), [true, false, false]);
});
