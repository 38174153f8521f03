/** `cli.ts create`: what it makes is there for others, and what was not printed is removed again. */

import assert from "node:assert/strict";
import { findSegment } from "../../../src/sysv/mod.ts";
import { IPC_PRIVATE, listSegments, removeSegment, Segment, ShmError } from "../../../mod.ts";
import { createAtFreeKey } from "../../../src/cli/commands/create_command.ts";
import { output } from "../../support/foreign_objects.ts";
import { hugePagePool, testWithHugePages } from "../../support/huge_pages.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { IN_NAMESPACE, inNamespace } from "../../support/own_namespace.ts";
import { freshKey, PROJECT, TestFolder } from "../../support/peer.ts";
import {
  cliInShell,
  fullPipe,
  namedPipe,
  PIPE_TOOLS,
  printed,
  runHere,
  toEnd,
  until,
} from "../command_line.ts";
import { ipcsFigures } from "../ipcs.ts";

guardAgainstLeaks();

const SHELL = { tools: ["deno", "sh"] };
const PIPES = { tools: ["deno", "sh", ...PIPE_TOOLS], files: true };

const CLI = { tools: ["deno"] };
const FOREIGN = { tools: ["deno", "ipcs", "ipcrm", "perl"] };

/** What Perl finds at a key, given as a Perl expression; ipcrm removes it. */
function takeWithPerl(key: string): number {
  const find = `use IPC::SysV qw(ftok); print shmget(${key}, 0, 0) // "none: $!"`;
  const id = output("perl", "-e", find);
  assert.match(id, /^\d+$/);
  return Number(id);
}

const LINE = /^segment (\d+), key (0x[0-9a-f]{8}), (\d+) bytes, mode (0\d{3})\n$/;

testWith(FOREIGN, "create: a random key, printed, found by Perl, and as ipcs has it", async () => {
  const [, id, key, size, mode] = LINE.exec(await printed("create", "--size", "64K")) ?? [];
  assert.deepEqual([size, mode], ["65536", "0600"]);
  assert.equal(takeWithPerl(`${Number(key) | 0}`), Number(id));
  const { bytes, mode: theirMode, nattch } = ipcsFigures(Number(id));
  assert.deepEqual([bytes, theirMode, nattch], ["65536", "0600", "0"]);
  output("ipcrm", "-M", key!);
});

testWith(FOREIGN, "create: every way of giving a key, with sizes and modes", async () => {
  const key = freshKey();
  const there = Deno.execPath();
  const rows: readonly (readonly [string[], string, RegExp])[] = [
    [["--size=1", "--key", `${key}`], `${key}`, /, 1 bytes, mode 0600\n/],
    [["-s", "64KB", "-k", `0x${key.toString(16)}`, "--mode", "0666"], `${key}`, /64000 b.*0666\n/],
    [["-s1.5K", `-k0${key.toString(8)}`, "--mode=0"], `${key}`, /, 1536 bytes, mode 0000\n/],
    [["-s0x10", "-k-5", "--mode=7"], "-5", /key 0xfffffffb, 16 bytes, mode 0007\n/],
    [["-s", "9", "-k", `${there}:200`], `ftok("${there}", 200)`, /, 9 bytes, mode 0600\n/],
  ];
  for (const [args, perlKey, said] of rows) {
    assert.match(await printed("create", ...args), said);
    const id = takeWithPerl(perlKey);
    output("ipcrm", "-m", `${id}`);
  }
});

testWith(FOREIGN, "create --private, --json: all facts, those of ipcs", async () => {
  const args = ["--size", "8G", "--no-reserve", "--private", "--json"];
  const facts = JSON.parse(await printed("create", ...args));
  const theirs = ipcsFigures(facts.id);
  output("ipcrm", "-m", `${facts.id}`);
  const { key, size, nattch, perms, mode } = facts;
  assert.deepEqual([key, size, nattch, perms, mode], [0, 8 * 2 ** 30, 0, "0600", 0o600]);
  for (const name of ["uid", "gid", "cuid", "cgid", "cpid", "lpid", "nattch"]) {
    assert.equal(`${facts[name]}`, theirs[name], name);
  }
  assert.equal(facts.keyHex, "0x00000000");
  assert.equal(facts.ctime, new Date(facts.ctime).toISOString());
});

