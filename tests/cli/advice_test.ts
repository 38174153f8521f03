/** Advice in the words of the command: flags that it has, and commands as they can be run. */

import assert from "node:assert/strict";
import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { explained } from "../../src/cli/advice.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";
import { Segment } from "../../mod.ts";
import { HERE, objectsAt, runHere } from "./command_line.ts";

guardAgainstLeaks();

Deno.test("explained: the library's advice if it fits the command, or none", () => {
  const plain = new ShmError("open it", "shmget", ERRNO.ENOENT, { key: 5, remedy: "start it" });
  assert.equal(explained(plain), plain.message);
  assert.match(explained(plain), /; start it$/);
  const silent = new ShmError("open it", "shmget", ERRNO.EACCES);
  assert.equal(explained(silent), silent.message);
});

Deno.test("explained: a flag if the command has it, nothing otherwise", () => {
  const options = { facts: "uid 5 made it", remedy: "pass trust: true", option: "trust" } as const;
  const error = new ShmError("use it", undefined, "EUNTRUSTED", options);
  assert.match(explained(error, { trust: { help: "" } }), /; uid 5 made it; --trust accepts that$/);
  assert.match(explained(error, { keep: { help: "" } }), /; uid 5 made it$/);
});

Deno.test("explained: client advises server --recreate, server --recreate", async () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 100 });
  try {
    const args = [`--key=${key}`, "--timeout=1s"];
    const [client, server] = await Promise.all([
      runHere("client", ...args, "x"),
      runHere("server", ...args),
    ]);
    assert.match(
      client.stderr,
      /^error: [^\n]* has 100 bytes, not 2049, [^\n]*; choose another --key, or, once no process is attached, /,
    );
    assert(
      client.stderr.endsWith(`, replace it with \`${HERE} server --recreate\`\n`),
      client.stderr,
    );
    assert.match(server.stderr, /^error: [^\n]*, replace it with --recreate\n$/);
    for (const { code, stderr } of [client, server]) {
      assert.equal(code, 1);
      assert.doesNotMatch(stderr, /: true/);
    }
  } finally {
    segment.remove();
  }
  assert.deepEqual(objectsAt(key), []);
});
