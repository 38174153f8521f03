/** C text, the TypeScript source of its layout, and what a program that imports the source gets. */

import assert from "node:assert/strict";
import { parseNamed } from "../../src/cparse/parse_struct.ts";
import { aligned } from "../../src/layout/aligned.ts";
import { anonymous } from "../../src/layout/anonymous.ts";
import { array } from "../../src/layout/array.ts";
import { u64be } from "../../src/layout/big_endian.ts";
import { bits } from "../../src/layout/bits.ts";
import { cString } from "../../src/layout/c_string.ts";
import { flexible } from "../../src/layout/flexible.ts";
import { declare } from "../../src/layout/declare.ts";
import type { AnyStructLayout, Layout } from "../../src/layout/layout.ts";
import { membersOf } from "../../src/layout/members.ts";
import { bool, char, i32, u8 } from "../../src/layout/scalar.ts";
import { struct } from "../../src/layout/struct.ts";
import { typescriptSource } from "../../src/layout/typescript_source.ts";
import { union } from "../../src/layout/union.ts";
import { plain } from "../cparse/plain_layout.ts";
import { randomStructs } from "../cparse/random_struct.ts";
import { randomTexts } from "../cparse/random_text.ts";
import { C_TEXTS, CPP_TEXTS, DECIDED } from "../cparse/texts.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

/** A new one every run. To see a failure again, put the seed it printed here. */
const SEED = crypto.getRandomValues(new Uint32Array(1))[0]!;

const NO_NAMES = new Map<AnyStructLayout, string>();

/** The source, with the files of this project in place of the names of its modules. */
function resolved(source: string): string {
  const url = (path: string): string => JSON.stringify(import.meta.resolve(`../../${path}`));
  return source.replace('"@sysv/shm"', url("mod.ts"))
    .replace('"@sysv/shm/layout"', url("src/layout/mod.ts"));
}

/** What a program that imports the source gets. */
async function imported(source: string): Promise<Readonly<Record<string, AnyStructLayout>>> {
  return await import(`data:text/javascript,${encodeURIComponent(resolved(source))}`);
}

/** The structs of the tables and of random texts, with the names in them. */
function* parsedTexts(): Generator<[text: string, ReturnType<typeof parseNamed>]> {
  const tables = [C_TEXTS, CPP_TEXTS, DECIDED].flatMap((table) => Object.values(table));
  for (const text of tables) yield [text, parseNamed(text, {})];
  for (const { text } of randomTexts(SEED, 300)) {
    try {
      yield [text, parseNamed(text, {})];
    } catch (error) {
      assert.match((error as Error).message, /aarch64|do not agree/, text);
    }
  }
}

/** The C text of a layout, or why C cannot declare it. */
function declared(layout: AnyStructLayout): string {
  try {
    return (layout as ReturnType<typeof struct>).declare("Same");
  } catch (error) {
    return (error as Error).message;
  }
}

Deno.test("typescriptSource: everything a struct can have", () => {
  const Inner = struct({ flag: bool });
  const Nameless = struct({ deep: array(Inner, 2) });
  const Outer = struct({
    class: bits(i32, 3),
    pad: anonymous(bits(i32, 0)),
    text: array(cString(4, { full: true }), 2),
    letters: array(char, 3),
    both: anonymous(union({ one: u8, two: Nameless }, { align: 2 })),
    again: aligned(Inner, 16),
    _anonymous1: u64be,
    empty: struct({}),
    rest: flexible(Nameless),
  }, { pack: 8, align: 32 });
  const source = typescriptSource(Outer, new Map([[Inner, "array"]]), "default");
  assert.equal(
    source,
    `\
import { aligned, array, bool, cString, char, i32, struct, u8, union } from "@sysv/shm";
import { anonymous, bits, flexible, u64be } from "@sysv/shm/layout";

export const array_ = struct({
  flag: bool,
});

export const default__two = struct({
  deep: array(array_, 2),
});

export const default__empty = struct({});

export const default_ = struct({
  class: bits(i32, 3),
  _anonymous1_: anonymous(bits(i32, 0)),
  text: array(cString(4, { full: true }), 2),
  letters: array(char, 3),
  _anonymous4: anonymous(union({
    one: u8,
    two: default__two,
  }, { align: 2 })),
  again: aligned(array_, 16),
  _anonymous1: u64be,
  empty: default__empty,
  rest: flexible(default__two),
}, { pack: 8, align: 32 });
`,
  );
});

