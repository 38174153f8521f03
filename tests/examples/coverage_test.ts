/** The example coverage with a program that afl-cc builds. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

function coverage(program: string, ...inputs: readonly string[]): Peer {
  const permissions = ["--allow-ffi", `--allow-run=${program}`];
  const args = [`${PROJECT}examples/coverage.ts`, program, ...inputs];
  return Peer.start(Deno.execPath(), ["run", ...permissions, ...args]);
}

testWith(
  { tools: ["deno", "afl-cc"], files: true },
  "coverage: a right letter takes a new edge, what was there before takes none",
  async () => {
    using folder = new TestFolder();
    const program = `${folder.path}/lock`;
    const { success, stderr } = new Deno.Command("afl-cc", {
      args: ["-o", program, `${PROJECT}examples/coverage.c`],
    }).outputSync();
    assert(success, new TextDecoder().decode(stderr));

    await using shown = coverage(program, "a", "b", "o", "ox", "op", "ope", "open", "a");
    const ended = await shown.ended();
    assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    const lines = ended.stdout.trimEnd().split("\n");
    const found = lines.slice(0, -1).map((line) => {
      const [, input, edges, news] = /^(\w+): (\d+) edges, (\d+) of them new$/.exec(line)!;
      assert(Number(edges) > 0);
      return [input, Math.min(Number(news), 1)];
    });
    assert.deepEqual(found, [
      ["a", 1],
      ["b", 0],
      ["o", 1],
      ["ox", 0],
      ["op", 1],
      ["ope", 1],
      ["open", 1],
      ["a", 0],
    ]);
    assert.match(lines.at(-1)!, /^\d+ of at most \d+ edges taken$/);
  },
);

testWith(
  { tools: ["deno", "true"] },
  "coverage: a program of another compiler is refused",
  async () => {
    await using refused = coverage("true", "a");
    const { code, stdout, stderr } = await refused.ended();
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /Error: true is not built with afl-cc\n/);
  },
);
