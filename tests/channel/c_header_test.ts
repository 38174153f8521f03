/** `c/shm_channel_layout.h` is what `descriptor.ts` describes, and no compiler warns about the headers. */

import assert from "node:assert/strict";
import { HEADER_FILE, headerText, STRUCTS } from "../../c/generate_layout.ts";
import type { AnyStructLayout } from "../../src/layout/layout.ts";
import { declare } from "../../src/layout/declare.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT, TestFolder } from "../support/peer.ts";

testWith({ files: true }, "shm_channel_layout.h: the layout is that of descriptor.ts", () => {
  const header = Deno.readTextFileSync(HEADER_FILE);
  assert(header === headerText(), "c/shm_channel_layout.h is out of date: deno task layout");
});

testWith(
  { tools: ["deno"], files: true },
  "deno task layout: writes the header, and --check finds one digit",
  () => {
    using folder = new TestFolder();
    const file = folder.file("shm_channel_layout.h", headerText().replace("128", "129"));
    const run = (...options: readonly string[]): number =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", `${PROJECT}c/generate_layout.ts`, ...options, file],
        stderr: "null",
      }).outputSync().code;
    assert.deepEqual([run("--check"), run(), run("--check")], [1, 0, 0]);
    assert.equal(Deno.readTextFileSync(file), headerText());
  },
);

const LANGUAGE_OF = {
  gcc: ["-x", "c", "-std=gnu11"],
  "g++": ["-x", "c++", "-std=c++17"],
} as const;

/** Asserts in C that a struct as TypeScript declares it is the one of the header. */
function same(name: string, layout: AnyStructLayout): string {
  const declared = `Declared${name}`;
  const both = (what: (type: string) => string): string =>
    `static_assert((${what(`struct ${name}`)}) == (${what(`struct ${declared}`)}), "${name}");`;
  return [
    declare(layout, declared),
    both((type) => `sizeof(${type})`),
    both((type) => `__alignof__(${type})`),
    ...Object.keys(layout.fields).flatMap((field) => [
      both((type) => `offsetof(${type}, ${field})`),
      both((type) => `sizeof(((${type} *)0)->${field})`),
    ]),
  ].join("\n");
}

for (const compiler of ["gcc", "g++"] as const) {
  testWith(
    { tools: [compiler], files: true },
    `shm_channel_layout.h: the structs are those that TypeScript declares, to ${compiler}`,
    () => {
      using folder = new TestFolder();
      const structs = Object.entries(STRUCTS).map(([name, layout]) => same(name, layout));
      const source = folder.file(
        "declared.c",
        `#include "shm_channel.h"\n${structs.join("\n")}\nint main(void) { return 0; }\n`,
      );
      const strict = ["-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`];
      folder.compile(compiler, "declared", [...strict, ...LANGUAGE_OF[compiler], source]);
    },
  );
}

/** Compilers of C and C++ that should have nothing to say; the last two only compile. */
const COMPILERS = [
  { CC: "gcc", CXX: "g++" },
  { CC: "clang", CXX: "clang++" },
  { CC: "musl-gcc", CXX: "" },
  { CC: "aarch64-linux-gnu-gcc", CXX: "" },
] as const;

for (const { CC, CXX } of COMPILERS) {
  const tools = ["make", CC, ...(CXX === "" ? [] : [CXX])];
  testWith(
    { tools, files: true },
    `make warnings: no warning from ${tools.slice(1).join(" and ")}`,
    () => {
      const { success, stderr } = new Deno.Command("make", {
        args: ["-C", `${PROJECT}c`, "warnings", `CC=${CC}`, `CXX=${CXX}`],
        env: { LC_ALL: "C" },
      }).outputSync();
      assert(success, new TextDecoder().decode(stderr));
    },
  );
}
