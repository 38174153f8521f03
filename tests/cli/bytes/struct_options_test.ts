/** The options that give a struct in C: text or file, which struct, and macros. */

import assert from "node:assert/strict";
import { STRUCT_OPTIONS, structOf } from "../../../src/cli/bytes/struct_options.ts";
import { CommandFailure } from "../../../src/cli/errors.ts";
import { parse } from "../../../src/cli/usage.ts";
import { testWith } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";

function layoutOf(...args: string[]): ReturnType<typeof structOf> {
  return structOf(parse(args, { struct: { value: "DECL", help: "" }, ...STRUCT_OPTIONS }));
}

Deno.test("--struct: the name chooses, and macros decide", async () => {
  const text = "struct A { char a[N];\n#ifdef WIDE\nlong b;\n#endif\n}; struct B { int b; };";
  const size = async (...args: string[]): Promise<number | undefined> =>
    (await layoutOf("--struct", text, "--struct-name", "A", ...args))?.size;
  assert.equal(await layoutOf(), undefined);
  assert.equal((await layoutOf("--struct", "int a;"))?.size, 4);
  assert.equal(await size("--define", "N=1 + 2", "--undefine", "WIDE"), 3);
  assert.equal(await size("--define", "N=8", "--define", "WIDE"), 16);
  const undecided = { message: /^option --struct: line 2.*"WIDE"/ };
  await assert.rejects(size("--define", "N=8"), undecided);
});

testWith({ files: true }, "--struct-file: a header, and one that is not there", async () => {
  using folder = new TestFolder();
  const path = folder.file("a.h", "#pragma once\nint f(void);\nstruct A { int a, b; };\n");
  assert.equal((await layoutOf("--struct-file", path))?.size, 8);
  await assert.rejects(layoutOf("--struct-file", `${path}.not`), (error) => {
    assert.ok(error instanceof CommandFailure);
    assert.match(error.message, /^cannot read .*a\.h\.not: ENOENT$/);
    return true;
  });
});
