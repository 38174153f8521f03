/** `bench/packages.ts`: whoever checks or tests this project downloads nothing. */

import assert from "node:assert/strict";
import { PACKAGES } from "../../bench/packages.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

Deno.test("versions are exact: figures are compared over time", () => {
  for (const [name, version] of Object.entries(PACKAGES)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});

testWith({ files: true }, "nothing but the list names a package of npm", () => {
  const naming: string[] = [];
  let seen = 0;
  for (const folder of ["bench/", "bench/peers/"]) {
    for (const { name } of Deno.readDirSync(PROJECT + folder)) {
      if (!name.endsWith(".ts")) continue;
      seen++;
      if (Deno.readTextFileSync(PROJECT + folder + name).includes("npm:")) {
        naming.push(folder + name);
      }
    }
  }
  assert(seen > 20, `${seen} files`);
  assert.deepEqual(naming, ["bench/packages.ts"]);
});
