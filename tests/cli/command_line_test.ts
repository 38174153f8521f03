/** The command inside the test's process: what it writes, reads and returns. */

import assert from "node:assert/strict";
import { HERE, run, runHere, runHereWith, STARTED } from "./command_line.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

testWith({ tools: ["deno"] }, "runHere: the outcome is that of a process", async () => {
  for (const args of [["--version"], ["limits"], ["stat", "id:-1"], ["chmod", "--help"], []]) {
    const here = await runHere(...args);
    assert.deepEqual(
      { ...here, stderr: here.stderr.replace(HERE, STARTED) },
      await run(...args),
      args.join(" "),
    );
  }
});

Deno.test("runHere: runs that overlap have their own input and output", async () => {
  const key = String(freshKey());
  const ended = await Promise.all([
    runHere("recv", "--key", key, "--until-closed", "--quiet"),
    runHereWith("one\ntwo ö\n", "send", "--key", key, "--quiet"),
    runHere("--bogus"),
  ]);
  assert.deepEqual(ended.map(({ code, stdout }) => [code, stdout]), [
    [0, "one\ntwo ö\n"],
    [0, ""],
    [2, ""],
  ]);
  assert.match(ended[2].stderr, /^error: unknown option --bogus\n/);
});
