/** Which object a person means: a key or an id, and that nothing is guessed. */

import assert from "node:assert/strict";
import { ftok, ShmError } from "../../../mod.ts";
import { findSegment, parseTarget, type Target } from "../../../src/cli/objects/target.ts";
import { segmentStat } from "../../support/objects.ts";
import { CommandFailure, UsageError } from "../../../src/cli/errors.ts";

const READ: Readonly<Record<string, Target>> = {
  "1111": { kind: "key", key: 1111, decimal: 1111 },
  "4294967295": { kind: "key", key: -1, decimal: 4294967295 },
  "0x457": { kind: "key", key: 1111 },
  "02127": { kind: "key", key: 1111 },
  "-5": { kind: "key", key: -5 },
  "+5": { kind: "key", key: 5 },
  "/:65": { kind: "key", key: ftok("/", 65) },
  "id:0": { kind: "id", id: 0 },
  "id:5": { kind: "id", id: 5 },
  "id:007": { kind: "id", id: 7 },
  "id:2147483647": { kind: "id", id: 2147483647 },
};

Deno.test("parseTarget: every way of writing a key or an id", () => {
  for (const [text, target] of Object.entries(READ)) {
    assert.deepEqual(parseTarget(text), target, text);
  }
});

const REFUSED: readonly (readonly [string, RegExp])[] = [
  ["", /^"" is not a key: .*; an id is id:5$/],
  ["abc", /^"abc" is not a key: /],
  ["4294967296", /does not fit 32 bits/],
  ["0", /^key 0 is IPC_PRIVATE, which finds no segment: for the one with id 0 write id:0$/],
  ["0x0", /write id:0$/],
  ["id:", /^"" is not an id: write a whole number from 0 to 2147483647$/],
  ["id:-1", /^"-1" is not an id/],
  ["id:0x5", /^"0x5" is not an id/],
  ["id:2147483648", /^"2147483648" is not an id/],
  ["id:5 ", /^"5 " is not an id/],
  ["ID:5", /^"ID:5" is not a key|ENOENT/],
];

Deno.test("parseTarget: what is neither is refused and says what would be", () => {
  for (const [text, message] of REFUSED) {
    assert.throws(() => parseTarget(text), (error) => {
      assert(error instanceof UsageError || error instanceof ShmError, `"${text}" gave ${error}`);
      assert.match(error.message, message);
      return true;
    }, text);
  }
});

const SEGMENTS = [
  segmentStat({ id: 5, key: 1111 }),
  segmentStat({ id: 1111, key: 7 }),
  segmentStat({ id: 9, key: 9 }),
  segmentStat({ id: 0, key: -1 }),
  segmentStat({ id: 3, key: 0, markedForRemoval: true }),
];

function find(text: string): number {
  return findSegment(parseTarget(text), SEGMENTS).id;
}

Deno.test("findSegment: by key, by id, also where both are the same segment's", () => {
  assert.equal(find("0x457"), 5);
  assert.equal(find("id:1111"), 1111);
  assert.equal(find("7"), 1111);
  assert.equal(find("9"), 9);
  assert.equal(find("0xffffffff"), 0);
  assert.equal(find("4294967295"), 0);
  assert.equal(find("id:0"), 0);
  assert.equal(find("id:3"), 3);
});

Deno.test("findSegment: a number that is one's key and another's id is never guessed", () => {
  assert.throws(() => find("1111"), (error) => {
    assert(error instanceof UsageError);
    assert.equal(
      error.message,
      "1111 is the key of segment 5 and the id of another: write 0x457 or id:1111",
    );
    return true;
  });
  // Written as only a key is written, it is one
  for (const text of ["0x457", "02127", "+1111"]) assert.equal(find(text), 5, text);
});

Deno.test("findSegment: what is not there is said, with the id that was perhaps meant", () => {
  const absent: readonly (readonly [string, RegExp])[] = [
    ["0x99", /^no segment has key 153 \(0x99\): `[^`]+cli\.ts ls` lists all of them$/],
    ["id:99", /^no segment has id 99: `[^`]+cli\.ts ls` lists all of them$/],
    ["3", /^no segment has key 3 \(0x3\): the one with id 3 is id:3$/],
    ["5", /^no segment has key 5 \(0x5\): the one with id 5 is id:5$/],
    ["-2", /^no segment has key -2 \(0xfffffffe\): /],
  ];
  for (const [text, message] of absent) {
    assert.throws(() => find(text), { constructor: CommandFailure, message: message }, text);
  }
});
