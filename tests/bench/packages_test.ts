/** `bench/packages.ts`: to check and to test this project downloads nothing. */

import assert from "node:assert/strict";
import { PACKAGES } from "../../bench/packages.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

Deno.test("packages: versions are exact: figures are compared over time", () => {
  for (const [name, version] of Object.entries(PACKAGES)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});

/** The files of these folders with one of these endings, and their text. */
function sources(endings: RegExp, ...folders: readonly string[]): [path: string, text: string][] {
  return folders.flatMap((folder) =>
    [...Deno.readDirSync(PROJECT + folder)].filter(({ name }) => endings.test(name))
      .map(({ name }): [string, string] => [
        folder + name,
        Deno.readTextFileSync(PROJECT + folder + name),
      ])
  );
}

function pathsOf(found: readonly [string, string][], having: RegExp): string[] {
  return found.filter(([, text]) => having.test(text)).map(([path]) => path).sort();
}

testWith({ files: true }, "packages: nothing but the list names a package of npm", () => {
  const all = sources(/\.(ts|cjs|c|h)$/, "bench/", "bench/peers/");
  assert(all.length > 35, `${all.length} files`);
  assert.deepEqual(pathsOf(all, /npm:/), ["bench/packages.ts"]);
});

testWith(
  { files: true },
  "packages: what Node's peers require is Node's own, a neighbour, or in the list",
  () => {
    const required = sources(/\.cjs$/, "bench/peers/").flatMap(([, text]) =>
      [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name!)
    );
    const packages = required.filter((name) => !/^(node:|\.\/)/.test(name));
    assert(packages.length > 0);
    assert.deepEqual(packages.filter((name) => !(name in PACKAGES)), []);
  },
);

testWith({ files: true }, "packages: no test reaches what loads or installs a package", () => {
  const loading = pathsOf(sources(/\.ts$/, "bench/", "bench/peers/"), /(?<!\.)\bload[<(]/);
  assert.deepEqual(loading, [
    "bench/packages.ts",
    "bench/peers/fields.ts",
    "bench/plots.ts",
  ]);
  const tests = sources(/\.ts$/, "tests/bench/").filter(([path]) =>
    !path.endsWith("/packages_test.ts")
  );
  assert(tests.length > 10);
  const reaching = /\bload[<(]|writePlots|new Programs\b|"--list"|"--quick"|peers\/fields/;
  assert.deepEqual(pathsOf(tests, reaching), []);
});
