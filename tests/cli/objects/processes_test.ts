/** Facts from /proc: nothing breaks or asks without a permission; what they are is in the tests of `ls` and `stat`. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import { Peer, PROJECT, TestFolder } from "../../support/peer.ts";
import { toEnd } from "../command_line.ts";

guardAgainstLeaks();

/** Prints as JSON what there is to know. */
const PROGRAM = `
  import { attachers, mayReadProc, namespaceOf, readProc, residences } from
    "${PROJECT}src/cli/objects/processes.ts";
  console.log(JSON.stringify({
    may: mayReadProc(),
    attachers: [...attachers() ?? []],
    residences: [...residences() ?? []],
    gone: mayReadProc() ? readProc("2147483646/maps") ?? null : null,
    namespace: mayReadProc() ? namespaceOf("self", "ipc") : null,
  }));
`;

interface Told {
  readonly may: boolean;
  readonly attachers: readonly (readonly [number, readonly unknown[]])[];
  readonly residences: readonly (readonly [number, unknown])[];
  readonly gone: null;
  readonly namespace: string | null;
}

async function tellWith(program: string, ...flags: readonly string[]): Promise<Told> {
  const ended = await toEnd(Peer.start(Deno.execPath(), ["run", ...flags, program]));
  assert.deepEqual([ended.code, ended.stderr], [0, ""], flags.join(" "));
  return JSON.parse(ended.stdout);
}

const NAMESPACE = { ...IN_NAMESPACE, files: true, tools: [...IN_NAMESPACE.tools!, "deno", "perl"] };
const NEEDS = { tools: ["deno"], files: true };

testWith(NEEDS, "attachers: unknown without a permission, and nothing breaks", async () => {
  using folder = new TestFolder();
  const program = folder.file("tell.ts", PROGRAM);
  const lacking = [
    ["--allow-ffi", "--no-prompt"],
    ["--allow-ffi", "--allow-read", "--no-prompt"],
    ["-A", "--deny-write", "--no-prompt"],
    ["-A", "--deny-net=example.com", "--no-prompt"],
    ["-A", "--deny-read=/etc", "--no-prompt"],
  ];
  for (const told of await Promise.all(lacking.map((flags) => tellWith(program, ...flags)))) {
    assert.deepEqual(told, {
      may: false,
      attachers: [],
      residences: [],
      gone: null,
      namespace: null,
    });
  }
});

testWith(
  NAMESPACE,
  "attachers: none in another IPC namespace that has a segment of that id",
  async () => {
    using folder = new TestFolder();
    await using stranger = Peer.start("unshare", [
      "-i",
      "perl",
      "-e",
      `use IPC::SysV qw(shmat); $| = 1;
      my $id = shmget(0, 10, 0600); defined shmat($id, undef, 0) or die $!;
      shmctl($id, 0, 0); print "$id\\n"; <STDIN>`,
    ]);
    await stranger.line();
    const { attachers } = await tellWith(folder.file("tell.ts", PROGRAM), "-A");
    assert(
      !JSON.stringify(attachers).includes(`"pid":${stranger.pid},`),
      JSON.stringify(attachers),
    );
  },
);
