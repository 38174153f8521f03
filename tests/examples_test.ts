/** Every example, run as its head says. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { Peer, PROJECT, TestFolder } from "./support/peer.ts";

guardAgainstLeaks();

function example(name: string, ...args: readonly string[]): Peer {
  return Peer.start(Deno.execPath(), [
    "run",
    "--allow-ffi",
    `${PROJECT}examples/${name}.ts`,
    ...args,
  ]);
}

/** Waits for a process that should have nothing to complain of, and returns what it printed. */
async function printed(peer: Peer): Promise<string> {
  const { code, stdout, stderr } = await peer.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

testWith({ tools: ["deno"] }, "share_struct: two Deno processes, either first", async () => {
  await using reader = example("share_struct");
  await using writer = example("share_struct", "21.5", "attic");
  await printed(writer);
  assert.equal(await printed(reader), "21.5 degrees in the attic\n");

  await using early = example("share_struct", "-3", "cellar");
  await printed(early);
  await using late = example("share_struct");
  assert.equal(await printed(late), "-3 degrees in the cellar\n");
});

testWith({ tools: ["deno", "gcc"], files: true }, "with_c: the struct as C has it", async () => {
  using folder = new TestFolder();
  await using declaring = example("with_c", "--declare");
  folder.file("particle.h", await printed(declaring));
  const program = folder.compile("gcc", "with_c", [
    "-Wall",
    "-Wextra",
    "-Werror",
    `-I${folder.path}`,
    `${PROJECT}examples/with_c.c`,
  ]);
  await using c = Peer.start(program);
  assert.equal(await c.line(), "ready");
  await using watcher = example("with_c");
  const steps = (await printed(watcher)).trim().split("\n");
  assert.equal(steps.at(-1), "step 3: 1.5, 9");
  await printed(c);
});

testWith({ tools: ["deno"] }, "progress: nothing that was added is lost", async () => {
  await using show = example("progress", "show", "40000");
  await show.stdout(/^0 of 40000$/m);
  const workers = Array.from({ length: 4 }, () => example("progress", "work", "10000"));
  for (const worker of workers) await printed(worker);
  assert.match(await printed(show), /^0 of 40000\n(.*\n)*40000 of 40000\n$/);
});

testWith({ tools: ["deno"] }, "mailbox: messages through the library", async () => {
  await using server = example("mailbox", "serve");
  await using client = example("mailbox", "send", "hello", "world", "bye");
  await printed(client);
  const hello = "hello (from process known)\nworld (from process known)\n";
  assert.equal(await printed(server), hello);
});
