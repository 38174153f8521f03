/** The model of the channel: what is right holds in every state, each fault on purpose is found. */

import assert from "node:assert/strict";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

testWith(
  { tools: ["deno", "spin", "gcc"], files: true },
  "channel.pml: the model holds where it must",
  () => {
    const { code, stdout, stderr } = new Deno.Command("deno", {
      args: ["task", "--quiet", "model"],
      cwd: PROJECT,
    }).outputSync();
    const report = new TextDecoder().decode(stdout);
    assert.equal(code, 0, report + new TextDecoder().decode(stderr));
    assert.doesNotMatch(report, /WRONG/);
    assert.match(report, /ok {4}no second look before sleeping +fault found/);
  },
);
