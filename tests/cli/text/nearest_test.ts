/** The word that was meant: what is near enough, and what is not. */

import assert from "node:assert/strict";
import { COMMANDS } from "../../../src/cli/command_list.ts";
import { nearest } from "../../../src/cli/text/nearest.ts";
import { HERE, runHere } from "../command_line.ts";

const NAMES = COMMANDS.map(({ name }) => name);

Deno.test("nearest: a longer or shorter word, or one with few other letters", () => {
  const rows = {
    ...{ publish: "pub", subscribe: "sub", Server: "server", servr: "server", clinet: "client" },
    ...{ receive: undefined, reed: "read", sned: undefined, lst: "ls", lattest: "latest" },
    ...{ topics: "topic", chanel: "channel", x: undefined, "": undefined, "-v": undefined },
    [`${"x".repeat(5000)}`]: undefined,
  };
  for (const [word, expected] of Object.entries(rows)) {
    assert.equal(nearest(word, NAMES), expected, word);
  }
});

Deno.test("cli.ts: an unknown command names the one that was meant", async () => {
  const { code, stdout, stderr } = await runHere("publish", "x");
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(stderr, `error: unknown command publish: did you mean pub?\ntry: ${HERE} --help\n`);
  assert.match((await runHere("xyz")).stderr, /^error: unknown command xyz\n/);
});
