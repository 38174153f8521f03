/** The layouts in `c` are those of the descriptors, and no compiler warns about the headers. */

import assert from "node:assert/strict";
import { headerName, headerText, NAMES, PROTOCOLS } from "../../c/generate_layout.ts";
import type { AnyStructLayout } from "../../src/layout/layout.ts";
import { declare } from "../../src/layout/declare.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT, TestFolder } from "../support/peer.ts";

for (const name of NAMES) {
  testWith({ files: true }, `${headerName(name)}: the layout is that of descriptor.ts`, () => {
    const header = Deno.readTextFileSync(`${PROJECT}c/${headerName(name)}`);
    assert(header === headerText(name), `c/${headerName(name)} is out of date: deno task layout`);
  });
}

testWith(
  { tools: ["deno"], files: true },
  "deno task layout: writes the headers, and --check finds one digit",
  () => {
    using folder = new TestFolder();
    const run = (...options: readonly string[]): number =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", `${PROJECT}c/generate_layout.ts`, ...options, folder.path],
        stderr: "null",
      }).outputSync().code;
    for (const name of NAMES) {
      assert.equal(run(), 0);
      assert.equal(run("--check"), 0);
      const file = folder.file(headerName(name), headerText(name).replace("128", "129"));
      assert.equal(run("--check"), 1, name);
      assert.equal(run(), 0);
      assert.equal(Deno.readTextFileSync(file), headerText(name));
    }
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
  for (const name of NAMES) {
    testWith(
      { tools: [compiler], files: true },
      `${headerName(name)}: the structs are those that TypeScript declares, to ${compiler}`,
      () => {
        using folder = new TestFolder();
        const structs = Object.entries(PROTOCOLS[name].structs).map(([struct, layout]) =>
          same(struct, layout)
        );
        const source = folder.file(
          "declared.c",
          `#include "shm_${name}.h"\n${structs.join("\n")}\nint main(void) { return 0; }\n`,
        );
        const strict = ["-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`];
        folder.compile(compiler, "declared", [...strict, ...LANGUAGE_OF[compiler], source]);
      },
    );
  }
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
