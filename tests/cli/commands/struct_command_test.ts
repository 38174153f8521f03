/** `cli.ts struct`: the source of a struct that a header, or standard input, declares. */

import assert from "node:assert/strict";
import { parseStruct } from "../../../mod.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, TestFolder } from "../../support/peer.ts";
import { assertFailed, runHere, runHereWith } from "../command_line.ts";

const HEADER = `#pragma once
#include <stdint.h>
int unrelated(FILE *file);
struct head { unsigned kind : 3; uint64_t at; };
typedef struct { struct head head; char name[SIZE];
#ifdef WIDE
  long wide;
#endif
} entry;
struct other { int class; };
`;
const ENTRY = ["--name", "entry", "--define", "SIZE=8", "--undefine", "WIDE"];

/** What is printed for a text on standard input. */
async function printed(text: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runHereWith(text, "struct", "-", ...args);
  assert.deepEqual([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

Deno.test("struct: a module that exports the last struct, or the one with the name", async () => {
  const source = `\
import { cString, struct, u32, u64 } from "@sysv/shm";
import { bits } from "@sysv/shm/layout";

export const head = struct({
  kind: bits(u32, 3),
  at: u64,
});

export const entry = struct({
  head: head,
  name: cString(8),
});
`;
  assert.equal(await printed(HEADER, ...ENTRY), source);
  const wide = await printed(HEADER, "--name=entry", "--define=SIZE=8", "--define=WIDE");
  assert.match(wide, /^ {2}wide: i64,$/m);
  assert.equal(
    await printed(HEADER.slice(HEADER.indexOf("struct other"))),
    'import { i32, struct } from "@sysv/shm";\n\nexport const other = struct({\n  class: i32,\n});\n',
  );
});

Deno.test("struct: a list of fields is called Struct, unless a name is taken", async () => {
  assert.match(
    await printed("bool can_read; char msg[2048]"),
    /^export const Struct = struct\(\{$/m,
  );
  assert.match(await printed("struct union_ { int a; };"), /^export const union_ = /m);
  assert.match(await printed("struct yield { int a; };"), /^export const yield_ = /m);
  assert.match(await printed("union u8 { int a; };"), /^export const u8_ = union\(/m);
});

Deno.test("struct --c: C with assertions, which has the same layout", async () => {
  const text = await printed(HEADER, ...ENTRY, "--c");
  assert.match(text, /^_Static_assert\(sizeof\(struct entry\) == 24, "size of entry"\);$/m);
  const again = parseStruct(text, { name: "entry" });
  assert.deepEqual([again.size, again.fields.name?.offset], [24, 16]);
  assert.match(text, /^ {2}struct head head;$/m);
  const other = "struct A { int b; }; typedef struct { struct A c; struct timespec d; } B;";
  assert.deepEqual(
    [...(await printed(other, "--c")).matchAll(/^typedef struct (\w+)/gm)].map(([, name]) => name),
    ["A", "B_d", "B"],
  );
  assert.match(await printed("int a;", "--c"), /^\} Struct;$/m);
  assert.match(
    await printed("typedef struct { int a; } uint_least8_t;", "--c"),
    /^\} uint_least8_t_;$/m,
  );
});

Deno.test("struct --c: a struct that C cannot declare outside its header", async () => {
  const macro = await runHereWith("struct A { int __PAD; };", "struct", "-", "--c");
  assertFailed(macro, /^error: standard input: field "__PAD" cannot be declared: compilers /);
});

testWith({ files: true }, "struct: a file, and one that is not there or too long", async () => {
  using folder = new TestFolder();
  const path = folder.file("entry.h", HEADER);
  const of = async (...args: readonly string[]): Promise<Ended> => await runHere("struct", ...args);
  assert.equal((await of(path, ...ENTRY)).stdout, await printed(HEADER, ...ENTRY));
  assertFailed(await of(`${path}.not`), /^error: cannot read .*entry\.h\.not: ENOENT\n$/);
  const { code, stderr } = await of(path);
  assert.equal(code, 2);
  assert.match(stderr, /^error: .*entry\.h: line \d+, column \d+, at "[^\n]+\n/);
  const long = folder.file("long.h", " ".repeat(2 ** 24 + 1));
  assert.match((await of(long)).stderr, /^error: .*long\.h is longer than 16777216 bytes\n/);
});
