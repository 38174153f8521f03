/** The models of the protocols: what is right holds in every state, each fault on purpose is found. */

import assert from "node:assert/strict";
import { testWith } from "./support/needs.ts";
import { PROJECT } from "./support/peer.ts";

testWith(
  { tools: ["deno", "spin", "gcc"], files: true },
  "deno task model: the models hold where they must, and find what is broken on purpose",
  () => {
    const { code, stdout, stderr } = new Deno.Command("deno", {
      args: ["task", "--quiet", "model"],
      cwd: PROJECT,
    }).outputSync();
    const report = new TextDecoder().decode(stdout);
    assert.equal(code, 0, report + new TextDecoder().decode(stderr));
    assert.doesNotMatch(report, /WRONG/);
    for (const model of ["channel", "latest", "topic", "waiting"]) {
      assert.match(report, new RegExp(`ok {4}${model} .* holds `), report);
      assert.match(report, new RegExp(`ok {4}${model} .* fault found `), report);
    }
  },
);
