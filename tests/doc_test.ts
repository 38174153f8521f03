/**
 * Every example in the documentation of the code and in the pages: `deno task test:doc`. An example may
 * not leave System V objects behind, as its reader would have them then.
 */

import assert from "node:assert/strict";
import { withExamples } from "./support/examples.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { addOwnProcess } from "./support/own_objects.ts";
import { PROJECT } from "./support/peer.ts";

guardAgainstLeaks();

testWith(
  { tools: ["deno"], files: true },
  "doc: every example runs and leaves nothing",
  async () => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "--doc", "--allow-ffi", ...withExamples()],
      cwd: PROJECT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    addOwnProcess(child.pid);
    const { success, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    const printed = decoder.decode(stdout);
    assert(success, printed + decoder.decode(stderr));
    // "ok | 173 passed | 0 failed", which .ci/run counts
    console.log(/^ok \| .*$/m.exec(printed)![0]);
  },
);