Deno.test("typescriptSource: a struct has its name in C, or that of its place", () => {
  const named = (text: string, name?: string): string[] => {
    const { layout, names } = parseNamed(text, name === undefined ? {} : { name });
    const source = typescriptSource(layout, names(), name ?? names().get(layout) ?? "Struct");
    return [...source.matchAll(/^export const (\w+)/gm)].map(([, each]) => each!);
  };
  assert.deepEqual(named("struct A { int a; }; struct B { struct A x, y; };"), ["A", "B"]);
  assert.deepEqual(named("typedef struct { int a; } A; struct B { A x[2]; };"), ["A", "B"]);
  assert.deepEqual(named("typedef struct a { int a; } A;"), ["a"]);
  assert.deepEqual(named("typedef struct a { int a; } A;", "A"), ["A"]);
  assert.deepEqual(named("struct A { struct { int a; } x, y; };"), ["A_x", "A"]);
  assert.deepEqual(named("int a; struct timeval t;"), ["timeval", "Struct"]);
  assert.deepEqual(named("struct A { int a; }; struct B { struct A a; };", "A"), ["A"]);
  assert.deepEqual(named("struct in { int a; }; struct B { struct in a; } u8;"), [
    "in_",
    "B",
    "Struct",
  ]);
  assert.deepEqual(named("struct A { int a; }; typedef struct { struct A a; } A;"), ["A_", "A"]);
});

testWith(
  { files: true },
  "typescriptSource: a module that imports it has the same layouts",
  async () => {
    let count = 0;
    const check = async (
      layout: AnyStructLayout,
      names: ReadonlyMap<AnyStructLayout, string>,
      text: string,
    ): Promise<void> => {
      const source = typescriptSource(layout, names, "Same");
      const { Same } = await imported(source);
      const says = `seed ${SEED}:\n${text}\n${source}`;
      assert(Same !== undefined, says);
      assert.deepEqual(plain(Same), plain(layout), says);
      assert.equal(declared(Same), declared(layout), says);
      assert.equal(
        typescriptSource(Same, NO_NAMES, "Same"),
        typescriptSource(layout, NO_NAMES, "Same"),
      );
      count++;
    };
    for (const [text, { layout, names }] of parsedTexts()) await check(layout, names(), text);
    for (const layout of randomStructs(SEED, 200)) await check(layout, NO_NAMES, "");
    assert(count > 400, `only ${count}`);
  },
);

/** All structs in a layout, each once, with their names in C. */
function namedIn(
  layout: Layout,
  names: ReadonlyMap<AnyStructLayout, string>,
): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const visit = (part: Layout): void => {
    if ("element" in part) visit(part.element);
    if (!("fields" in part)) return;
    const name = names.get(part);
    if (name !== undefined) found.set(name, plain(part));
    for (const { layout } of membersOf(part)) visit(layout);
  };
  visit(layout);
  return found;
}

Deno.test("parseStruct, declare: the C text of a C text has the same layout and the same names", () => {
  let [count, named] = [0, 0];
  for (const [text, { layout, ownNames }] of parsedTexts()) {
    const names = ownNames();
    let again: string;
    try {
      again = declare(layout, names.get(layout) ?? "Same", names);
    } catch (error) {
      assert.match((error as Error).message, /cannot declare that$/);
      continue;
    }
    const says = `seed ${SEED}:\n${text}\n${again}`;
    const read = parseNamed(again, {});
    assert.deepEqual(plain(read.layout), plain(layout), says);
    const readNames = namedIn(read.layout, read.ownNames());
    for (const [name, part] of namedIn(layout, names)) {
      assert.deepEqual(readNames.get(name), part, `${name}, ${says}`);
      named++;
    }
    count++;
  }
  assert(count > 200 && named > 1.2 * count, `only ${count}, ${named}`);
});

testWith({ tools: ["deno"], files: true }, "typescriptSource: fields have types", () => {
  using folder = new TestFolder();
  const text = `struct head { unsigned kind : 3; uint64_t id; bool on; };
    struct packet {
      struct head head; struct head more[2]; union { float number; __be32 word; };
      char name[16]; int class; int far __attribute__((aligned(32))); uint8_t data[]; };`;
  const sources = [...parsedTexts()].slice(0, 40).map(([text], i) => {
    const { layout, names } = parseNamed(text, {});
    return folder.file(`source${i}.ts`, resolved(typescriptSource(layout, names(), "Same")));
  });
  const { layout, names } = parseNamed(text, {});
  const source = typescriptSource(layout, names(), "packet");
  const program = folder.file(
    "program.ts",
    `${resolved(source)}
const view = packet.view(new ArrayBuffer(200));
const kind: number = view.head.kind;
const id: bigint | undefined = view.more[1]?.id;
const [name, on, word, first]: [string, boolean, number, number | undefined] =
  [view.name, view.head.on, view.word, view.data[0]];
packet.write(new ArrayBuffer(200), { ...packet.read(new ArrayBuffer(200)), class: kind });
// @ts-expect-error it is a number
view.class = "text";
// @ts-expect-error there is no such field
view.nothing;
console.log(id, name, on, word, first);
`,
  );
  const { success, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", program, ...sources],
    env: { NO_COLOR: "1" },
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
});
