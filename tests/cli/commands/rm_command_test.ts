/**
 * `cli.ts rm` on segments and semaphore sets that ipcmk, Perl and C made: gone or marked as ipcs sees
 * it, and what is in use left alone. Its questions are in `question_test.ts`, its decisions in
 * `removal_test.ts`.
 */

import assert from "node:assert/strict";
import {
  findSegment,
  listSegments,
  listSemaphoreSets,
  SemaphoreSet,
  statSegment,
  statSemaphoreSet,
} from "../../../mod.ts";
import { rmCommand } from "../../../src/cli/commands/rm_command.ts";
import { hexKey } from "../../../src/cli/objects/segment_facts.ts";
import { C_NEEDS, CProgram } from "../../support/c_program.ts";
import { ForeignObject, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../../support/peer.ts";
import {
  cliInShell,
  namedPipe,
  PIPE_TOOLS,
  run,
  runWithProc,
  toEnd,
  until,
} from "../command_line.ts";

guardAgainstLeaks();

const IPCMK = { tools: ["deno", "ipcmk", "ipcrm"] };
const PERL = { tools: ["deno", "perl", "ipcrm", "ipcs"] };

/** Makes a segment of 100 bytes at a key, is attached to it, and ends with its input. */
const holder = new CProgram(`
  #include <stdio.h>
  #include <stdlib.h>
  #include <sys/shm.h>
  int main(int argc, char **argv) {
    int id = shmget(argc > 1 ? atoi(argv[1]) : 0, 100, IPC_CREAT | IPC_EXCL | 0600);
    if (id < 0 || shmat(id, NULL, 0) == (void *)-1) return 1;
    printf("%d\\n", id);
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
  }
`);

testWith(IPCMK, "by key, by id, and what is not there: ipcs knows the rest no more", async () => {
  using first = ForeignObject.segment(100);
  using second = ForeignObject.segment(5000);
  const { key } = statSegment(second.id);
  const { code, stdout, stderr } = await run("rm", `id:${first.id}`, "0x5eed0fff", hexKey(key));
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: no segment has key \d+ \(0x5eed0fff\): `[^`]+cli.ts ls` lists [^\n]*\n$/,
  );
  const [one, two] = stdout.split("\n");
  assert.match(
    one!,
    new RegExp(`^removed segment ${first.id} \\(key 0x[0-9a-f]{8}, 100 bytes\\)$`),
  );
  assert.equal(two, `removed segment ${second.id} (key ${hexKey(key)}, 5000 bytes)`);
  assert.deepEqual(listSegments().filter(({ id }) => [first.id, second.id].includes(id)), []);
});

testWith(PERL, "in use: left alone without a terminal, marked with --force", async () => {
  const key = freshKey();
  const { perl, id } = await perlSegment({ key, size: 100, times: 2 });
  await using _perl = perl;
  const refused = await run("rm", hexKey(key));
  assert.equal(refused.code, 1);
  assert.equal(refused.stdout, "");
  assert.match(
    refused.stderr,
    /^error: segment \d+ \(key 0x\w+, 100 bytes\) of \S+ has 2 attaches: /,
  );
  assert.match(refused.stderr, /no terminal to ask on: --force does without\n$/);
  assert.equal(findSegment(key), id);

  const dry = await runWithProc("rm", "-n", hexKey(key));
  assert.equal(dry.code, 0);
  assert.match(dry.stdout, new RegExp(`: it has 2 attaches \\(perl ${perl.pid}\\)\n$`));

  const forced = await run("rm", "--force", hexKey(key));
  assert.deepEqual(forced, {
    code: 0,
    signal: null,
    stdout:
      `marked segment ${id} (key ${hexKey(key)}, 100 bytes) for removal: it goes when its 2 ` +
      "attaches do\n",
    stderr: "",
  });
  assert.match(output("ipcs", "-m"), new RegExp(`^0x00000000 ${id} .* 100 +2 +dest`, "m"));
  await perl.endInput();
  await perl.ended();
  assert.equal(listSegments().find((stat) => stat.id === id), undefined);
});

testWith(
  { tools: [...IPCMK.tools, ...C_NEEDS.tools], files: true },
  "--json: a record of each, numbers are numbers",
  async () => {
    await using c = holder.start(freshKey());
    const used = Number(await c.line());
    using free = ForeignObject.segment(100);
    const { key } = statSegment(free.id);
    const usedKey = statSegment(used).key;
    const { code, stdout } = await run("rm", "--json", `id:${used}`, `id:${free.id}`, "0x5eed0fff");
    assert.equal(code, 1);
    const [kept, removed, absent, ...more] = JSON.parse(stdout);
    assert.deepEqual(more, []);
    assert.match(kept.error, /has 1 attach: .*--force/);
    assert.deepEqual(
      { ...kept, error: "" },
      { id: used, key: usedKey, keyHex: hexKey(usedKey), removed: false, nattch: 1, error: "" },
    );
    assert.deepEqual(
      removed,
      { id: free.id, key, keyHex: hexKey(key), removed: true, nattch: 0, error: null },
    );
    assert.match(absent.error, /^no segment has key/);
    assert.deepEqual(
      { ...absent, error: "" },
      { id: null, key: 0x5eed0fff, keyHex: "0x5eed0fff", removed: false, nattch: null, error: "" },
    );
    const forced = await run("rm", "--json", "--force", "--id", `${used}`);
    assert.equal(forced.code, 0);
    assert.deepEqual(JSON.parse(forced.stdout), [
      { id: used, key: usedKey, keyHex: hexKey(usedKey), removed: true, nattch: 1, error: null },
    ]);
  },
);

testWith(
  { tools: ["deno", "unshare", "ipcmk"], namespace: true },
  "chosen ones: what --dry-run names is what goes, and nothing else",
  async () => {
    await using peer = Peer.start("unshare", [
      "-i",
      Deno.execPath(),
      "eval",
      "--ext=ts",
      `import { main } from ${JSON.stringify(`file://${PROJECT}cli.ts`)};
      import { listSegments, Segment } from ${JSON.stringify(`file://${PROJECT}mod.ts`)};
      const start = (name, ...args) => new Deno.Command(name, { args }).outputSync();
      for (const size of ["1", "2"]) start("ipcmk", "-M", size);
      using attached = Segment.create({ size: 3 });
      using idle = Segment.create({ size: 4 });
      idle.detach();
      for (
        const choice of [
          ["--orphans", "--older-than", "1h"],
          ["--orphans", "--dry-run"],
          ["--orphans"],
          ["--mine"],
          ["--mine", "--force", "--json"],
        ]
      ) {
        console.log("exit", await main(["rm", ...choice]), listSegments().map(({ size }) => size));
      }
      attached.detach();`,
    ]);
    const { stdout, stderr } = await peer.ended();
    const orphans = "REMOVE segment 0 (KEY, 1 bytes)\nREMOVE segment 1 (KEY, 2 bytes)\n";
    const parts = stdout.replace(/key 0x\w+/g, "KEY").split(/exit /);
    assert.equal(parts[0], "");
    assert.equal(parts[1], `0 [ 1, 2, 3, 4 ]\n${orphans.replaceAll("REMOVE", "would remove")}`);
    assert.equal(parts[2], `0 [ 1, 2, 3, 4 ]\n${orphans.replaceAll("REMOVE", "removed")}`);
    assert.equal(parts[3], "0 [ 3, 4 ]\nremoved segment 3 (no key, 4 bytes)\n");
    assert.match(parts[4]!, /^1 \[ 3 \]\n\[\n/);
    assert.match(parts[5]!, /^0 \[ 3 \]\n$/);
    assert.match(
      stderr,
      /^no segment is chosen: nothing to remove\nerror: segment 2 .* has 1 attach .*--force does without\n$/,
    );
  },
);

testWith(
  { tools: [...IPCMK.tools, "perl"] },
  "semaphore sets: by key and id, and who waits for one is asked about",
  async () => {
    using one = ForeignObject.semaphores(1);
    using two = ForeignObject.semaphores(3);
    const { key } = statSemaphoreSet(two.id);
    const removed = await run("rm", "--semaphores", `id:${one.id}`, hexKey(key), "id:2147483647");
    assert.equal(removed.code, 1);
    assert.match(
      removed.stderr,
      /^error: no semaphore set has id 2147483647: `[^`]+cli.ts ls --sem/,
    );
    assert.match(removed.stdout, /^removed semaphore set \d+ \(key 0x\w+, 1 semaphore\)\n/);
    assert.match(removed.stdout, /\nremoved semaphore set \d+ \(key 0x\w+, 3 semaphores\)\n$/);
    const ids = listSemaphoreSets().map(({ id }) => id);
    assert.deepEqual([one.id, two.id].filter((id) => ids.includes(id)), []);

    using waited = ForeignObject.semaphores(1);
    const wait = `semop(${waited.id}, pack("s!*", 0, -1, 0)) or print $!{EIDRM} ? "EIDRM" : "$!"`;
    await using perl = Peer.start("perl", ["-MErrno", "-e", wait]);
    const set = SemaphoreSet.attach(waited.id);
    await until(() => set.waitingForIncrease(0) === 1);
    const kept = await run("rm", "-s", `id:${waited.id}`);
    assert.equal(kept.code, 1);
    assert.match(
      kept.stderr,
      / of \S+ is waited for by 1 process: remove it .*--force does without/,
    );
    const forced = await run("rm", "-sf", "--json", `id:${waited.id}`);
    assert.equal(forced.code, 0);
    const [{ id, removed: gone, nattch, error }] = JSON.parse(forced.stdout);
    assert.deepEqual([id, gone, nattch, error], [waited.id, true, null, null]);
    assert.equal((await perl.ended()).stdout, "EIDRM");
  },
);

Deno.test("semaphore sets have no creator to be orphaned by", async () => {
  await assert.rejects(() => rmCommand.run(["-s", "--orphans"]), {
    message: "option --orphans: the kernel does not keep who created a semaphore set",
  });
});

testWith(
  { tools: ["deno", "sh", "ipcmk", "ipcrm", ...PIPE_TOOLS], files: true },
  "nobody to read what was done, or no room for it: all of it is done",
  async () => {
    using folder = new TestFolder();
    const pipe = await namedPipe(folder);
    const noReader = `{ : <"${pipe}" & } ; exec 3>"${pipe}"; wait; "$@" >&3`;
    const rows: readonly (readonly [string, string[], number, RegExp])[] = [
      [noReader, [], 0, /^$/],
      [noReader, ["0x5eed0fff"], 1, /^error: no segment has key/],
      ['"$@" >/dev/full', [], 1, /^error: cannot write to standard output: .*os error 28\)\n$/],
    ];
    for (const [script, more, code, said] of rows) {
      using one = ForeignObject.segment(1);
      using two = ForeignObject.segment(1);
      const names = [`id:${one.id}`, ...more, `id:${two.id}`];
      const ended = await toEnd(cliInShell(script, "rm", ...names));
      assert.equal(ended.code, code, script);
      assert.match(ended.stderr, said);
      assert.deepEqual(listSegments().filter(({ id }) => [one.id, two.id].includes(id)), []);
    }
  },
);