Deno.test("create: what cannot be created is one line that says why, and 1", async () => {
  using taken = Segment.create({ key: freshKey(), size: 10 });
  const rows: readonly (readonly [string[], RegExp])[] = [
    [
      ["--size=1", `--key=${taken.key}`],
      /EEXIST.*this key \(segment \d+ has 10 bytes, .*\); choose another --key, or, if .* rm 0x/,
    ],
    [["--size=1", "--key=/no/such/file:1"], /ftok: ENOENT/],
    [["--size=4096T", "--no-reserve"], /ENOMEM.*no room for it in this process's address space/],
  ];
  try {
    for (const [args, reason] of rows) {
      const { code, stdout, stderr } = await runHere("create", ...args);
      assert.deepEqual([code, stdout], [1, ""], stderr);
      assert.match(stderr, /^error: [^\n]+\n$/);
      assert.match(stderr, reason);
    }
  } finally {
    taken.remove();
  }
});

testWithHugePages(
  CLI,
  "--huge and --huge-size: from the pool, with the size as asked for",
  async () => {
    const { reserved, pageSize } = hugePagePool();
    for (const how of ["--huge", `--huge-size=${pageSize}`]) {
      const { id, size } = JSON.parse(await printed("create", "--size=5", how, "--json"));
      try {
        assert.deepEqual([size, hugePagePool().reserved], [5, reserved + 1], how);
      } finally {
        removeSegment(id);
      }
    }
  },
);

/** Fails unless the command says so, and the segment it names is gone. */
function assertRemovedAgain(stderr: string, said: RegExp): void {
  const [, id] = said.exec(stderr) ?? assert.fail(stderr);
  assert(!listSegments().some((stat) => stat.id === Number(id)), stderr);
}

testWith(SHELL, "create: removed again with a full disk", async () => {
  const full = await toEnd(cliInShell('"$@" >/dev/full', "create", "--size=1"));
  assert.equal(full.code, 1);
  assertRemovedAgain(
    full.stderr,
    /^error: .*os error 28\); the new segment (\d+) was removed again\n$/,
  );
});

testWith(PIPES, "create: removed again when the reader has ended", async () => {
  using folder = new TestFolder();
  const pipe = await namedPipe(folder);
  // The reader opens the pipe, so that the writer can, and closes it before anything is written
  const script = `{ : <"${pipe}" & } ; exec 3>"${pipe}"; wait; "$@" >&3`;
  const { code, stderr } = await toEnd(cliInShell(script, "create", "--size=1"));
  assert.equal(code, 1);
  assertRemovedAgain(
    stderr,
    /^error: no process reads the output; the new segment (\d+) was removed again\n$/,
  );
});

testWith(PIPES, "create: removed again at a signal before it is printed", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  const { path, pipe } = await fullPipe(folder);
  using _pipe = pipe;
  await using create = cliInShell(`exec "$@" >"${path}"`, "create", "--size=1", `--key=${key}`);
  await until(() => findSegment(key) !== undefined);
  create.kill("SIGINT");
  const { code, stderr } = await create.ended();
  assert.equal(code, 130);
  assert.match(stderr, /^ended by SIGINT; the new segment \d+ was removed again\n$/);
  assert.equal(findSegment(key), undefined);
});

testWith(IN_NAMESPACE, "create: kernel.shm_rmid_forced is named", async () => {
  const said = await inNamespace(
    { shm_rmid_forced: 1 },
    `const { code, stdout, stderr } = new Deno.Command(${JSON.stringify(Deno.execPath())}, {
      args: ["run", "--allow-ffi", ${JSON.stringify(`${PROJECT}cli.ts`)}, "create", "--size=1"],
    }).outputSync();
    console.log(code, ...[stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)));`,
  );
  assert.match(
    said,
    /^1 +error: the new segment 0 went as soon as no process was attached: .*rmid_forced/,
  );
});

Deno.test("createAtFreeKey: draws again where a key is taken, or none", () => {
  using taken = Segment.create({ key: freshKey(), size: 1 });
  const free = freshKey();
  const drawn = [IPC_PRIVATE, taken.key, IPC_PRIVATE, free];
  try {
    using segment = createAtFreeKey(
      (key) => Segment.create({ key, size: 1 }),
      () => drawn.shift()!,
    );
    segment.remove();
    assert.deepEqual([segment.key, drawn], [free, []]);
  } finally {
    taken.remove();
  }
});

Deno.test("createAtFreeKey: no other failure is tried again", () => {
  const failure = new ShmError("create", undefined, "ENOTSUP");
  let calls = 0;
  const create = (): never => {
    if (++calls > 1) assert.fail("tried again");
    throw failure;
  };
  assert.throws(() => createAtFreeKey(create), (error) => error === failure);
  assert.equal(calls, 1);
});
